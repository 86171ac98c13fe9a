"""One test run of one process: its options, its server, its verdicts, and what happens at its end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..core.errors import CassetteError, SagetapeError
from ..core.values import valueclass
from ..core.verdict import RunVerdict, Verdict
from ..testing import PARTS_FOLDER, RUN, VERDICTS, parts_folder
from .extent import PASSED, Extent, known_of, leave_visited
from .options import Options, options_of
from .reruns import Attempt

if TYPE_CHECKING:
    from .fixtures import Places
    from .hub import Hub
    from .marks import Wanted


def run_of(config: pytest.Config) -> Run:
    """The run of this process, made on first use."""
    run = config.stash.get(RUN, None)
    if run is None:
        run = config.stash[RUN] = Run(config)
    return run


@valueclass(frozen=True, slots=True)
class Held:
    """What a cassette held before this run recorded into it."""

    end: int = 0
    """The number that its next interaction gets."""
    count: int = 0
    """Interactions that can be played."""
    lanes: frozenset[str] = frozenset()


class Run:
    """A run. In an xdist worker it has no end of its own: the controller merges, sums up and reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options: Options = options_of(config)
        self.worker: str | None = getattr(config, "workerinput", {}).get("workerid")
        self.notes: list[str] = []
        self.verdict = RunVerdict(())
        self.is_failed = False
        self.failures: list[str] = []
        """What went wrong at the end of the run; it fails the run."""
        self.untold: list[dict[str, Any]] = []
        """Verdicts of decks that have ended, as data, and that no report has told yet."""
        self.forgotten: list[str] = []
        """What happened and no test need have failed for, and that no report has told yet."""
        self.unmerged = 0
        """Interactions that are in parts still."""
        self.attempt = Attempt()
        self._hub: Hub | None = None
        self._hub_pid = 0
        self._lock = threading.Lock()
        self._dirty: set[Path] = set()
        self._was_there: dict[Path, bool] = {}
        self._held: dict[str, Held] = {}
        self._recorded_by: dict[Path, str] = {}
        """The test for which each cassette is being recorded that an open deck records into."""

    # --- while tests run ---

    def hub(self) -> Hub:
        """The server of this process, started on first use; a forked process gets its own."""
        with self._lock:
            if self._hub is None or self._hub_pid != os.getpid():
                from .hub import Hub

                wanted = self.options.upstream or ("aws",)
                records_aws = self.options.is_recording and wanted[0].startswith("aws")
                self._hub = Hub(records_aws=records_aws, on_late=self.late)
                self._hub.start()
                self._hub_pid = os.getpid()
            return self._hub

    def note(self, text: str) -> None:
        """A sentence for the summary, once; an empty text is none."""
        if text and text not in self.notes:
            self.notes.append(text)

    def was_there(self, target: Path) -> bool:
        """Whether a cassette was there before this run asked for it: `once` records one for all tests that share it."""
        with self._lock:
            return self._was_there.setdefault(target, target.is_file())

    def begin_recording(self, target: Path) -> None:
        """Something is about to be recorded into a cassette: notes what it holds, the first time."""
        with self._lock:
            if str(target) not in self._held:
                self._held[str(target)] = held_in(target)

    def opened(self) -> None:
        """A test has a deck: what there is to say of the options concerns somebody."""
        self.note(self.options.note)

    def refuse_recorded(self, target: Path) -> None:
        """Raises SagetapeError for a cassette that an open deck records into."""
        if other := self._recorded_by.get(target):
            raise SagetapeError(
                f"{self.shown(target)} is being recorded for {other}, whose deck is shared and still open; two decks "
                "cannot record one cassette at once. Give these tests the same marker, or one of them another cassette."
            )

    def records(self, target: Path, owner: str) -> None:
        """An open deck records into a cassette until it has ended."""
        self._recorded_by[target] = owner

    def ended(self, places: Places, failures: Iterable[str]) -> None:
        """A deck was closed. A recording with failures does not replace an older one."""
        if places.target is not None:
            self._recorded_by.pop(places.target, None)
        if places.part is not None and any(failures):
            self._dirty.add(places.part)

    def rewind(self, test: str) -> None:
        """A test begins: what the same test has just recorded was an attempt that failed."""
        path = self.attempt.rewind(test)
        if path is not None:
            self._dirty.discard(path)

    def judged(
        self,
        verdict: Verdict,
        owner: str,
        wanted: Wanted,
        blocked: Iterable[str],
        failures: Iterable[str],
        *,
        places: Places,
    ) -> Verdict:
        """A deck's verdict with the test's name and what the deck itself cannot know; paths as the user sees them.

        What this run recorded itself is nothing that a test should have played.
        """
        values = verdict.as_dict()
        for kind in ("warnings", "damage", "misses", "unreached"):
            values[kind] = tuple(self.told(text, places) for text in values[kind])
        held = None if places.target is None else self._held.get(str(places.target))
        values |= {
            "name": owner,
            "allow_unused": wanted.allow_unused,
            "blocked": tuple(dict.fromkeys(blocked)),
            "failures": tuple(self.told(text, places) for text in dict.fromkeys(failures)),
            "cassettes": list(self._uses_before(values["cassettes"], places)),
            "unvisited": [one for one in values["unvisited"] if held is None or one["lane"] in held.lanes],
        }
        return Verdict.from_dict(values)

    def tell(self, verdict: Verdict, *, within: Path | None, is_shared: bool) -> None:
        """A deck has ended; `within` is where other tests may play its cassettes."""
        self.untold.append({**verdict.as_dict(), "within": within and str(within), "is_shared": is_shared})

    def forget(self, text: str) -> None:
        """Notes what happened and no test need have failed for; an empty text is none."""
        self.forgotten += [text] if text and text not in self.forgotten else []

    def late(self, owner: str) -> None:
        """A client has called a deck that was closed. Its code may swallow what it is told, so it is a finding too."""
        from ..inprocess.opened import LATE

        now = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        during = f" while {now} ran" if now and now != owner else ""
        whose = f"{owner}: a client of its deck" if owner else "a client of no deck of this run"
        self.forget(f"{whose} called{during}, and the deck was closed. {LATE}")

    def take_untold(self) -> dict[str, Any]:
        """What was not told yet, as data."""
        told = {"verdicts": self.untold, "forgotten": self.forgotten, "notes": self.notes}
        self.untold, self.forgotten, self.notes = [], [], []
        return told

    def _uses_before(self, uses: Iterable[Mapping[str, Any]], places: Places) -> Iterator[dict[str, Any]]:
        """The uses without what was recorded in this run."""
        for use in uses:
            held = self._held.get(use["path"])
            if use["path"] == str(places.part) or (held is not None and not held.count):
                continue
            played, total = use["played"], use["total"]
            if held is not None:
                played, total = [number for number in played if number < held.end], min(total, held.count)
            yield {"path": self.shown(use["path"]), "total": total, "played": played}

    def told(self, text: str, places: Places) -> str:
        """A sentence that names the cassette where the deck named its part."""
        if places.part is None or places.target is None:
            return text
        return text.replace(str(places.part), self.shown(places.target)).replace(places.part.name, places.target.name)

    def shown(self, path: str | Path) -> str:
        """A path from the root folder of the run, where it is inside."""
        try:
            return str(Path(path).resolve().relative_to(self.config.rootpath.resolve()))
        except ValueError:
            return str(path)

    # --- recording in parts ---

    @property
    def parts_folder(self) -> Path:
        """Where parts of this run are; a worker is told by the controller."""
        told = getattr(self.config, "workerinput", {}).get("sagetape_parts")
        return Path(told or parts_folder(self.config))

    @property
    def writes_parts(self) -> bool:
        """Whether answers go to parts first: several workers share a cassette, and `rewrite` replaces at the end."""
        return self.worker is not None or self.options.mode == "rewrite"

    def part_of(self, target: Path) -> Path:
        """This process's part of a cassette."""
        from .parts import part_path

        return part_path(self.parts_folder, target, self.worker or "main", mode=self.options.mode)

    def begin(self) -> None:
        """Takes in what a run that was killed left behind."""
        if self.worker is None and self.options.is_recording:
            from .parts import abandoned, recover

            for folder in abandoned(self.config.rootpath / PARTS_FOLDER):
                merged = recover(folder, shown=self.shown)
                told = (*merged.notes, *merged.failures)
                self.notes += [f"of an earlier run: {line}" for line in told]

    def take_in(self, wishes: Iterable[str]) -> None:
        """Makes cassettes of what other tools recorded. Raises pytest.UsageError."""
        from .importing import import_wishes

        endpoint = self.config.getoption("sagetape_import_endpoint")
        overwrites = bool(self.config.getoption("sagetape_import_overwrite"))
        self.notes += import_wishes(wishes, endpoint=endpoint, overwrites=overwrites)

    # --- the end ---

    def finish(self, session: pytest.Session) -> None:
        """Stops the server; in the controller also merges, judges and reports."""
        if self._hub is not None and self._hub_pid == os.getpid():
            self._hub.stop()
            self._hub = None
        if self.worker is not None:
            told = {**self.take_untold(), **known_of(self.config)}
            getattr(self.config, "workeroutput")["sagetape"] = told  # noqa: B009  # xdist's
            return
        reports = self.config.stash[VERDICTS]
        reports.take({**self.take_untold(), **known_of(self.config)})
        extent = Extent(session)
        cut = [values for values in reports.found if values["within"] and not extent.is_whole(Path(values["within"]))]
        for values in cut:
            begun = [one for one in values["unvisited"] if 0 not in one["steps"]]  # others are another test's, perhaps
            values["unvisited"] = () if values["is_shared"] else begun
        leave_visited(reports.found)
        found = [Verdict.from_dict(values) for values in reports.found]
        self._merge(failed=bool(session.testsfailed) or not extent.is_over, failures=bool(self._dirty))
        unused = () if self.options.is_recording else tuple(map(self.shown, extent.unused(found, self.options.folder)))
        forgotten = tuple(reports.forgotten)
        unjudged = tuple(use["path"] for values in cut for use in values["cassettes"])
        notes = (*reports.notes, *self.notes)
        self.verdict = RunVerdict(tuple(found), unused, notes, forgotten=forgotten, unjudged=unjudged)
        from .summary import write_reports

        self.failures += write_reports(self.verdict, self.options.reports)
        self.is_failed = bool(self.options.is_strict and self.verdict.complaints)
        if (self.is_failed or self.failures) and session.exitstatus in PASSED:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _merge(self, *, failed: bool, failures: bool) -> None:
        folder = self.parts_folder
        if not (self.options.is_recording and folder.is_dir()):
            return  # what an earlier process of the same id left is the next recording run's
        from .parts import kept_in, merge_folder, pass_rewrite

        if self.options.mode == "rewrite" and (failed or failures):
            self.notes.append(
                f"not everything passed, so no cassette was replaced; what was recorded is in {self.shown(folder)} "
                "until the next recording run, which throws it away."
            )
            self.unmerged = kept_in(folder)
            return
        if self.options.mode == "rewrite":
            pass_rewrite(folder)
        merged = merge_folder(folder, mode=self.options.mode, shown=self.shown)
        self.notes += merged.notes
        self.failures += merged.failures
        self.unmerged = kept_in(folder) + merged.dropped

    def print_summary(self, reporter: Any) -> None:
        """The summary, in the controller."""
        if self.worker is None:
            from .summary import print_summary

            print_summary(reporter, self)


def held_in(path: Path) -> Held:
    """What a cassette holds; nothing that could be said of one that cannot be read."""
    if not path.is_file():
        return Held()
    from ..shell.store import Cassette

    try:
        with Cassette.open(path) as cassette:
            found = list(cassette.summaries())
    except CassetteError:
        return Held()  # told by who opens it to record
    lanes = frozenset(one.session.lane for one in found if one.session is not None)
    return Held(max((one.number for one in found), default=-1) + 1, len(found), lanes)
