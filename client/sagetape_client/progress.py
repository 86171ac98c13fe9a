"""A batch's progress bar and its summary. Pure text: the clock and the stream are the caller's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

WIDTH = 24
EVERY_S = 0.1
SHOW_AFTER_S = 0.5  # a batch that ends at once needs no bar


@dataclass(slots=True)
class Summary:
    """What happened to the lines of a batch. Latencies in seconds, of the lines that were asked in this run."""

    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    resumed: int = 0
    repeated: int = 0
    """Lines asked again because a kill had lost their answers."""
    retries: int = 0
    latencies_s: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    exit_code: int = 0
    """Of the first line that failed, by line number."""
    is_interrupted: bool = False

    @property
    def errors(self) -> int:
        return sum(self.failed.values())

    def as_dict(self) -> dict[str, object]:
        """For machines."""
        return {
            "schema": 1,
            "answered": self.answered,
            "failed": self.failed,
            "resumed": self.resumed,
            "repeated": self.repeated,
            "retries": self.retries,
            "seconds": round(self.elapsed_s, 3),
            "latency_s": {name: round(v, 6) for name, v in percentiles(self.latencies_s).items()},
            "interrupted": self.is_interrupted,
        }

    def text(self) -> str:
        """For people."""
        asked = len(self.latencies_s)
        rate = asked / self.elapsed_s if self.elapsed_s > 0 else 0.0
        parts = [f"{self.answered} answered", f"{self.errors} failed"]
        if self.failed:
            parts[-1] += " (" + ", ".join(f"{code}: {count}" for code, count in sorted(self.failed.items())) + ")"
        for count, word in ((self.resumed, "done before"), (self.repeated, "asked again"), (self.retries, "retries")):
            if count:
                parts.append(f"{count} {word}")
        lines = [f"{', '.join(parts)}; {asked} in {self.elapsed_s:.1f} s, {rate:.1f}/s"]
        if asked:
            spread = percentiles(self.latencies_s)
            lines.append("latency " + ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in spread.items()))
        if self.is_interrupted:
            lines.append("stopped; go on with the same command and --resume")
        return "\n".join(lines)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and max by nearest rank; empty for nothing."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    ranks = {f"p{p}": ordered[max(math.ceil(p / 100 * len(ordered)), 1) - 1] for p in (50, 90, 99)}
    return {**ranks, "max": ordered[-1]}


class Bar:
    """One line that is drawn over: count, share, rate, errors, time left. Only for a terminal."""

    def __init__(self, stream: IO[str], *, total: int | None, started_s: float) -> None:
        self._stream = stream
        self._total = total
        self._started_s = started_s
        self._drawn_s = started_s + SHOW_AFTER_S - EVERY_S
        self._width = 0

    def update(self, done: int, *, errors: int, now_s: float, resumed: int = 0) -> None:
        """Draw, unless it was drawn a moment ago."""
        if now_s - self._drawn_s < EVERY_S:
            return
        self._drawn_s = now_s
        elapsed_s = now_s - self._started_s
        line = bar_text(done, total=self._total, errors=errors, rate=(done - resumed) / elapsed_s if elapsed_s else 0.0)
        self._stream.write("\r" + line + " " * (self._width - len(line)))
        self._stream.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Leave the line empty."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()


def bar_text(done: int, *, total: int | None, errors: int, rate: float) -> str:
    """`[####----] 412/1000  41%  93.1/s  2 errors  6 s left`."""
    tail = f"{rate:.1f}/s  {errors} error{'' if errors == 1 else 's'}"
    if not total:
        return f"{done} done  {tail}"
    full = min(WIDTH * done // total, WIDTH)
    left = f"  {math.ceil((total - done) / rate)} s left" if rate > 0 and done < total else ""
    return f"[{'#' * full}{'-' * (WIDTH - full)}] {done}/{total}  {100 * done // total}%  {tail}{left}"
