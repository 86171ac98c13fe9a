"""`--sagetape-import`: what another tool recorded, as the cassettes that the tests look for.

A recording `cassettes/<module>/<test>.yaml` becomes `cassettes/<module>/<test>.tape` beside it (the layout of
pytest-recording, https://github.com/kiwicom/pytest-recording). Never replaces a cassette without being told, and never
touches what it reads. The formats are those of `sagetape cassette import`.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from ..core.errors import CassetteForeign, SagetapeError
from ..core.values import valueclass
from ..shell.importing import ImportOrder, ImportReport, import_into
from ..shell.live_secrets import live_secrets
from .paths import SUFFIX, safe_name

SUFFIXES: Final = (".yaml", ".yml", ".json", ".har", ".jsonl")
"""Of the files that are looked at in a folder."""
REPLACED: Final = re.compile(r"""[<>?%*:|"'/\\]""")
"""What pytest-recording writes as `-` in a file name (its `get_default_cassette_name`)."""
REASONS_SHOWN: Final = 3
FILES_SHOWN: Final = 20


@valueclass(frozen=True, slots=True)
class Wish:
    """One `--sagetape-import`: a file or folder, and the cassette when one was named."""

    source: Path
    target: Path | None = None


def wish_of(text: str) -> Wish:
    """`SOURCE`, or `SOURCE=NAME.tape`."""
    source, equals, target = text.rpartition("=")
    if equals and target.endswith(SUFFIX):
        return Wish(Path(source), Path(target))
    return Wish(Path(text))


def import_wishes(texts: Iterable[str], *, endpoint: str, overwrites: bool) -> list[str]:
    """Imports everything; a sentence for each cassette. Raises pytest.UsageError for a file that cannot be read."""
    notes: list[str] = []
    for wish in map(wish_of, texts):
        if not wish.source.exists():
            raise pytest.UsageError(f"--sagetape-import={wish.source}: there is no such file. Name a file or a folder.")
        for order in orders_of(wish, endpoint=endpoint):
            # What stands in a folder beside the recordings may be of another kind; a file was meant.
            is_meant = wish.target is not None or wish.source.is_file()
            notes += noted(order, overwrites=overwrites, is_meant=is_meant)
    hidden = len(notes) - FILES_SHOWN
    return [*notes[:FILES_SHOWN], *([f"and {hidden} more were looked at"] if hidden > 0 else [])]


def orders_of(wish: Wish, *, endpoint: str) -> Iterator[ImportOrder]:
    """What goes into which cassette."""
    secrets = live_secrets()
    if wish.target is not None:
        yield ImportOrder((wish.source,), wish.target, endpoint=endpoint, live_secrets=secrets)
        return
    for path in recordings(wish.source):
        target = path.with_name(safe_name(path.stem) + SUFFIX)
        yield ImportOrder((path,), target, endpoint=endpoint, live_secrets=secrets)


def recordings(source: Path) -> list[Path]:
    """The file, or the files of a folder that may be recordings; links are not followed."""
    if not source.is_dir():
        return [source]
    found = (Path(where, name) for where, _, names in os.walk(source) for name in names)
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and not path.is_symlink())


def noted(order: ImportOrder, *, overwrites: bool, is_meant: bool) -> list[str]:
    """Imports one cassette; what became of it."""
    source, target = order.paths[0], order.target
    if target.exists() and not overwrites:
        return [f"{source}: not imported, {target} is there already; --sagetape-import-overwrite replaces it"]
    try:
        report = imported_anew(order)
    except CassetteForeign as error:
        if is_meant:
            raise pytest.UsageError(f"--sagetape-import: {error}") from None
        return [f"{source}: not imported: no recording in a format that is known"]
    except SagetapeError as error:
        raise pytest.UsageError(f"--sagetape-import: {error}") from None
    return [described(source, target, report)]


def imported_anew(order: ImportOrder) -> ImportReport:
    """Imports beside the target and puts the result in its place; with nothing to import the target is as it was."""
    order.target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sagetape-import-", dir=order.target.parent) as folder:
        fresh = Path(folder, order.target.name)
        report = import_into(replace(order, target=fresh), now=time.time)
        if report.imported:
            os.replace(fresh, order.target)
    return report


def described(source: Path, target: Path, report: ImportReport) -> str:
    """What was taken in, and why the rest was not."""
    into = f" into {target}" if report.imported else ""
    text = f"{source}: {report.imported} imported{into}, {len(report.skipped)} left out"
    reasons = [str(one) for _, one in report.skipped[:REASONS_SHOWN]]
    reasons += [f"a secret: {one}" for _, one in report.secrets]
    return f"{text} ({'; '.join(reasons)})" if reasons else text


# --- names that the other tool made ---------------------------------------------------------------------------------


def recording_name(item: pytest.Item) -> str:
    """The name that pytest-recording gives a test's recording: its innermost class and its own, made safe its way."""
    owner = getattr(item, "cls", None)
    return REPLACED.sub("-", item.name if owner is None else f"{owner.__name__}.{item.name}")


def adopt(item: pytest.Item, path: Path) -> None:
    """Gives a test without a cassette the one that was imported under the other tool's name for it, where one was.

    Two tests may have had one recording there; each gets its own then.
    """
    found = imported_path(item)
    if path.is_file() or found == path or not found.is_file():
        return
    others = [one for one in item.session.items if one is not item and one.path == item.path]
    is_shared = any(imported_path(one) == found for one in others)
    with tempfile.TemporaryDirectory(prefix=".sagetape-import-", dir=path.parent) as folder:
        fresh = shutil.copy2(found, folder)
        os.replace(fresh, path)
    if not is_shared:
        found.unlink()


def imported_path(item: pytest.Item) -> Path:
    """Where `--sagetape-import` puts a test's recording when it goes by the file's name alone."""
    folder: str = item.config.getini("sagetape_cassettes")
    return item.path.parent / folder / safe_name(item.path.stem) / f"{safe_name(recording_name(item))}{SUFFIX}"
