"""Which cassette files the settings mean: globs, the one that is recorded to, and the one that is not there.

Looks at names only; what is inside a cassette is the store's.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import glob
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ..core.errors import CassetteMissing
from ..core.modes import MODES
from .config_file import shown
from .settings import ServerSettings

SUFFIX: Final = ".tape"
KEEPING: Final = frozenset({"once", *(mode.name for mode in MODES.values() if mode.keeps)})


def expand(paths: Iterable[Path], base: Path, *, globs: bool) -> tuple[Path, ...]:
    """Absolute paths in the order given, each once; with `globs`, a pattern stands for what it finds, by name."""
    found: dict[Path, None] = {}
    for path in paths:
        whole = base / path
        if globs and glob.has_magic(str(path)):
            found.update(dict.fromkeys(Path(name) for name in sorted(glob.glob(str(whole), recursive=True))))
        else:
            found[whole] = None
    return tuple(found)


def unmatched(paths: Iterable[Path], base: Path) -> list[str]:
    """The patterns that find no file, as they are written."""
    return [str(path) for path in paths if glob.has_magic(str(path)) and not expand((path,), base, globs=True)]


def recorded_apart(settings: ServerSettings) -> ServerSettings:
    """The settings with the one cassette as `record_to` when the mode keeps answers; it is then not in `cassettes`."""
    target = settings.record_to
    if target is None and settings.mode in KEEPING and len(settings.cassettes) == 1:
        target = settings.cassettes[0]
    others = tuple(path for path in settings.cassettes if path != target)
    return dataclasses.replace(settings, record_to=target, cassettes=others)


def check_present(settings: ServerSettings) -> None:
    """Raises CassetteMissing for the cassettes that should be read and are not there; one to record to may be new."""
    missing = [path for path in settings.cassettes if not os.path.isfile(path)]  # False for what is no name, too
    if missing:
        raise CassetteMissing("\n".join(map(missing_text, missing)), path=str(missing[0]))


def missing_text(path: Path, *, instead: str = "") -> str:
    """What is missing, the nearest cassette there is, and what to do: `instead`, or how to record one."""
    name = shown(path)
    if (flaw := flaw_of(path)) is not None:
        return f"{name} {flaw}"
    if path.is_dir():
        return f"{name}: no cassette but a folder. {files_text(path)}"
    remedy = instead or f"Record it with: sagetape record {name} --upstream aws"
    return f"{name}: no such cassette. {nearest_text(path)} {remedy}"


def flaw_of(path: Path) -> str | None:
    """Why there can be no cassette under a name; None when one is only not there, or is a folder."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        is_too_long = error.errno == errno.ENAMETOOLONG
        return "has a name that is longer than its file system takes. Shorten it." if is_too_long else None
    except ValueError:  # a NUL byte
        return "is no name of a file. Correct it."
    if stat.S_ISDIR(mode):
        return None
    return "is not a plain file (a FIFO or a device, perhaps); a cassette is one. Name another path."


def files_text(folder: Path) -> str:
    """What to write instead of a folder."""
    if any(item.suffix == SUFFIX for item in folder.iterdir()):
        return f"Name the cassettes in it: {shown(folder)}/*{SUFFIX}."
    return f"There is no cassette in it either (*{SUFFIX}). Name one that is elsewhere."


def nearest_text(path: Path) -> str:
    """A sentence on what there is instead."""
    if not path.parent.is_dir():
        return f"There is no folder {shown(path.parent)} either."
    near = nearest(path)
    return f"The nearest is {shown(near)}." if near is not None else "There is no cassette in that folder."


def nearest(path: Path) -> Path | None:
    """The cassette in the same folder whose name is nearest; None when there is none."""
    if not path.parent.is_dir():
        return None
    names = sorted(item.name for item in path.parent.iterdir() if item.suffix == SUFFIX)
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.3) or names[:1]
    return path.parent / near[0] if near else None
