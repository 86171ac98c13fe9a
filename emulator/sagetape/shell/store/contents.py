"""What an open cassette holds: settings and index; from the index record, from checkpoints, or by walking.

Opening reads the header record and the index. Without a usable index the record headers are walked, and the facts of
an interaction are read when they are first asked for. A body is never read before it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...core.bodies import BODY_MAX_BYTES, address, restore
from ...core.cassette import CassetteSettings, Summary, amended, settings_from, summary_from
from ...core.checkpoints import EVERY_COUNT, Since
from ...core.errors import CassetteDamaged, CassetteForeign
from ...core.framing import (
    AMENDMENT,
    BODY,
    CHECKPOINT,
    HEADER_BYTES,
    HEADER_KIND,
    INDEX,
    INTERACTION,
    KIND_NAMES,
    MARKER,
    TAIL,
    Buffer,
    Damage,
    Frame,
    frame_at,
    walk,
)
from ...core.index import Index
from ...core.payload import RecordError, unpack
from .instalments import find_index
from .report import DamagedPlace, RecoveryReport
from .tape import Tape

HEADER_MAX_BYTES = 2**20  # rules are a few kilobytes; nothing larger is read before the file is known to be a cassette
CHECK_ONCE_BYTES = 16 * 1024
"""A body of at least this size is hashed on its first use only: a smaller one costs less than remembering it."""


class Contents:
    """The index over one tape, kept up to date with `take_in`."""

    def __init__(self, tape: Tape, *, max_body_bytes: int = BODY_MAX_BYTES) -> None:
        self.tape = tape
        self.max_body_bytes = max_body_bytes
        self.report = RecoveryReport(path=tape.path)
        self.index = Index()
        self.settings = CassetteSettings()
        self.end = 0
        """Where the next record goes: after the last intact one, a small index at the end not counted."""
        self.since: Since | None = None
        """What no checkpoint covers yet; None when nothing is covered, that is in a short or a walked file."""
        self._checked: set[int] = set()
        self._is_loading = True

    # --- loading

    def load(self, *, use_index: bool = True) -> None:
        """Reads header and index, or walks. Raises CassetteForeign for a file that is no cassette of this format."""
        size = self.tape.size()
        header_end = self._load_header(size)
        if not use_index or not self._load_index(size, header_end):
            self.take_in(header_end, size)
        self._is_loading = False
        self.index.by_key.sort_loose()

    def _load_header(self, size: int) -> int:
        """The settings; returns where the first record after the header starts, 0 when the header is damaged."""
        start = self.tape.read(min(size, HEADER_BYTES + HEADER_MAX_BYTES), 0)
        found = frame_at(start, 0, len(start))
        if found is None or found.kind != HEADER_KIND:
            if self.is_foreign(start, size):
                raise CassetteForeign(_not_a_cassette(self.tape.path), path=self.tape.path, offset=0)
            self.report.has_damaged_header = True
            return 0
        self.tape.content(size)
        try:
            self.settings = settings_from(self.tape.values(found), path=self.tape.path)
        except (CassetteDamaged, RecordError) as error:
            self.report.has_damaged_header = True
            self.report.damaged.append(DamagedPlace(0, found.end, f"the header: {error}"))
        return found.end

    def is_foreign(self, start: bytes, size: int) -> bool:
        """Whether a file whose first record is not a header is no cassette at all, rather than a damaged one."""
        if size == 0 or start[:4] == MARKER:
            return False
        content = self.tape.content(size)
        return next((one for one in walk(content, 0, size) if isinstance(one, Frame)), None) is None

    def _load_index(self, size: int, header_end: int) -> bool:
        """Takes over an index, or checkpoints and the few records that follow the last of them."""
        found = find_index(self.tape, size, header_end)
        if found is None:
            return False
        try:
            self.settings = settings_from(found.settings, path=self.tape.path)
        except RecordError:
            return False  # walking finds the amendments
        except CassetteForeign:
            if self.report.has_damaged_header:
                raise  # nothing else says of which format the file is
            return False  # the header is of this format, so it is the index that is wrong
        self.index, self.since, self.report.has_index = found.index, found.since, True
        if not found.is_closed:
            self.take_in(found.end, size)
        elif len(self.index) < EVERY_COUNT:
            self.since, self.end = None, found.start  # cheaper to write again than to leave behind
        else:
            self.end = size
        return True

    # --- walking

    def take_in(self, start: int, end: int) -> None:
        """Adds the records between two offsets, and notes what is damaged."""
        if end <= start:
            self.end = max(self.end, start)
            return
        self.end = start
        if isinstance(self.tape.content(end), bytes):
            self.tape.forget()
        index_at: int | None = None
        for one in walk(self.tape.content(end), start, end):
            if isinstance(one, Damage):
                self._note(one)
                continue
            self.take_in_record(one)
            # An index that ends a closed file may be cut off by the next recorder; any other stays where it is.
            is_closing = one.kind == TAIL and index_at is not None and one.end == end
            self.end = index_at if is_closing and index_at is not None else one.end
            index_at = one.offset if one.kind == INDEX else None

    def _note(self, damage: Damage) -> None:
        if damage.torn:
            self.report.torn_at, self.report.torn_bytes = damage.offset, damage.end - damage.offset
            return
        if damage.offset == 0:
            self.report.has_damaged_header = True
        self.report.damaged.append(DamagedPlace(damage.offset, damage.end, "not a record that was written"))

    def take_in_record(self, found: Frame) -> None:
        """Adds one intact record to what is known."""
        kind, tag = found.kind, found.tag
        if kind == BODY:
            self.add_body(tag, found.offset)
        elif kind == INTERACTION:
            self.index.add_found(tag, found.offset, loosely=self._is_loading)
        elif kind == AMENDMENT:
            self._amend(found)
        elif kind == CHECKPOINT:
            self._meet(found)
        elif kind not in KIND_NAMES:
            self.report.unknown_kinds[kind] = self.report.unknown_kinds.get(kind, 0) + 1

    def add_body(self, digest: bytes, offset: int) -> None:
        """A body record, met or just written."""
        if self._is_loading:
            self.index.bodies.add_loosely(digest, offset)
        else:
            self.index.bodies.add(digest, offset)
        if self.since is not None:
            self.since.bodies.append((digest, offset))

    def amend(self, settings: CassetteSettings) -> None:
        """The settings from now on."""
        if self.since is not None and settings is not self.settings:
            self.since.is_amended = True
        self.settings = settings

    def _amend(self, found: Frame) -> None:
        try:
            self.amend(amended(self.settings, self.tape.payload(found)))
        except (CassetteDamaged, RecordError) as error:
            self.report.damaged.append(DamagedPlace(found.offset, found.end, f"an amendment: {error}"))

    def _meet(self, found: Frame) -> None:
        """A checkpoint of another recorder of this file is the last one now, if it covers just what is known."""
        since = self.since
        if since is None:
            return
        try:
            values = self.tape.values(found)
            if values.get("first", 0) + values.get("count", 0) == len(self.index):
                new = since.from_previous(self.index, values["previous"], at=found.offset)
                self.since = since.covered(self.index, new) if new is not None else since
        except (CassetteDamaged, KeyError, TypeError):
            pass  # ours goes on from the one before it

    # --- reading

    def interaction_frame(self, number: int) -> Frame:
        """The record of an interaction, its header checked against the index."""
        offset = self.index.columns["offsets"][number]
        found = self.tape.frame(offset)
        if found.kind != INTERACTION or found.tag != self.index.tag(number):
            raise self.tape.damaged(offset, "another record stands where the index says that it is")
        return found

    def summary(self, number: int) -> Summary:
        """The facts of an interaction; read from its record once when only its place is known."""
        if not self.index.is_described(number):
            found = self.interaction_frame(number)
            try:
                values = self.tape.values(found)
                self.index.describe(number, summary_from(values, number=number, key=found.tag, offset=found.offset))
            except RecordError as error:
                raise self.tape.damaged(found.offset, str(error)) from None
        return self.index.summary(number)

    def summaries(self) -> Iterator[Summary]:
        """All interactions in recorded order; a damaged one is noted in the report and left out."""
        for number in self.index.numbers():
            try:
                yield self.summary(number)
            except CassetteDamaged as error:
                self.note_damage(error)

    def note_damage(self, error: CassetteDamaged) -> None:
        """Adds a record that could not be read to the report, once."""
        offset = error.offset or 0
        if not any(place.offset == offset for place in self.report.damaged):
            self.report.damaged.append(DamagedPlace(offset, offset, str(error)))

    def body(self, digest: bytes, size: int) -> Buffer:
        """A stored body by its address; a view of the file when it is not compressed. Tries every copy."""
        problem: CassetteDamaged | None = None
        for offset in self.index.bodies.candidates(digest):
            try:
                found = self.tape.frame(offset)
                if found.kind != BODY or found.tag != digest:
                    continue
                return self.body_at(found, size)
            except CassetteDamaged as error:
                problem = error
        raise problem or RecordError(f"the body {digest.hex()} is missing")

    def body_at(self, found: Frame, size: int | None) -> Buffer:
        """The body in a record, checked on its first use; `size` is what whoever refers to it expects."""
        is_known = found.offset in self._checked
        payload = self.tape.stored(found) if is_known else self.tape.payload(found)
        try:
            head_bytes = len(payload) - found.tail_bytes
            values = unpack(payload, tail_bytes=found.tail_bytes)
            body = restore(values, memoryview(payload)[head_bytes:], max_bytes=self.max_body_bytes)
        except RecordError as error:
            raise self.tape.damaged(found.offset, str(error)) from None
        if size is not None and len(body) != size:
            raise self.tape.damaged(found.offset, f"a body of {len(body)} bytes where {size} were referred to")
        if not is_known:
            if address(body) != found.tag:
                raise self.tape.damaged(found.offset, "a body under an address that is not its own")
            if len(body) >= CHECK_ONCE_BYTES:
                self._checked.add(found.offset)
        return body

    def has_body(self, digest: bytes, size: int) -> bool:
        """Whether an intact copy is stored: a damaged one must not be referred to again."""
        if not self.index.bodies.candidates(digest):
            return False
        try:
            self.body(digest, size)
        except (CassetteDamaged, RecordError):
            return False
        return True


def _not_a_cassette(path: str) -> str:
    return (
        f"{path} is not a cassette: it does not start with a Sagetape header. "
        "A cassette is made by `sagetape record`; other recordings come in by `sagetape cassette import`."
    )
