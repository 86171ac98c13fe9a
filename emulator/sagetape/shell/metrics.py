"""Figures in Prometheus' text format, and the histogram behind one of them.

Decides how a figure is written. Source: Prometheus, "Exposition formats", text format 0.0.4; "Metric and label naming".
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

from ..core.values import valueclass

PREFIX: Final = "sagetape_"
BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

Sample = tuple[Mapping[str, str], float]


class Histogram:
    """How many observations fell into each of a few fixed ranges."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = BOUNDS_S) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts one value; a bound belongs to the range below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self) -> list[Sample]:
        """The series of a histogram: `_bucket` for each bound, each with all below it, then `_sum` and `_count`."""
        total, samples = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            samples.append(({"": "_bucket", "le": bound}, float(total)))
        return [*samples, ({"": "_sum"}, self._sum), ({"": "_count"}, float(total))]


@valueclass(frozen=True, slots=True)
class Family:
    """A figure with its series. The label with the empty name is what its series' name ends with."""

    name: str
    kind: str
    doc: str
    samples: Sequence[Sample]

    @classmethod
    def one(cls, name: str, kind: str, doc: str, value: float) -> Self:
        """A figure without labels."""
        return cls(name, kind, doc, [({}, value)])


def gathered(families: Iterable[Family]) -> str:
    """All figures as one text."""
    lines: list[str] = []
    for family in families:
        name = PREFIX + family.name
        lines += [f"# HELP {name} {family.doc}", f"# TYPE {name} {family.kind}"]
        for labels, value in family.samples:
            pairs = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items() if key)
            lines.append(f"{name}{labels.get('', '')}{f'{{{pairs}}}' if pairs else ''} {value:.10g}")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A label's value as the format wants it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
