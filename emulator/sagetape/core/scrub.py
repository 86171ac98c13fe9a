"""What is stored of a call and of its answer, and in which form.

One function serves both directions: the form that a cassette keeps is the form that matching sees, at recording and at
replay. Scrubbing a scrubbed value changes nothing.

- Headers of an answer are kept by an allow-list that nobody can widen; the rest is dropped, but for the length that a
  broken answer announced. Of a call only the members
  of the service model exist at all. Authorization, tokens, dates, hashes and cookies are in neither.
- Accounts in ARNs, buckets and registries, and ids in ARNs, become stable fakes (`core/identities.py`): in members, in
  headers, and in text bodies of calls and of answers, streams too. Twelve digits elsewhere in a body stay. Bodies that
  are not text, and what is encoded in a text (base64), stay as they are.
- The texts of errors repeat what was signed, the session token among it; such values are masked.
- A user's rules (`core/rules.py`) apply to both bodies, after all this.

It does not look for secrets: that is `core/secrets.py`, which refuses what this module let through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import blake2b, sha256
from typing import Final
from zlib import crc32

from .edits import FindEdits, apply_all, edit_text
from .eventstream import Frame, FrameError, decode
from .finders import find_credentials, find_path, find_pattern
from .identities import DEFAULT_ACCOUNT, OWN_ACCOUNT, Identities
from .paths import parse_path
from .rules import SCRUBBED, ScrubRules
from .wire import Call, Chunk, End, Head, Headers, Interaction, Script, head_of, is_event_stream

KEPT_HEADERS: Final = frozenset(
    {"content-type", "content-encoding", "x-amzn-errortype", "x-amzn-invoked-production-variant"}
)
KEPT_PREFIX: Final = "x-amzn-sagemaker-"  # every further output header of botocore sagemaker-runtime 2017-05-13

NEVER_KEPT: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-amz-security-token",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-signature",
        "x-amzn-sagemaker-authorization",
    }
)
"""Never stored, whatever a rule or a newer service model says: as a header, a member or a query parameter."""

PRELUDE_BYTES: Final = 12  # two lengths and their checksum, core/eventstream.py

_TEXT_TYPES = re.compile(r"(?i)\A\s*(?:text/|application/(?:[a-z0-9.+-]*\+)?(?:json|jsonlines|x-ndjson|ndjson|xml)\b)")
_JSON_TYPES = re.compile(r"(?i)\A\s*application/(?:[a-z0-9.+-]*\+)?(?:json|jsonlines|x-ndjson|ndjson)\b")

__all__ = ["SCRUBBED", "Collisions", "ScrubRules", "Scrubber", "is_kept"]


class Scrubber:
    """Scrubs calls and answers; remembers which account has which number."""

    __slots__ = ("_headers", "_identities", "_paths", "_patterns", "rules")

    def __init__(
        self, rules: ScrubRules, *, account: str | None, seen: Sequence[str] = (), everywhere: bool = False
    ) -> None:
        """`account` is the account of this run, if known; `seen` is the memory of an earlier run (`Scrubber.seen`).

        `everywhere`: the account is taken out as a bare number, too, now and with this memory.
        """
        self.rules = rules
        self._identities = Identities(account, seen, everywhere=everywhere)
        self._headers = frozenset(plain_name(name) for name in rules.headers)
        self._paths = tuple(parse_path(path) for path in rules.json_paths)
        self._patterns = tuple(re.compile(pattern, re.ASCII) for pattern in rules.patterns)

    def seen(self) -> tuple[str, ...]:
        """The memory of the accounts, without the accounts: for the cassette, and for the next run's `seen`."""
        return self._identities.seen()

    def call(self, call: Call) -> Call:
        """The form used for matching and for storing."""
        return self.redact(call)[0]

    def redact(self, call: Call) -> tuple[Call, bytes]:
        """The same, and a digest of what was taken out (empty when nothing was); see `Collisions`."""
        removed: list[bytes] = []
        members = self._scrub_members(call.members, removed)
        body = self._scrub_request_body(call, removed)
        account = call.account if call.account == DEFAULT_ACCOUNT else OWN_ACCOUNT
        if members is call.members and body is call.body and account == call.account:
            return call, b""
        digest = call.body_sha256 if body is call.body else sha256(body).digest()
        scrubbed = replace(call, members=members, body=body, body_sha256=digest, account=account)
        return scrubbed, digest_removed(removed)

    def script(self, script: Script) -> Script:
        """An answer as it is stored. Nothing but headers and the bytes of chunks changes: as many steps, as timed."""
        head = head_of(script)
        if head is None:
            return script
        finders = self._answer_finders(head)
        chunks = [bytes(step.data) for step in script if isinstance(step, Chunk)]
        came_bytes = sum(map(len, chunks))
        if chunks and (finders or is_event_stream(head)):
            chunks = self._scrub_chunks(head, chunks, finders)
        queue = iter(chunks)
        claimed = claimed_length(head, script, grown_bytes=sum(map(len, chunks)) - came_bytes)
        return tuple(
            replace(step, headers=(*self.headers(step.headers), *claimed))
            if isinstance(step, Head)
            else Chunk(next(queue))
            if isinstance(step, Chunk)
            else step
            for step in script
        )

    def headers(self, headers: Headers) -> Headers:
        """The headers of an answer that are stored, in their order and case."""
        removed: list[bytes] = []
        return tuple((key, self._scrub_value(key, value, removed)) for key, value in headers if is_kept(key))

    def interaction(self, interaction: Interaction) -> Interaction:
        """Both sides."""
        return replace(interaction, call=self.call(interaction.call), script=self.script(interaction.script))

    def _scrub_members(self, members: Mapping[str, str], removed: list[bytes]) -> Mapping[str, str]:
        asks_all = self._headers or self._patterns or self._identities.is_everywhere
        if not asks_all and not _may_name("\n".join(members.values())):
            return members
        scrubbed = {
            name: self._scrub_value(name, value, removed)
            for name, value in members.items()
            if plain_name(name) not in _NEVER_PLAIN
        }
        return members if scrubbed == members else scrubbed

    def _scrub_value(self, name: str, value: str, removed: list[bytes]) -> str:
        if self._headers and plain_name(name) in self._headers:
            if value != SCRUBBED:
                removed.append(value.encode("utf-8", "surrogateescape"))
            return SCRUBBED
        finders: list[FindEdits] = [self._identities.find_names] if _may_name(value) else []
        if self._identities.is_everywhere:
            finders.append(self._identities.find_everywhere)
        finders += [partial(find_pattern, pattern) for pattern in self._patterns]
        return edit_text(value, finders, removed) if finders else value

    def _scrub_request_body(self, call: Call, removed: list[bytes]) -> bytes:
        body = call.body
        if not body:
            return body
        content_type = call.members.get("ContentType", "")
        finders = self._rule_finders(content_type)
        if is_text(content_type):
            finders = (*self._name_finders(), *finders)
        if not finders:
            return body
        return apply_all((body,), finders, removed)[0]

    def _answer_finders(self, head: Head) -> tuple[FindEdits, ...]:
        name = "x-amzn-sagemaker-content-type" if is_event_stream(head) else "content-type"
        content_type = head.header(name) or ""
        finders = self._rule_finders(content_type)
        if is_refusal(head):
            return (*self._said_finders(), *finders)
        return (*self._name_finders(), *finders) if is_text(content_type) else finders

    def _name_finders(self) -> tuple[FindEdits, ...]:
        names = self._identities
        return (names.find_names, names.find_everywhere) if names.is_everywhere else (names.find_names,)

    def _said_finders(self) -> tuple[FindEdits, ...]:
        return (find_credentials, *self._name_finders(), self._identities.find_said)

    def _rule_finders(self, content_type: str) -> tuple[FindEdits, ...]:
        if not self._paths and not self._patterns:
            return ()
        finders: list[FindEdits] = []
        if not content_type or _JSON_TYPES.match(content_type):
            finders += [partial(find_path, path) for path in self._paths]
        if not content_type or _TEXT_TYPES.match(content_type):
            finders += [partial(find_pattern, pattern) for pattern in self._patterns]
        return tuple(finders)

    def _scrub_chunks(self, head: Head, chunks: list[bytes], finders: Sequence[FindEdits]) -> list[bytes]:
        if not is_event_stream(head):
            return apply_all(chunks, finders, [])
        return self._scrub_frames(chunks, finders)

    def _scrub_frames(self, frames: list[bytes], finders: Sequence[FindEdits]) -> list[bytes]:
        """The payloads of a stream's parts as one body; an exception's text for itself, as an error's."""
        opened = [open_frame(frame) for frame in frames]
        parts = [i for i, frame in enumerate(opened) if frame is not None and frame.is_part]
        payloads = {i: opened[i].payload for i in parts}  # type: ignore[union-attr]
        edited = dict(zip(parts, apply_all(list(payloads.values()), finders, []), strict=True))
        for i, frame in enumerate(opened):
            if frame is not None and not frame.is_part:
                payloads[i] = frame.payload
                edited[i] = apply_all((frame.payload,), (*self._said_finders(), *finders), [])[0]
        return [
            replace_payload(frame, edited[i]) if i in edited and edited[i] != payloads[i] else frame
            for i, frame in enumerate(frames)
        ]


