"""Whether bytes that are about to be written hold a secret, and where.

Decides by patterns (access keys, signatures, tokens, private keys), by labels (`core/labels.py`: passwords, keys) and
by the live secrets of this process, in the bytes as they are and in everything they may be an encoding of
(`core/unwrap.py`), a few levels deep. It refuses to show what it found: a finding carries the place, a masked excerpt
and a fingerprint, by which a false alarm is allowed.

It never raises, whatever the bytes are, and its work is bounded: a budget of unpacked bytes per scan, and a depth. What
cannot be opened (zstd without the extra `[zstd]`, more than the budget, deeper than `DEPTH_MAX`) is a finding of the
kind `unreadable`, because what was not looked at is not known to be free of secrets.

Patterns: AWS's unique-id prefixes (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html), RFC
7519 (JWT), RFC 7468 (PEM), and the publicly documented prefixes of the tokens that model containers are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from .labels import find_labelled
from .places import Place
from .regions import find_regions
from .unwrap import Budget, Decompress, Layer, is_unopened, open_binary, open_text
from .values import valueclass
from .wire import Call, Chunk, Head, Interaction, Script, head_of

LIVE_CHARS_MIN: Final = 16  # shorter ones (`test`, `testing`) are in every second body
SCANNED_BYTES_MIN: Final = 6  # of a compressed secret: a repetitive one shrinks to so few bytes
DEPTH_MAX: Final = 8  # of encodings in encodings; what is deeper is unreadable
EXCERPT_CHARS: Final = 4
FINDINGS_MAX: Final = 50

WELL_KNOWN: Final = frozenset({"test", "testing", "dev", "sagetape"})
"""Never taken for secrets, nor anything that starts with them: the habitual development pairs."""

KINDS: Final[Mapping[str, tuple[tuple[bytes, ...], re.Pattern[bytes]]]] = {
    "AWS access key id": (
        (b"AKIA", b"ASIA"),
        re.compile(rb"A[KS]IA(?<![A-Za-z0-9/+]A[KS]IA)[A-Z0-9]{16}(?![A-Za-z0-9/+])"),
    ),
    "AWS signature": (
        (b"Signature=",),
        re.compile(
            rb"Signature=(?:[0-9a-f]{64}|(?:[A-Za-z0-9/+]|%2[BbFf]){27}(?:=|%3[Dd])|[A-Za-z0-9~_-]{128,})"
        ),  # version 4; version 2 (HMAC-SHA1 in base64); CloudFront
    ),
    "AWS session token": (
        (b"IQoJ", b"FwoG", b"FQoG", b"AQoD"),
        # The longer beginnings are those of "origin_ec" and "er/aws", which these tokens start with.
        re.compile(
            rb"(?:IQoJ|FwoG|FQoG|AQoD)(?<![A-Za-z0-9/+].{4})(?:(?:(?<=IQoJ)b3JpZ2|(?<=FwoG)ZX)[A-Za-z0-9/+]{32,}"
            rb"|[A-Za-z0-9/+]{92,})"
        ),
    ),
    "AWS authorization": (
        (b"AWS4-HMAC",),
        re.compile(rb"AWS4-HMAC-SHA256 Credential=(?!\*\*\*)[^\s,\"'\\]+"),
    ),
    "SageMaker API key": (
        (b"sagemaker-api-key-",),
        re.compile(rb"sagemaker-api-key-[A-Za-z0-9_=+/-]{16,}"),
    ),
    "JSON web token": (
        (b"eyJ",),
        re.compile(rb"eyJ[A-Za-z0-9_-]{10,}+\.eyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_-]{16,}"),
    ),
    "private key": (
        (b"-----BEGIN ",),
        re.compile(rb"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY[^=]{0,128}"),
    ),
    "GitHub token": (
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})"),
    ),
    "Hugging Face token": (
        (b"hf_",),
        re.compile(rb"\bhf_[A-Za-z0-9]{30,}"),
    ),
    "OpenAI or Anthropic key": (
        (b"sk-ant-", b"sk-proj-", b"sk-svcacct-"),
        re.compile(rb"\bsk-(?:ant-|proj-|svcacct-)[A-Za-z0-9_-]{32,}"),
    ),
    "Slack token": (
        (b"xoxa-", b"xoxb-", b"xoxp-", b"xoxr-", b"xoxs-"),
        re.compile(rb"\bxox[abprs]-[0-9A-Za-z-]{20,}"),
    ),
    "Google API key": (
        (b"AIza",),
        re.compile(rb"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ),
    "GitLab token": (
        (b"glpat-",),
        re.compile(rb"\bglpat-[A-Za-z0-9_-]{20}"),
    ),
    "npm token": (
        (b"npm_",),
        re.compile(rb"\bnpm_[A-Za-z0-9]{36}"),
    ),
    "PyPI token": (
        (b"pypi-AgE",),
        re.compile(rb"\bpypi-AgE[A-Za-z0-9_-]{16,}"),
    ),
    "Stripe key": (
        (b"sk_live_", b"rk_live_", b"sk_test_", b"rk_test_"),
        re.compile(rb"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ),
}
"""The texts with one of which every match starts, and the pattern."""


# Most literals hold one of these, and base64, where the search is longest, none of them: one look instead of twenty.
_MARKS: Final = (b"_", b"-", b" ", b"=")
_TOKEN_RUN = re.compile(rb"[A-Za-z0-9_-]++")


@valueclass(frozen=True, slots=True)
class Finding:
    """A secret, without the secret."""

    kind: str
    """A key of `KINDS`, a kind of `core/labels.py`, `live secret`, or `unreadable`."""
    place: str
    """`response body, base64, gzip, JSON path $.a.b`: from the outside in."""
    fingerprint: str
    """Sixteen hexadecimal digits that stand for the text that was found; what `ScrubRules.allowed` lists."""
    excerpt: str = ""
    """The first characters and the length."""

    def __str__(self) -> str:
        shown = f" {self.excerpt}" if self.excerpt else ""
        return f"{self.kind}{shown} in {self.place} (fingerprint {self.fingerprint})"


@dataclass(slots=True)
class _Search:
    """One scan under way."""

    allowed: frozenset[str]
    budget: Budget = field(default_factory=Budget)
    findings: dict[str, Finding] = field(default_factory=dict)

    def report(self, kind: str, text: bytes, place: Place) -> None:
        mark = fingerprint(text)
        if mark not in self.allowed and mark not in self.findings and len(self.findings) < FINDINGS_MAX:
            self.findings[mark] = Finding(kind, place.describe(text), mark, mask(text))


class Scanner:
    """Looks for the patterns and for the live secrets given to it."""

    __slots__ = ("_allowed", "_live", "_zstd")

    def __init__(
        self, live: Iterable[str] = (), *, allowed: frozenset[str] = frozenset(), zstd: Decompress | None = None
    ) -> None:
        """`live` are secret keys and tokens of this process; `zstd` comes from `unwrap.find_zstd`."""
        worth = dict.fromkeys(text for text in live if is_worth_looking_for(text))
        self._live = tuple(text.encode("utf-8", "surrogatepass") for text in worth)
        self._allowed = allowed
        self._zstd = zstd

    def scan(self, encoded: bytes, *, place: str) -> list[Finding]:
        """The secrets in some bytes; `place` is what the bytes are."""
        search = _Search(self._allowed)
        self._look(Place(place, encoded), search)
        return list(search.findings.values())

    def scan_interaction(self, interaction: Interaction) -> list[Finding]:
        """The secrets in a call and its answer, with the place of each."""
        search = _Search(self._allowed)
        for place, data in places(interaction):
            self._look(Place(place, data), search)
        return list(search.findings.values())

    def _look(self, place: Place, search: _Search) -> None:
        """Read the bytes of a place, then what they are an encoding of."""
        data = place.data
        if len(data) < SCANNED_BYTES_MIN:
            return
        for live in self._live:
            if live in data:
                search.report("live secret", live, place)
        for kind, text in find_labelled(data):
            search.report(kind, text, place)
        self._look_into(open_binary(data, search.budget, zstd=self._zstd), place, search)
        for region in find_regions(data):
            for kind, text in find_patterns(region):
                search.report(kind, text, place)
            self._look_into(open_text(region), place, search)

    def _look_into(self, layers: Iterator[Layer], place: Place, search: _Search) -> None:
        for layer in layers:
            if place.depth == DEPTH_MAX:
                if is_unopened(layer):
                    search.report("unreadable", layer.run or place.data, Place(layer.kind, b"", place, layer.run))
                    return
                continue
            if layer.data is None or not search.budget.take(len(layer.data)):
                search.report("unreadable", layer.run or place.data, Place(layer.kind, b"", place, layer.run))
                return
            self._look(Place(layer.kind, layer.data, place, layer.run), search)


def find_patterns(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What looks like a secret, with its kind.

    Patterns are tried where their first text stands and nowhere else: it is found many times faster. Linear in the
    data: where a pattern fails, its whole run is passed over, because no later start in the same run could succeed.
    """
    missing = [mark for mark in _MARKS if mark not in data]
    for kind, (literals, pattern) in KINDS.items():
        for literal in literals:
            if missing and any(mark in literal for mark in missing):
                continue
            start = data.find(literal)
            while start >= 0:
                found = pattern.match(data, start)
                if found is not None:
                    yield kind, found[0]
                start = data.find(literal, _passed(data, start, literal) if found is None else found.end())


