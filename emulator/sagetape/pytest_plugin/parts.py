"""Recordings in parts: one file for each process and cassette, merged when the run has ended.

A part is a cassette like any other, so what a worker had answered survives its death; a note beside it names the
cassette that it is a part of.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ..core.errors import CassetteError
from ..core.lanes import lane_name
from ..core.meaning.comparison import counted
from ..core.values import valueclass
from ..core.wire import Interaction
from ..shell import host_os
from ..shell.store import Cassette, CassetteSettings
from ..shell.store.rewriting import RewriteCassette
from .overlaps import Overlaps

PART: Final = ".tape"
NOTE: Final = ".of"
MODE: Final = "mode"
"""The file in a folder of parts that says in which mode they were recorded."""
PASSED: Final = "rewrite, passed"


def part_path(folder: Path, target: Path, worker: str, *, mode: str = "new_episodes") -> Path:
    """The part of a cassette that one process writes; its note is written now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODE).write_text(mode, "utf-8")
    digest = hashlib.blake2b(str(target).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    part = folder / f"{digest}.{worker}{PART}"
    part.with_suffix(NOTE).write_text(str(target), "utf-8", "surrogateescape")
    return part


def abandoned(parent: Path) -> Iterator[Path]:
    """Folders of runs that do not run any more, also of an earlier one of this process, after which each is named."""
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        if folder.name.isdigit() and (int(folder.name) == os.getpid() or not host_os.is_alive(int(folder.name))):
            yield folder


def pass_rewrite(folder: Path) -> None:
    """Notes that every test of a rewrite passed: its parts may replace the old cassettes, now or later."""
    (folder / MODE).write_text(PASSED, "utf-8")


def recover(folder: Path, *, shown: Callable[[Path], str]) -> Merged:
    """Takes in what a run left behind, in its own mode. A rewrite that did not pass must not change a cassette."""
    mode = (folder / MODE).read_text("utf-8") if (folder / MODE).is_file() else ""
    if mode != "rewrite":
        return merge_folder(folder, mode="rewrite" if mode == PASSED else mode, shown=shown)
    count = kept_in(folder)
    remove(folder)
    what = counted(count, "interaction")
    return Merged([f"a rewrite did not pass, so {what} that it had recorded are in no cassette and were thrown away"])


@dataclass(slots=True)
class Merged:
    """What became of the parts of a folder."""

    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Parts that could not be put into their cassettes."""
    dropped: int = 0
    """Interactions that another part had as well."""


class LaneNames:
    """Names of sessions: those of two parts may be equal (decks with one seed, a container that repeats its ids), and
    their steps must not be mixed."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._named: dict[tuple[str, str], str] = {}

    def renamed(self, source: Cassette, interaction: Interaction) -> Interaction:
        """The interaction in a session whose name no other has; one that an earlier part began goes on in that."""
        mark = interaction.session
        if mark is None:
            return interaction
        own = (source.path, mark.lane)
        if own not in self._named:
            begins = mark.step == 0 and mark.lifetime_s is not None
            self._named[own] = name = lane_name(mark.lane, self._taken) if begins else mark.lane
            self._taken.add(name)
        return replace(interaction, session=replace(mark, lane=self._named[own]))


@valueclass(frozen=True, slots=True)
class Tally:
    """What became of the parts of one cassette."""

    dropped: int = 0
    """Takes that another part had as well."""
    differing: int = 0
    """Requests that parts hold with different answers."""
    gone: int = 0
    """Takes of the old recording that a rewrite did not record again."""

    def notes(self, name: str) -> Iterator[str]:
        """What the user should know of it."""
        if self.differing:
            yield (
                f"{name}: {counted(self.differing, 'request')} got different answers on different workers. All answers "
                "are kept, and each test is given them in this order; give the tests cassettes of their own if that "
                "is wrong"
            )
        if self.gone:
            yield (
                f"{name}: {counted(self.gone, 'interaction')} of the old recording did not come again and "
                f"{'is' if self.gone == 1 else 'are'} gone; tests that share a cassette are to be rewritten together"
            )


def merge_folder(folder: Path, *, mode: str, shown: Callable[[Path], str]) -> Merged:
    """Puts every part into its cassette and removes it; a sentence for each that could not be."""
    found = Merged()
    parts: dict[Path, list[Path]] = {}
    for note in sorted(folder.glob(f"*{NOTE}")):
        target = Path(note.read_text("utf-8", "surrogateescape"))
        parts.setdefault(target, []).append(note.with_suffix(PART))
    for target, files in parts.items():
        present = [part for part in files if part.is_file()]
        try:
            tally = merge(present, target, mode=mode)
        except (CassetteError, OSError) as error:
            found.failures.append(
                f"{shown(target)}: not merged ({error}); what was answered for it is not recorded yet. Its parts are "
                f"in {folder}: make the place writable, and the next recording run takes them in"
            )
            continue
        found.dropped += tally.dropped
        found.notes += tally.notes(shown(target))
        for part in files:
            part.unlink(missing_ok=True)
            part.with_suffix(NOTE).unlink(missing_ok=True)
    if not any(folder.glob(f"*{PART}")):
        remove(folder)
    return found


def remove(folder: Path) -> None:
    """Removes a folder of parts, and the one around it when it was the last."""
    shutil.rmtree(folder, ignore_errors=True)
    if not any(folder.parent.iterdir()):
        folder.parent.rmdir()


def kept_in(folder: Path) -> int:
    """Interactions in parts that are in no cassette; what cannot be read is not counted."""
    count = 0
    for part in sorted(folder.glob(f"*{PART}")):
        try:
            with Cassette.open(part) as source:
                count += len(source)
        except CassetteError:
            continue  # the run has told of it already
    return count


def merge(parts: list[Path], target: Path, *, mode: str) -> Tally:
    """Appends parts to a cassette in order; with `rewrite` they are all that it holds afterwards.

    What several parts hold alike is taken once: tests that share a cassette ask the same on different workers. Not with
    `all`, which records every call.
    """
    if not parts:
        return Tally()
    with ExitStack() as stack:
        sources = [stack.enter_context(Cassette.open(part)) for part in parts]
        first = sources[0].settings
        settings = CassetteSettings(match=first.match, scrub=first.scrub, seed=first.seed)
        overlaps = Overlaps(sources, keeps_all=mode == "all")
        gone = overlaps.missing_from(target) if mode == "rewrite" else 0
        whole: Cassette
        if mode == "rewrite":
            whole = RewriteCassette.begin(target, settings=settings)
        else:
            whole = Cassette.open(target, writable=True, settings=None if target.is_file() else settings)
        with whole:
            lanes = LaneNames({one.session.lane for one in whole.summaries() if one.session is not None})
            for source, number in overlaps.distinct():
                whole.append(lanes.renamed(source, source.read(number)), source.key(number))
    return Tally(overlaps.dropped, overlaps.differing, gone)
