"""Mode `rewrite`: records into a new file, which replaces the old one only after a clean end.

What is recorded again just as it was keeps the old bytes and the old provenance; when everything is as it was, the old
file stays, to the byte. A crash, or an end that was not clean, leaves the old file as it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...core.bodies import BODY_MAX_BYTES
from ...core.cassette import CassetteSettings, header_record, is_same_recording
from ...core.errors import CassetteDamaged, CassetteError, CassetteMissing, CassetteUnwritten
from ...core.wire import Interaction
from ..files import REAL, Files
from .appending import Appender
from .cassette import Cassette
from .compaction import copy_canonically, replacing, temporary
from .contents import Contents
from .creation import create, make_folder, remove
from .locks import RecorderLock


class RewriteCassette(Cassette):
    """A cassette that starts empty beside the old one. `close` replaces the old one, `discard` keeps it."""

    def __init__(self, contents: Contents, *, old: Cassette | None, lock: RecorderLock, target: str) -> None:
        super().__init__(contents, writer=Appender(contents, shared=False), lock=lock, shared=False)
        self.writes_checkpoints = False
        self._old = old
        self._target = target
        self._seen: dict[bytes, int] = {}
        self._is_changed = False
        self._is_short = False
        """An interaction could not be written: this recording must not replace a whole one."""

    @classmethod
    def begin(
        cls,
        path: str | os.PathLike[str],
        *,
        files: Files = REAL,
        settings: CassetteSettings | None = None,
        durability: str = "cache",
        max_body_bytes: int = BODY_MAX_BYTES,
    ) -> RewriteCassette:
        """Starts to record `path` anew. `settings` are the new header; without them the old one's are kept."""
        target = os.fspath(path)
        make_folder(files, target)
        lock = RecorderLock(files, target, shared=False)
        lock.take()
        old = None
        try:
            old = _old(target, files, max_body_bytes)
            header = header_record(settings or (old.settings if old else CassetteSettings()))
            work = temporary(temporary(target))
            remove(files, work)
            contents, _ = create(files, work, header, shared=False)
        except BaseException:
            if old is not None:
                old.close()
            lock.release()
            raise
        contents.max_body_bytes = max_body_bytes
        self = cls(contents, old=old, lock=lock, target=target)
        self.durability = durability
        if old is not None and header != header_record(old.settings):
            self._is_changed = True
        return self

    def keep(self, interactions: Sequence[tuple[Interaction, bytes]]) -> int:
        """As `Cassette.keep`; of an old take that says the same the old one is kept."""
        chosen = [(self._preferred(one, key), key) for one, key in interactions]
        try:
            return super().keep(chosen)
        except CassetteError:
            self._is_short = True
            raise

    def _preferred(self, new: Interaction, key: bytes) -> Interaction:
        place = self._seen.get(key, 0)
        self._seen[key] = place + 1
        takes = self._old.takes(key) if self._old is not None else ()
        if self._old is not None and place < len(takes) and is_same(self._old, takes[place], new):
            return self._old.read(takes[place])
        self._is_changed = True
        return new

    def close(self, *, durably: bool = False) -> None:
        """Puts the new file in the old one's place, unless it says the same or holds nothing."""
        if self.contents.tape.fd < 0:
            return
        try:
            if self._is_short:
                raise CassetteUnwritten(
                    f"{self._target} was not replaced: a part of the new recording could not be written. "
                    "The old recording is as it was. Free space, then record again.",
                    path=self._target,
                )
            if len(self) and self._has_news():
                with replacing(self._target, self.contents.tape.files, self.settings) as fresh:
                    copy_canonically(self, fresh)
        finally:
            self.discard()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """A block that raised was no clean end."""
        if kind is None:
            self.close()
        else:
            self.discard()

    def _has_news(self) -> bool:
        return self._is_changed or self._old is None or len(self._old) != len(self) or not self._old.report.is_sound

    @property
    def target(self) -> str:
        """The cassette that this recording replaces in the end."""
        return self._target

    def discard(self) -> None:
        """Ends without touching the old file."""
        if self.contents.tape.fd < 0:
            return
        files, work = self.contents.tape.files, self.contents.tape.path
        self._release_file()
        if self._old is not None:
            self._old.close()
        try:
            files.unlink(work)
        except OSError:
            pass  # the next recorder of this cassette, who has its lock, removes what was left behind
        self._release_lock()


def is_same(cassette: Cassette, number: int, new: Interaction) -> bool:
    """Whether an interaction of the file is what was recorded again; a damaged one is not."""
    try:
        return is_same_recording(cassette.read(number), new)
    except CassetteDamaged:
        return False


def _old(path: str, files: Files, max_body_bytes: int) -> Cassette | None:
    try:
        return Cassette.open(path, files=files, max_body_bytes=max_body_bytes)
    except CassetteMissing:
        return None
    except CassetteDamaged:
        return None  # nothing in it can be kept, and recording it anew is the remedy that its error names