class Collisions:
    """Finds two different requests that scrub to one key, so that the second is not recorded as a take of the first."""

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: dict[bytes, bytes] = {}

    def is_collision(self, key: bytes, removed: bytes) -> bool:
        """Whether a request with this key was seen that differs in what scrubbing took out (`Scrubber.redact`)."""
        return self._first.setdefault(key, removed) != removed


def open_frame(data: bytes) -> Frame | None:
    """What a stream's part carries; None when it is not a whole frame with right checksums, which stays as it came."""
    try:
        return decode(data)
    except FrameError:
        return None  # recorded as AWS sent it; the secret scan still reads its bytes


def replace_payload(data: bytes, payload: bytes) -> bytes:
    """The same frame with another payload, lengths and checksums made right; `data` is one whole frame."""
    headers_end = PRELUDE_BYTES + int.from_bytes(data[4:8], "big")
    prelude = (headers_end + len(payload) + 4).to_bytes(4, "big") + data[4:8]
    prelude += crc32(prelude).to_bytes(4, "big")
    body = prelude + data[PRELUDE_BYTES:headers_end] + payload
    return body + crc32(body).to_bytes(4, "big")


# --- predicates ----------------------------------------------------------------------------------------------------


def is_kept(header: str) -> bool:
    """Whether a header of an answer is stored."""
    name = header.lower()
    return (name in KEPT_HEADERS or name.startswith(KEPT_PREFIX)) and name not in NEVER_KEPT


