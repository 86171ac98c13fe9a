"""Recordings in parts: one file for each process and cassette, merged when the run has ended.

A part is a cassette like any other, so what a worker had answered survives its death; a note beside it names the
cassette that it is a part of.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..core.errors import CassetteError
from ..shell import host_os
from ..shell.store import Cassette, CassetteSettings
from ..shell.store.rewriting import RewriteCassette

PART: Final = ".tape"
NOTE: Final = ".of"


def part_path(folder: Path, target: Path, worker: str) -> Path:
    """The part of a cassette that one process writes; its note is written now."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.blake2b(str(target).encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    part = folder / f"{digest}.{worker}{PART}"
    part.with_suffix(NOTE).write_text(str(target), "utf-8", "surrogateescape")
    return part


def abandoned(parent: Path) -> Iterator[Path]:
    """Folders of runs that do not run any more; a folder is named after the process."""
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        if folder.name.isdigit() and not host_os.is_alive(int(folder.name)):
            yield folder


@dataclass(slots=True)
class Merged:
    """What became of the parts of a folder."""

    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Parts that could not be put into their cassettes."""


def merge_folder(folder: Path, *, mode: str, skipped: frozenset[str]) -> Merged:
    """Puts every part into its cassette and removes it; a sentence for each that could not be.

    `skipped` are parts of recordings that had failures: they stay where they are.
    """
    found = Merged()
    parts: dict[Path, list[Path]] = {}
    for note in sorted(folder.glob(f"*{NOTE}")):
        target = Path(note.read_text("utf-8", "surrogateescape"))
        parts.setdefault(target, []).append(note.with_suffix(PART))
    for target, files in parts.items():
        present = [part for part in files if part.is_file()]
        if any(str(part) in skipped for part in present) and mode == "rewrite":
            found.notes.append(f"{target}: not replaced, because its recording had failures")
            continue
        try:
            merge(present, target, mode=mode)
        except (CassetteError, OSError) as error:
            found.failures.append(
                f"{target}: not merged ({error}); what was answered for it is not recorded yet. Its parts are in "
                f"{folder}: make the place writable, and the next recording run takes them in"
            )
            continue
        for part in files:
            part.unlink(missing_ok=True)
            part.with_suffix(NOTE).unlink(missing_ok=True)
    if not any(folder.glob(f"*{PART}")):
        shutil.rmtree(folder, ignore_errors=True)
        if not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return found


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


def merge(parts: list[Path], target: Path, *, mode: str) -> None:
    """Appends parts to a cassette in order; with `rewrite` they are all that it holds afterwards."""
    if not parts:
        return
    with Cassette.open(parts[0]) as first:
        settings = CassetteSettings(match=first.settings.match, scrub=first.settings.scrub, seed=first.settings.seed)
    whole: Cassette
    if mode == "rewrite":
        whole = RewriteCassette.begin(target, settings=settings)
    else:
        whole = Cassette.open(target, writable=True, settings=None if target.is_file() else settings)
    with whole:
        for part in parts:
            with Cassette.open(part) as source:
                for number in source.numbers():
                    whole.append(source.read(number), source.key(number), replace=mode == "all")
