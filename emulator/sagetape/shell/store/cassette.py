"""An open cassette: what the rest of the program sees of a file of interactions.

Decides nothing about matching: keys are computed elsewhere and passed in. Opened for reading it never changes the file
and serves what is intact. Opened for writing it removes a torn tail first. Every method may be called from one thread
at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace as replace_fields
from typing import Any

from ...core.bodies import BODY_MAX_BYTES, COMPRESS_NOW_MAX_BYTES
from ...core.cassette import (
    CassetteSettings,
    Rekey,
    Summary,
    amendment_record,
    header_record,
    settings_values,
    summary_of,
)
from ...core.checkpoints import EVERY_BYTES, EVERY_COUNT, Since, checkpoint_record, closing_record
from ...core.errors import CassetteDamaged, CassetteError, CassetteUnwritten
from ...core.framing import Buffer
from ...core.index import index_record
from ...core.payload import RecordError
from ...core.records import Layout, interaction_from, lay_out, script_from
from ...core.wire import Interaction, Script
from ..files import REAL, Files
from .appending import Appender
from .contents import Contents
from .creation import create, make_folder, open_existing
from .locks import RecorderLock
from .report import RecoveryReport


class Cassette:
    """Interactions by number and by key. Use `open`, and `close` or a `with` block."""

    def __init__(self, contents: Contents, *, writer: Appender | None, lock: RecorderLock | None, shared: bool) -> None:
        self.contents = contents
        """For the other modules of the store."""
        self._writer = writer
        self._lock = lock
        self._shared = shared
        self._is_new = False
        self.compress_max_bytes = COMPRESS_NOW_MAX_BYTES
        """Larger bodies are stored as they are."""
        self.writes_checkpoints = True
        """Off in files that are thrown away unless they are closed cleanly."""
        self.memory: Callable[[], Mapping[str, Any]] | None = None  # of `initial`: written before it is needed

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        files: Files = REAL,
        rekey: Rekey | None = None,
        writable: bool = False,
        settings: CassetteSettings | None = None,
        durability: str = "cache",
        shared: bool = False,
        max_body_bytes: int = BODY_MAX_BYTES,
    ) -> Cassette:
        """Opens a cassette for replay, or with `writable` for recording, which makes the file when it is not there.

        `settings` are the header of a new file; their `match` rules, when they differ from an existing file's, have all
        keys recomputed by `rekey` (in memory for replay; when writable such a file is refused, see `compact`).
        `durability` is `cache` (survives the process) or `disk` (`sync` before an answer survives the machine).
        Raises CassetteMissing, CassetteForeign, CassetteDamaged, CassetteLocked or CassetteError, with path and remedy.
        """
        name = os.fspath(path)
        if durability not in ("cache", "disk"):
            raise ValueError(f"durability is 'cache' or 'disk', not {durability!r}")
        if writable:
            self = cls._for_writing(name, files, settings, shared, max_body_bytes)
        else:
            contents = open_existing(files, name, max_body_bytes=max_body_bytes)
            self = cls(contents, writer=None, lock=None, shared=False)
        try:
            self.durability = durability
            self._adopt_rules(settings, rekey)
        except BaseException:
            self._release()
            raise
        return self

    durability = "cache"

    @classmethod
    def _for_writing(
        cls, path: str, files: Files, settings: CassetteSettings | None, shared: bool, max_body_bytes: int
    ) -> Cassette:
        make_folder(files, path)
        lock = RecorderLock(files, path, shared=shared)
        lock.take()
        try:
            contents, is_new = create(files, path, header_record(settings or CassetteSettings()), shared=shared)
            contents.max_body_bytes = max_body_bytes
            self = cls(contents, writer=Appender(contents, shared=shared), lock=lock, shared=shared)
        except BaseException:
            lock.release()
            raise
        self._is_new = is_new
        return self

    def _adopt_rules(self, settings: CassetteSettings | None, rekey: Rekey | None) -> None:
        own = settings_values(self.settings)["match"]
        if settings is None or settings_values(settings)["match"] == own:
            return
        if self._writer is not None or rekey is None:
            raise CassetteError(
                f"{self.path} was recorded with other matching rules than those asked for. "
                "A recording under both would answer wrongly. Record with the rules in the file, or change them with "
                f"`sagetape cassette compact --match ... {self.path}`.",
                path=self.path,
            )
        self._rekey(rekey)

    def _rekey(self, rekey: Rekey) -> None:
        """Recomputes all keys in memory; a damaged interaction has no key and answers nothing."""
        keys: dict[int, bytes] = {}
        for number in self.contents.index.numbers():
            try:
                keys[number] = rekey(self.read(number))
            except CassetteDamaged as error:
                self.contents.note_damage(error)
        self.contents.index.assign(keys)

    # --- facts

    @property
    def path(self) -> str:
        return self.contents.tape.path

    @property
    def settings(self) -> CassetteSettings:
        """The header, with its amendments."""
        return self.contents.settings

    @property
    def report(self) -> RecoveryReport:
        """What is wrong with the file, as far as it was read."""
        return self.contents.report

    @property
    def is_suspect(self) -> bool:
        """Whether a sync failed, so that what was acknowledged may not be on the disk."""
        return self._writer is not None and self._writer.is_suspect

    def __len__(self) -> int:
        """How many interactions it holds."""
        return len(self.contents.index)

    def takes(self, key: bytes) -> Sequence[int]:
        """The numbers of the interactions recorded for a key, in recorded order; empty when there are none."""
        return self.contents.index.takes(key)

    def numbers(self) -> Iterator[int]:
        """The numbers of all interactions, in recorded order."""
        return self.contents.index.numbers()

    @property
    def is_writable(self) -> bool:
        """Whether it was opened for recording."""
        return self._writer is not None

    def endpoints(self) -> set[str]:
        """The endpoints that the cassette knows, without making a summary of every interaction."""
        index = self.contents.index
        if not index.is_described_wholly():
            return {one.endpoint for one in self.summaries()}
        return {index.names.texts[name] for name in set(index.columns["endpoints"])}

    def key(self, number: int) -> bytes:
        """The 16 bytes under which an interaction is found."""
        return self.contents.index.key(number)

    def summary(self, number: int) -> Summary:
        """What is known of one interaction without its bodies. Raises CassetteDamaged."""
        return self.contents.summary(number)

    def summaries(self) -> Iterator[Summary]:
        """All interactions without their bodies, in recorded order; damaged ones go to `report` instead."""
        return self.contents.summaries()

    # --- reading

    def read(self, number: int) -> Interaction:
        """An interaction; uncompressed chunks are views of the file. Raises CassetteDamaged with its offset."""
        interaction: Interaction = self._decoded(number, interaction_from)
        return interaction

    def script(self, number: int) -> Script:
        """The answer alone, for playing: the request's body is not read."""
        script: Script = self._decoded(number, script_from)
        return script

    def _decoded(self, number: int, decode: Callable[[Mapping[str, Any], Any], Any]) -> Any:
        contents = self.contents
        found = contents.interaction_frame(number)
        try:
            return decode(contents.tape.values(found), contents.body)
        except RecordError as error:
            raise contents.tape.damaged(found.offset, f"interaction {number}: {error}") from None

    # --- writing

    def append(self, interaction: Interaction, key: bytes) -> int:
        """Keeps an interaction; on return it survives the death of this process. Returns its number.

        Raises CassetteUnwritten, and the file is as before; the next call tries again.
        """
        return self.keep([(interaction, key)])

    def keep(self, interactions: Sequence[tuple[Interaction, bytes]]) -> int:
        """Appends interactions with their keys in one write; the number of the last one."""
        with self._appender.exclusive() as offset:
            placed: list[tuple[Interaction, bytes, Layout]] = []
            settings, buffers = self._remembered()
            offset += sum(map(len, buffers))
            for interaction, key in interactions:
                layout = self._laid_out(interaction, key)
                buffers += layout.buffers
                placed.append((interaction, key, layout))
            self._appender.write(buffers)
            self.contents.amend(settings)
            number = -1
            for interaction, key, layout in placed:
                number, offset = self._added(interaction, key, layout, offset)
            if self.writes_checkpoints:
                self._mark()
            return number

    def _mark(self) -> None:
        """Writes a checkpoint when enough came since the last one, so that a kill costs the next start no walk."""
        contents, index = self.contents, self.contents.index
        since = contents.since
        count, marked_at = (since.first, since.at) if since is not None else (0, 0)
        if len(index) - count < EVERY_COUNT and (since is None or contents.end - marked_at < EVERY_BYTES):
            return
        offset = contents.end
        try:
            if since is None:
                self._appender.write(index_record(index, settings_values(self.settings), offset=offset))
                contents.since = Since(offset, len(index), len(index.names.texts), len(index))
            else:
                new = replace_fields(since.due(index), at=offset)
                self._appender.write(checkpoint_record(index, new, settings_values(self.settings), offset=offset))
                contents.since = since.covered(index, new)
        except CassetteUnwritten:
            pass  # what was to be kept is kept; the next append tries to mark it again

    def _remembered(self) -> tuple[CassetteSettings, list[Buffer]]:
        """The settings with what `memory` says by now, and the record that adds it; none when it said so before."""
        old = self.settings
        new = {k: v for k, v in (self.memory() if self.memory else {}).items() if old.initial.get(k) != v}
        merged = replace_fields(old, initial={**old.initial, **new}) if new else old
        return merged, amendment_record(initial=new) if new else []

    @property
    def _appender(self) -> Appender:
        if self._writer is None:
            raise CassetteError(
                f"{self.path} was opened for replay. Open it with writable=True to record.", path=self.path
            )
        return self._writer

    def _laid_out(self, interaction: Interaction, key: bytes) -> Layout:
        if len(key) != 16:
            raise ValueError(f"a key has 16 bytes, not {len(key)}")
        try:
            return lay_out(
                interaction, key, is_stored=self.contents.has_body, compress_max_bytes=self.compress_max_bytes
            )
        except (RecordError, UnicodeEncodeError, ValueError, TypeError, OverflowError) as error:
            raise CassetteError(
                f"{self.path}: this interaction cannot be stored ({error}). Nothing was written.", path=self.path
            ) from error

    def _added(self, interaction: Interaction, key: bytes, layout: Layout, offset: int) -> tuple[int, int]:
        """Adds what was written at an offset to the index; its number, and where it ends."""
        index = self.contents.index
        offset = self._add_bodies(layout.bodies, offset)
        number = index.add(summary_of(interaction, number=len(index), key=key, offset=offset))
        return number, offset + layout.record_bytes

    def _add_bodies(self, bodies: Iterable[tuple[bytes, int]], offset: int) -> int:
        for digest, record_bytes in bodies:
            self.contents.add_body(digest, offset)
            offset += record_bytes
        return offset

    def allow(self, fingerprints: Iterable[str]) -> None:
        """Adds false alarms of the secret scan to the cassette."""
        new = [one for one in fingerprints if one not in self.settings.allowed]
        if new:
            with self._appender.exclusive() as offset:
                self._appender.write(amendment_record(new))
                self.contents.take_in(offset, self.contents.end)

    def sync(self) -> None:
        """With durability `disk`: everything appended so far is on the disk on return, by one sync for all of it.

        Raises CassetteUnwritten and makes the cassette suspect when the disk does not confirm; never tried again.
        """
        if self.durability == "disk":
            self._appender.sync()

    # --- closing

    def close(self, *, durably: bool = False) -> None:
        """Writes the index and frees the lock. A file to which nothing was added is left as it is.

        `durably` syncs to disk whatever the durability is.
        """
        if self.contents.tape.fd < 0:
            return
        try:
            if self._writer is not None:
                self._finish(self._writer)
                if durably or self.durability == "disk":
                    self._writer.sync()
        finally:
            self._release()

    def _finish(self, writer: Appender) -> None:
        if self._is_new and not len(self.contents.index) and not self._shared:
            self.contents.tape.files.unlink(self.path)
            return
        if self._shared or writer.is_suspect or not (writer.has_written or not self.report.has_index):
            return
        for _ in self.summaries():
            pass  # describes what was only found by walking
        with writer.exclusive() as offset:
            writer.write([*self._last_record(offset), *closing_record(offset)])

    def _last_record(self, offset: int) -> list[Buffer]:
        """A checkpoint while the index below is the larger part of all, else a new index."""
        since, index = self.contents.since, self.contents.index
        if since is not None and since.base * 2 > len(index):
            return checkpoint_record(index, since.due(index), settings_values(self.settings), offset=offset)
        return index_record(index, settings_values(self.settings), offset=offset)

    def discard(self) -> None:
        """Ends without an index, as a crash would; what was appended stays."""
        self._release()

    def sync_directory(self) -> None:
        """Makes the file's name last, where the file system can."""
        self._appender.sync_directory()

    def _release(self) -> None:
        self._release_file()
        self._release_lock()

    def _release_file(self) -> None:
        self.contents.tape.close()

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> Cassette:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