def claimed_length(head: Head, script: Script, *, grown_bytes: int = 0) -> Headers:
    """The length that a broken answer announced: without it, the part that arrived would replay as a whole one.

    As long as before is what did not arrive: stand-ins may be longer than what they stand for.
    """
    if isinstance(script[-1], End):
        return ()
    told = [(k, int(v)) for k, v in head.headers if k.lower() == "content-length" and v.isdecimal() and len(v) < 19]
    return tuple((k, str(max(length + grown_bytes, 0))) for k, length in told)


@lru_cache(maxsize=256)
def is_text(content_type: str) -> bool:
    """Whether a body of this type is read as text; one without a type is."""
    return not content_type or _TEXT_TYPES.match(content_type) is not None


def is_refusal(head: Head) -> bool:
    """Whether the body is the platform's text and not a model's."""
    return head.status >= 400 or head.header("x-amzn-errortype") is not None


def plain_name(name: str) -> str:
    """One spelling for a header and its member: `X-Amzn-SageMaker-Target-Model` and `TargetModel` are `targetmodel`."""
    plain = name.lower().removeprefix("x-amzn-sagemaker-").removeprefix("x-amzn-").replace("-", "")
    return _ALIASES.get(plain, plain)


# Header and member differ by more than their spelling: botocore sagemaker-runtime 2017-05-13.
_ALIASES: Final = {"inferencecomponent": "inferencecomponentname"}
_NEVER_PLAIN: Final = frozenset(plain_name(name) for name in NEVER_KEPT)


def _may_name(text: str) -> bool:
    return "arn:aws" in text or "s3://" in text or "sagemaker-" in text or "amazonaws.com" in text


def digest_removed(removed: Sequence[bytes]) -> bytes:
    """Sixteen bytes that stand for what was taken out, kept in memory only; empty for nothing."""
    if not removed:
        return b""
    digest = blake2b(digest_size=16)
    for text in removed:
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
    return digest.digest()
