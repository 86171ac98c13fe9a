"""Looks for secrets in whole cassette files: in what is played, and in what is only still there.

Besides the interactions a file holds its header, records of newer versions, and, after damage,
bytes that are no records. A secret in any of them is on the disk all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.errors import CassetteDamaged
from ..core.framing import BODY, INDEX, INTERACTION, KIND_NAMES, TAIL, Damage, Frame, walk
from ..core.payload import RecordError, unpack
from ..core.records import body_references, interaction_from
from ..core.secrets import Finding, Scanner
from ..core.unwrap import find_zstd
from ..core.values import valueclass
from .renewal import Progress
from .store import Cassette
from .store.contents import Contents


@valueclass(frozen=True, slots=True)
class Found:
    """A finding and where it stands."""

    finding: Finding
    number: int | None
    """Of the interaction; None outside of one."""
    where: str
    """`interaction 3, endpoint churn`, `header at offset 0`."""


def scanner_for(cassettes: Sequence[Cassette], *, live: Sequence[str], allowed: Sequence[str] = ()) -> Scanner:
    """A scanner that knows what these cassettes allow."""
    known = {mark for cassette in cassettes for mark in cassette.settings.allowed}
    known |= {mark for cassette in cassettes for mark in cassette.settings.scrub.get("allowed", ())}
    return Scanner(live, allowed=frozenset((*known, *allowed)), zstd=find_zstd())


def scan_cassette(
    path: Path, *, live: Sequence[str], allowed: Sequence[str] = (), progress: Progress | None = None
) -> list[Found]:
    """Everything found in one file, each secret once, at its first place."""
    with Cassette.open(path) as cassette:
        scanner = scanner_for([cassette], live=live, allowed=allowed)
        size = cassette.contents.tape.size()
        found: dict[str, Found] = {}
        for one, end in _findings(cassette.contents, scanner, size):
            for each in one:
                found.setdefault(each.finding.fingerprint, each)
            if progress is not None:
                progress(end, size)
        return list(found.values())


def _findings(contents: Contents, scanner: Scanner, size: int) -> Iterator[tuple[list[Found], int]]:
    """Findings record by record, with how many bytes are done: interactions first, with their bodies, then the rest."""
    content = contents.tape.content(size)
    records = list(walk(content, 0, size))
    seen: set[bytes] = set()
    done = number = 0
    for one in records:
        if isinstance(one, Frame) and one.kind == INTERACTION:
            yield _interaction(contents, scanner, one, number=number, seen=seen), done
            number += 1
            done += one.payload_bytes
    for one in records:
        if isinstance(one, Damage):
            yield _raw(scanner, bytes(content[one.offset : one.end]), "damaged bytes", one.offset), done
        elif one.kind not in (INTERACTION, INDEX, TAIL) and not (one.kind == BODY and one.tag in seen):
            yield _other(contents, scanner, one), done
    yield [], size


def _interaction(contents: Contents, scanner: Scanner, frame: Frame, *, number: int, seen: set[bytes]) -> list[Found]:
    try:
        values = contents.tape.values(frame)
        interaction = interaction_from(values, contents.body)
    except (CassetteDamaged, RecordError):
        # It cannot be opened, but its bytes are on the disk.
        return _raw(scanner, bytes(contents.tape.stored(frame)), "damaged interaction", frame.offset)
    seen.update(body_references(values))
    where = f"interaction {number}, endpoint {interaction.call.endpoint}"
    return [Found(finding, number, where) for finding in scanner.scan_interaction(interaction)]


def _other(contents: Contents, scanner: Scanner, frame: Frame) -> list[Found]:
    what = KIND_NAMES.get(frame.kind, f"record of kind {frame.kind}")
    try:
        data = contents.body_at(frame, None) if frame.kind == BODY else contents.tape.payload(frame)
    except (CassetteDamaged, RecordError):
        data, what = contents.tape.stored(frame), f"damaged {what}"
    found = _raw(scanner, bytes(data), what, frame.offset)
    for leaf in () if frame.kind == BODY else _leaves(bytes(data)):
        found += _raw(scanner, leaf, what, frame.offset)
    return found


def _leaves(payload: bytes) -> Iterator[bytes]:
    """The texts and bytes in a payload, one by one: the length before each may look like a letter of it."""
    try:
        waiting: list[object] = [unpack(payload)]
    except RecordError:
        return  # not a map of this version; it was looked at as it is
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str | bytes):
            yield value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _raw(scanner: Scanner, data: bytes, what: str, offset: int) -> list[Found]:
    return [Found(finding, None, f"{what} at offset {offset}") for finding in scanner.scan(data, place=what)]
