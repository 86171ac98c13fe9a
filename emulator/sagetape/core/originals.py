"""Puts the accounts of a user back into recorded requests, so that an upstream is asked what was asked then.

A cassette knows its accounts by fingerprints alone (`core/identities.py`), which tell whether an account that is given
is the one that a fake stands for. Twelve digits outside of names were never scrubbed and stay. Refuses to guess: an
account that was not given, names of principals, ids of keys and everything that a user's rule took out are gone, and
the reason says which.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from .edits import apply_all, edit_text
from .identities import EVERYWHERE, FAKE_PREFIX, FAKE_REQUEST_ID, OWN_ACCOUNT, Identities, fingerprint
from .rules import SCRUBBED
from .scrub import is_text
from .wire import Call

_FAKE_NAME: Final = re.compile(rb"principal-[0-9a-f]{8}(?![0-9a-f])")
_FAKE_KEY: Final = re.compile(FAKE_REQUEST_ID[:24] + rb"[0-9a-f]{12}(?![0-9a-f])")


class Originals(Identities):
    """The finder of names, the other way round: a fake becomes the account that it stands for, if that is known."""

    __slots__ = ("_accounts", "unknown")

    def __init__(self, accounts: Sequence[str], seen: Sequence[str]) -> None:
        """`accounts` are the user's own, twelve digits each; `seen` is the cassette's memory (`Identities.seen`)."""
        super().__init__(None, seen)
        self._accounts = real_accounts(accounts, seen)
        self.unknown: set[bytes] = set()
        """Fakes that were met and have no account."""

    def fake_account(self, account: bytes) -> bytes:
        if not account.startswith(FAKE_PREFIX):
            return account
        if account not in self._accounts:
            self.unknown.add(account)
        return self._accounts.get(account, account)


def real_accounts(accounts: Sequence[str], seen: Sequence[str]) -> Mapping[bytes, bytes]:
    """The account behind each fake. Where a cassette does not know who recorded it, the first that fits nothing did."""
    own, others = (seen[0].removesuffix(EVERYWHERE) if seen else ""), list(seen[1:])
    found: dict[bytes, bytes] = {}
    for account in map(str.encode, accounts):
        mark = fingerprint(account)
        if mark == own:
            found[OWN_ACCOUNT.encode()] = account
        elif mark in others:
            found[b"%012d" % (others.index(mark) + 1)] = account
        elif not own:
            found.setdefault(OWN_ACCOUNT.encode(), account)
    return found


def restore(call: Call, originals: Originals) -> tuple[Call, str]:
    """The request as it was sent, and why it cannot be asked; the reason is empty when it can."""
    originals.unknown.clear()
    members = {name: edit_text(value, [originals.find_names], []) for name, value in call.members.items()}
    body = call.body
    if is_text(call.members.get("ContentType", "")):
        body = apply_all((body,), (originals.find_names,), [])[0]
    reason = _what_is_gone(call) or _who_is_unknown(originals.unknown)
    if reason or (body == call.body and members == call.members):
        return call, reason
    return replace(call, members=members, body=body, body_sha256=sha256(body).digest()), ""


def _what_is_gone(call: Call) -> str:
    sent = [bytes(call.body), *(value.encode("utf-8", "surrogateescape") for value in call.members.values())]
    for data in sent:
        if SCRUBBED.encode() in data:
            return "values in it were scrubbed by a rule and are in no file"
        if _FAKE_NAME.search(data):
            return "the name of a principal in it was scrubbed and is in no file"
        if _FAKE_KEY.search(data):
            return "the id of a key in it was scrubbed and is in no file"
    return ""


def _who_is_unknown(fakes: set[bytes]) -> str:
    if not fakes:
        return ""
    shown = ", ".join(sorted(fake.decode() for fake in fakes))
    return f"accounts in it were scrubbed to {shown}; name the real ones with --account"
