"""What the system says of processes and of the machine: processor time, memory, who else was busy. Linux only."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
QUIET_SHARE = 0.25  # of one core: samples in which others took more are dropped while quieter ones exist


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the server runs, and where everything else of the benchmark does."""

    server: int
    load: int

    @property
    def is_shared(self) -> bool:
        return self.server == self.load


def pick_cores() -> Cores:
    """Two cores that this process may use; one for both when there is no other."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[-1])


def pinned(core: int) -> Callable[[], None]:
    """For `preexec_fn`: the child runs on one core."""
    return lambda: os.sched_setaffinity(0, {core})


def cpu_s(pid: int) -> float:
    """Seconds of processor time of a process and all its threads, in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S  # utime and stime, proc(5)


def busy_s() -> float:
    """Seconds of processor time that anybody took on this machine, all cores together."""
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(values) - values[3] - values[4]) / TICKS_S  # all but idle and iowait


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """A line of /proc/PID/status, in MiB: `VmRSS`, `RssAnon`."""
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(f"{name}:"):
            return int(text.split()[1]) / 1024
    raise KeyError(name)


def description() -> str:
    """One line about the machine."""
    model = next(
        (
            text.partition(":")[2].strip()
            for text in Path("/proc/cpuinfo").read_text().splitlines()
            if text.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One reading and how much of a core other programs took meanwhile."""

    value: float
    others: float


def settled(figures: Iterable[Figure]) -> float:
    """The median of the quiet readings; of the quieter half where none was quiet."""
    found = sorted(figures, key=lambda figure: figure.others)
    quiet = [figure for figure in found if figure.others <= QUIET_SHARE]
    return median(figure.value for figure in quiet or found[: max(1, (len(found) + 1) // 2)])
