"""Edits a cassette through a document in the user's editor: written out, read back, checked, written anew.

The recorder's lock is held while the editor is open. What cannot be stored is refused with its place, and the edited
text is kept beside the cassette, so that nobody's work is lost. Refuses secrets as a recording does.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from ..core.editing import SCHEMA, DocumentError, document_of, interaction_from
from ..core.errors import ConfigError, SecretFound
from ..core.merging import Kept
from ..core.values import valueclass
from .renewal import locked, matcher_for, read_whole, write_anew
from .scanning import scanner_for
from .store import Cassette
from .yaml_text import find_yaml

FORMATS: Final = ("json", "yaml")
HELP: Final = "Change, delete or add interactions; number and key are for you to read and are made anew."


@valueclass(frozen=True, slots=True)
class EditReport:
    """What the edit did, in interactions."""

    changed: int
    added: int
    deleted: int

    @property
    def is_change(self) -> bool:
        return bool(self.changed or self.added or self.deleted)


def edit_cassette(
    path: Path,
    *,
    numbers: Sequence[int] = (),
    format_name: str = "json",
    live: Sequence[str] = (),
    run_editor: Callable[[Path], None],
) -> EditReport:
    """Lets `run_editor` change a file with the interactions (all, or those with `numbers`), and takes the result over.

    Raises DocumentError or SecretFound with the name of the file that holds the edited text.
    """
    if format_name == "yaml":
        find_yaml()
    with locked(path), Cassette.open(path) as cassette:
        known = dict(zip(cassette.numbers(), read_whole(cassette), strict=True))
        chosen = [number for number in known if not numbers or number in numbers]
        document = {
            "schema": SCHEMA,
            "about": HELP,
            "interactions": [document_of(known[n].interaction, number=n, key=known[n].key) for n in chosen],
        }
        scratch = _written(path, document, format_name)
        before = scratch.read_bytes()
        run_editor(scratch)
        if scratch.read_bytes() == before:
            scratch.unlink()
            return EditReport(0, 0, 0)
        try:
            recording, report = _taken_over(scratch, cassette, known, chosen=chosen, format_name=format_name, live=live)
        except (DocumentError, SecretFound) as error:
            raise type(error)(f"{error} Nothing was changed. Your text is in {scratch}.") from None
        if report.is_change:
            write_anew(path, recording, cassette.settings)
        scratch.unlink()
        return report


def _written(path: Path, document: dict[str, Any], format_name: str) -> Path:
    """The document in a new file beside the cassette, which only its owner can read."""
    text = to_text(document, format_name)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.edit.", suffix=f".{format_name}", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return Path(name)


def to_text(document: Any, format_name: str) -> str:
    """A document as text that `from_text` reads back to the same."""
    if format_name == "json":
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
    yaml = find_yaml()
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    return str(yaml.dump(document, Dumper=dumper, allow_unicode=True, sort_keys=False, width=120))


def from_text(text: str, format_name: str) -> Any:
    """The document. Raises DocumentError."""
    try:
        if format_name == "json":
            return json.loads(text)
        return find_yaml().safe_load(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"This is not JSON: {error}.") from None
    except find_yaml().YAMLError as error:
        raise DocumentError(f"This is not YAML: {' '.join(str(error).split())[:300]}.") from None


def _taken_over(
    scratch: Path,
    cassette: Cassette,
    known: dict[int, Kept],
    *,
    chosen: Sequence[int],
    format_name: str,
    live: Sequence[str],
) -> tuple[list[Kept], EditReport]:
    document = from_text(scratch.read_text(encoding="utf-8"), format_name)
    entries = document.get("interactions") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise DocumentError('The document has no list "interactions".')
    old = {number: known[number] for number in chosen}
    scanner = scanner_for([cassette], live=live)
    edited: list[tuple[int, Kept]] = []
    matcher = None
    for place, entry in enumerate(entries):
        one = interaction_from(entry, f"interaction at place {place}")
        number = entry.get("number") if isinstance(entry.get("number"), int) else None
        same = old.pop(number, None) if number is not None else None
        if same is not None and same.interaction == one:
            edited.append((number or 0, same))
            continue
        if findings := scanner.scan_interaction(one):
            raise SecretFound(f"The interaction at place {place} would hold a secret: {findings[0]}.")
        matcher = matcher or matcher_for(cassette.settings.match)
        edited.append((number if same is not None and number is not None else -1, Kept(one, matcher.key(one.call))))
    return _merged(known, edited, chosen=chosen, deleted=len(old))


def _merged(
    known: dict[int, Kept], edited: Sequence[tuple[int, Kept]], *, chosen: Sequence[int], deleted: int
) -> tuple[list[Kept], EditReport]:
    """The edited interactions in their order, those that were not shown where they were, new ones at the end."""
    hidden = [(number, kept) for number, kept in known.items() if number not in set(chosen)]
    placed = [(number, kept) for number, kept in edited if number >= 0]
    added = [kept for number, kept in edited if number < 0]
    if hidden:
        placed = sorted([*hidden, *placed], key=lambda pair: pair[0])
    changed = sum(kept is not known[number] for number, kept in placed)
    is_moved = [number for number, _ in placed] != sorted(number for number, _ in placed)
    report = EditReport(changed or int(is_moved), len(added), deleted)
    return [*(kept for _, kept in placed), *added], report


def editor_command(environ: dict[str, str] | os._Environ[str]) -> list[str]:
    """The user's editor, as words. Raises ConfigError when there is none."""
    for name in ("VISUAL", "EDITOR"):
        if environ.get(name, "").strip():
            return shlex.split(environ[name])
    raise ConfigError("No editor is known. Set one: EDITOR=nano sagetape cassette edit ...")


def run_editor(command: Sequence[str]) -> Callable[[Path], None]:
    """Starts the editor on a file and waits for its end."""

    def edit(path: Path) -> None:
        try:
            done = subprocess.run([*command, str(path)], check=False)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise ConfigError(f"The editor {command[0]!r} cannot be started ({error}). Set EDITOR.") from None
        if done.returncode:
            raise ConfigError(f"The editor ended with {done.returncode}. Nothing was changed. Your text is in {path}.")

    return edit
