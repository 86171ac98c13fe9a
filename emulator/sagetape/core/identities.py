"""Accounts, ARNs, buckets and ids: which stable fake stands for which.

The account that records becomes `000000000000`; any other becomes `000000000001`, `000000000002`, ... in the order
in which they appear; names of principals and of keys become a digest of themselves, which needs no memory. A fake is
left as it is, so that scrubbing twice is scrubbing once.

An account is an account only where it is written as one: in an ARN, in the name of a bucket, in the name of a container
registry, and, where AWS speaks itself, after the word `account`. Twelve digits elsewhere are a number and stay, but for
those of an account that the user named to `cassette scrub --account`: it is taken out wherever it stands by itself.
The emulator's own default account is nobody's and stays, so that texts of the emulator read the same live and replayed.

The order of appearance survives in a cassette as fingerprints of 24 bits (`Identities.seen`): enough to know an account
again among the few of a cassette, and shared by 60,000 others, so that it cannot be read back.

Forms: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html; the bucket
`sagemaker-<region>-<account>` is the SageMaker Python SDK's default; the error texts are quoted in
aws/amazon-sagemaker-examples#293, #1881 and philschmid/cdk-samples#2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

from .edits import Edit
from .rules import SCRUBBED

OWN_ACCOUNT: Final = "000000000000"
DEFAULT_ACCOUNT: Final = "123456789012"  # of the emulator, AWS's own example; nobody's
EVERYWHERE: Final = "*"  # behind the own account's fingerprint: replaced as a bare number, too
OTHERS_MAX: Final = 999_999  # the fakes' six digits; all further accounts share the last one
FAKE_PREFIX: Final = b"000000"
_DEFAULT: Final = DEFAULT_ACCOUNT.encode()
FAKE_REQUEST_ID: Final = b"00000000-0000-4000-8000-000000000000"

_ARN = re.compile(
    rb"arn:aws[a-z-]{0,16}:([a-z0-9-]{1,32}):[a-z0-9-]{0,32}:([0-9]{12})?(?![0-9]):([^\s\"'<>\\,;)\]}]{0,1024})"
)
_BUCKET = re.compile(rb"s3://([^/\s\"'<>\\]{1,255})")
_NAMED_BUCKET = re.compile(rb"sagemaker-[a-z]{2}(?:-[a-z]{2,9}){1,3}-[0-9]-([0-9]{12})(?![0-9])")
_HOST = re.compile(rb"(?<![0-9])([0-9]{12})\.dkr\.ecr[.-]|https://([^/\s\"'<>\\]{1,255})\.amazonaws\.com")
_TWELVE = re.compile(rb"(?<![0-9])[0-9]{12}(?![0-9])")
_SAID = re.compile(rb"(?i)\baccount(?:[ _-]?id)?[\\\"']{0,3}[ :=]{1,3}[\\\"']{0,3}([0-9]{12})(?![0-9])")
_QUOTE = re.compile(rb"(?<!\\)(?:\\\\)*\"")
_REQUEST_ID = re.compile(rb"\bRequest ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) ")
_KEY_ID = re.compile(rb"\Akey/((?:mrk-)?[0-9a-f-]{32,40})")
_FAKE_NAME = re.compile(rb"principal-[0-9a-f]{8}")
_EDITED: Final = SCRUBBED.encode()  # a pattern of the user hit inside a fake; what it left must stay
_PRINCIPAL = re.compile(rb"\A((?:assumed-role|role|user|federated-user|group|instance-profile)/)(.+)\Z", re.DOTALL)


class Identities:
    """The memory of who is who, and the finder of what to replace."""

    __slots__ = ("_former", "_numbers", "_own", "_own_known", "is_everywhere")

    def __init__(self, own: str | None, seen: Sequence[str] = (), *, everywhere: bool = False) -> None:
        """`own` is the account of this run; `seen` is what `seen()` gave when the cassette was written.

        `everywhere`: the own account is replaced as a bare number, too; remembered in `seen()`.
        """
        self._own = own.encode() if own else None
        self._own_known = seen[0].removesuffix(EVERYWHERE) if seen else ""
        self.is_everywhere = everywhere or bool(seen and seen[0].endswith(EVERYWHERE))
        self._numbers: dict[str, int] = {}
        for mark in seen[1:]:
            self._numbers.setdefault(mark, len(self._numbers) + 1)
        # An account that had a number before it was told to be the own one keeps its place, and its old fake follows.
        former = self._numbers.get(self._own_mark())
        self._former = b"%012d" % former if former else b""

    def seen(self) -> tuple[str, ...]:
        """For the cassette: the fingerprint of the own account (empty when unknown), then of the others by number."""
        own = self._own_mark()
        return (own + EVERYWHERE if own and self.is_everywhere else own, *self._numbers)

    def _own_mark(self) -> str:
        return fingerprint(self._own) if self._own else self._own_known

    def adopt(self, account: bytes) -> None:
        """Take this as the account that records, when none is known and it has no number yet: AWS says so itself."""
        unknown = self._own is None and not self._own_known
        nobody = account.startswith(FAKE_PREFIX) or account == _DEFAULT
        if unknown and not nobody and fingerprint(account) not in self._numbers:
            self._own = account

    def fake_account(self, account: bytes) -> bytes:
        """Twelve digits for twelve digits."""
        if account == self._own or account == self._former:
            return OWN_ACCOUNT.encode()
        if account.startswith(FAKE_PREFIX):
            return account
        mark = fingerprint(account)
        if mark == self._own_known:
            return OWN_ACCOUNT.encode()
        number = self._numbers.get(mark)
        if number is None:
            if account == _DEFAULT:
                return account  # cassettes of earlier versions may have a number for it
            number = len(self._numbers) + 1
            if number > OTHERS_MAX:
                return b"%012d" % OTHERS_MAX
            self._numbers[mark] = number
        return b"%012d" % number

    def find_names(self, body: bytes) -> Iterator[Edit]:
        """ARNs, buckets and registries. Costs a few searches for literals when there are none."""
        if not (b"arn:aws" in body or b"s3://" in body or b"sagemaker-" in body or b"amazonaws.com" in body):
            return
        for found in _ARN.finditer(body):
            yield from self._edit_arn(found)
        for found in _BUCKET.finditer(body):
            yield from self._edit_digits(found[1], found.start(1))
        for found in _NAMED_BUCKET.finditer(body):
            yield self._edit_account(found, 1)
        for found in _HOST.finditer(body):
            if found[1]:
                yield self._edit_account(found, 1)
            else:
                yield from self._edit_digits(found[2], found.start(2))

    def find_everywhere(self, body: bytes) -> Iterator[Edit]:
        """The own account wherever it stands by itself."""
        own = self._own_mark()
        for found in _TWELVE.finditer(body):
            if not found[0].startswith(FAKE_PREFIX) and fingerprint(found[0]) == own:
                new = b"0" if _is_number(body, found.start()) else OWN_ACCOUNT.encode()
                yield Edit(found.start(), found.end(), new)

    def find_said(self, body: bytes) -> Iterator[Edit]:
        """What only AWS's own texts say: `... of account N not found.`, `Request <id> is missing ...`."""
        for found in _SAID.finditer(body):
            self.adopt(found[1])
            yield self._edit_account(found, 1)
        for found in _REQUEST_ID.finditer(body):
            yield Edit(found.start(1), found.end(1), FAKE_REQUEST_ID)

    def _edit_account(self, found: re.Match[bytes], group: int) -> Edit:
        return Edit(found.start(group), found.end(group), self.fake_account(found[group]))

    def _edit_digits(self, text: bytes, offset: int) -> Iterator[Edit]:
        for found in _TWELVE.finditer(text):
            yield Edit(offset + found.start(), offset + found.end(), self.fake_account(found[0]))

    def _edit_arn(self, found: re.Match[bytes]) -> Iterator[Edit]:
        service, account, resource = found.groups()
        start = found.start(3)
        if account:
            yield self._edit_account(found, 2)
        if service == b"s3":
            yield from self._edit_digits(resource.split(b"/", 1)[0], start)
        elif service == b"kms" and (key := _KEY_ID.match(resource)):
            yield Edit(start + key.start(1), start + key.end(1), fake_key_id(key[1]))
        elif service in (b"iam", b"sts") and (who := _PRINCIPAL.match(resource)):
            yield Edit(start + who.start(2), start + who.end(2), fake_principal(who[2]))


def _is_number(body: bytes, position: int) -> bool:
    """Whether this stands outside of the strings of a JSON document, where a number has no leading zeros."""
    return body.lstrip()[:1] in (b"{", b"[") and len(_QUOTE.findall(body, 0, position)) % 2 == 0


def fingerprint(account: bytes) -> str:
    """Six hexadecimal digits: few enough that they do not give the account away."""
    return blake2b(account, digest_size=3, person=b"sagetape-account").hexdigest()


def fake_principal(name: bytes) -> bytes:
    """Role, user and session names tell who recorded; a digest tells them apart all the same."""
    tail = name[len(name.rstrip(b".:")) :]  # the end of a sentence is no part of a name
    core = name[: len(name) - len(tail)]
    if _FAKE_NAME.fullmatch(core) or _EDITED in core:
        return name
    return b"principal-" + blake2b(core, digest_size=4).hexdigest().encode() + tail


def fake_key_id(key: bytes) -> bytes:
    """A key's id keeps its form: a UUID whose last group is a digest."""
    if key.startswith(FAKE_REQUEST_ID[:24]):
        return key
    return FAKE_REQUEST_ID[:24] + blake2b(key, digest_size=6).hexdigest().encode()
