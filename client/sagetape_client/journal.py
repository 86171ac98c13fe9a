"""What a batch has begun and what it was answered, on disk, so that a stopped run goes on with nothing asked twice.

The answers are a file of JSON Lines in the input's order; each holds the digest of what was asked as `input`, so that a
run of any age is resumed with the input it had, or refused. Beside it, while a run is not finished, stands a journal
(`<output>.journal`), also JSON Lines, appended without buffering: `{"sent": n, "id": ..., "digest": ...}` before the
n-th line (empty ones not counted) is asked, `{"done": n, "answer": ...}` after. A line that was sent and not done when
the process died is asked again under the same invocation id, or reported, as the caller says. A torn last line of
either file is cut off.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ParameterError


@dataclass(slots=True)
class Progressed:
    """How far an earlier run came. `written` lines are in the output; the rest comes from the journal."""

    written: int = 0
    exit_code: int = 0
    """Of the first of them that failed."""
    sent: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Place to invocation id and digest."""
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    inputs: dict[int, str] = field(default_factory=dict)
    """Place to digest, of everything above."""

    @property
    def lost(self) -> list[int]:
        """Places of lines that were sent and whose answer nobody kept."""
        return sorted(n for n in self.sent if n > self.written and n not in self.done)

    def check(self, place: int, asked: str, *, line: int) -> None:
        """Raises ParameterError when the digest of what would be asked is not that of what was."""
        if self.inputs.get(place, asked) != asked:
            raise ParameterError(
                f"Line {line} of the batch is not the line that was asked before, or the options beside it are not."
                " Resume with the same input and options, or begin again with another --output."
            )

    def check_end(self, count: int) -> None:
        """Raises ParameterError when the whole input has fewer lines than were asked; it may have more."""
        reached = max(self.written, *self.inputs, 0)
        if count < reached:
            raise ParameterError(
                f"The batch has {count} lines, and {reached} were asked before. Resume with the same input or a longer"
                " one, or begin again with another --output."
            )


class Journal:
    """The journal of one run, open for appending. Safe to use from several threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by close(), kept for a whole run
        self._lock = threading.Lock()

    def sent(self, place: int, *, invocation_id: str, asked: str) -> None:
        """What has the digest `asked`, at this place, is about to be sent."""
        self._append({"sent": place, "id": invocation_id, "digest": asked})

    def done(self, place: int, answer: dict[str, Any]) -> None:
        """The line at this place was answered, well or badly."""
        self._append({"done": place, "answer": answer})

    def close(self, *, is_finished: bool) -> None:
        """Close; a run that is finished, or began nothing, needs no journal. Closing again changes nothing."""
        was_open = not self._file.closed
        self._file.close()
        if was_open and (is_finished or not os.path.getsize(self._path)):
            os.unlink(self._path)

    def _append(self, record: dict[str, Any]) -> None:
        line = dump(record)
        with self._lock:
            self._file.write(line)


def dump(record: dict[str, Any]) -> bytes:
    """One JSON line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def digest_defaults(defaults: Mapping[str, object]) -> str:
    """What tells apart the parameters that the options add to every line."""
    return digest(repr(sorted(defaults.items())), "")


def digest(text: str, defaults: str) -> str:
    """What tells two input lines apart, with the digest of what the options add to them."""
    told = f"{defaults}\n{text.strip()}"
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def journal_path(output: str) -> str:
    return output + ".journal"


def read_progress(output: str) -> Progressed:
    """What an earlier run left behind; torn last lines are cut off both files."""
    progressed = Progressed()
    for number, record in enumerate(_whole_lines(output), start=1):
        if not isinstance(record.get("line"), int) or not isinstance(record.get("input"), str):
            raise ParameterError(
                f'{output}: line {number} is not an answer of a batch (it has no "line" and "input").'
                " Give the file that the stopped run wrote, or begin again with another --output."
            )
        progressed.written = number
        progressed.inputs[number] = record["input"]
        progressed.exit_code = progressed.exit_code or record.get("error", {}).get("exit_code", 0)
    for record in _whole_lines(journal_path(output)):
        if "sent" in record:
            progressed.sent[record["sent"]] = (record["id"], record["digest"])
            progressed.inputs[record["sent"]] = record["digest"]
        elif "done" in record:
            progressed.done[record["done"]] = record["answer"]
            progressed.inputs[record["done"]] = record["answer"]["input"]
    return progressed


def _whole_lines(path: str) -> list[dict[str, Any]]:
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        os.truncate(path, len(whole))
    records = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise ParameterError(
                f"{path}: line {number} is not JSON ({error}). Begin again with another --output."
            ) from error
    return records