def _passed(data: bytes, start: int, literal: bytes) -> int:
    """Where to look on after a failure at `start`."""
    if literal != b"eyJ":
        return start + 1  # these patterns fail within a bounded number of characters
    run = _TOKEN_RUN.match(data, start)
    return run.end() if run is not None else start + 1


def places(interaction: Interaction) -> Iterator[tuple[str, bytes]]:
    """Everything of an interaction that is stored, with a name for the place."""
    yield from _places_of_call(interaction.call)
    yield from _places_of_script(interaction.script)
    small = [interaction.origin.source, *interaction.notes.keys(), *interaction.notes.values()]
    if interaction.session is not None:
        small.append(interaction.session.lane)
    yield "notes and provenance", "\n".join(small).encode("utf-8", "surrogateescape")


def _places_of_call(call: Call) -> Iterator[tuple[str, bytes]]:
    for name, value in call.members.items():
        yield f"request member {name}", value.encode("utf-8", "surrogateescape")
    yield "request target", f"{call.endpoint}\n{call.position}".encode("utf-8", "surrogateescape")
    yield "request body", call.body


def _places_of_script(script: Script) -> Iterator[tuple[str, bytes]]:
    head = head_of(script)
    for name, value in head.headers if isinstance(head, Head) else ():
        yield f"response header {name}", value.encode("utf-8", "surrogateescape")
    chunks = [bytes(step.data) for step in script if isinstance(step, Chunk)]
    yield "response body", chunks[0] if len(chunks) == 1 else b"".join(chunks)


def is_worth_looking_for(text: str) -> bool:
    """Whether a credential is long enough to be told from chance, and not a habitual development value."""
    return len(text) >= LIVE_CHARS_MIN and text not in WELL_KNOWN


def fingerprint(text: bytes) -> str:
    """Names a finding without telling it."""
    return blake2b(text, digest_size=8, person=b"sagetape-secret").hexdigest()


def mask(text: bytes) -> str:
    """The first characters, then stars and the length in bytes."""
    start = "".join(chr(b) if 32 < b < 127 else "?" for b in text[:EXCERPT_CHARS])
    return f"{start}*** ({len(text)} bytes)"
