"""How much of a project's tests has run, and what may be said for it of cassettes that were not played."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest

from ..core.verdict import Verdict
from ..testing import VERDICTS

PASSED: Final = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
ENDED: Final = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
CHOOSING: Final = ("keyword", "markexpr", "lf", "stepwise", "deselect", "ignore", "ignore_glob")
"""pytest's options under which a part of the tests runs."""


class Extent:
    """What has run of a session that ends."""

    def __init__(self, session: pytest.Session) -> None:
        self._session, self._config = session, session.config
        self._reports = session.config.stash[VERDICTS]

    @property
    def is_over(self) -> bool:
        """Whether the session was not stopped in the middle, whatever had passed until then."""
        return self._session.exitstatus in (*ENDED, *PASSED)

    @property
    def is_chosen(self) -> bool:
        """Whether only some tests of what was asked for have run."""
        session, config = self._session, self._config
        chosen = any(config.getoption(name, None) for name in CHOOSING) or any("::" in one for one in config.args)
        stopped = session.shouldstop or session.shouldfail or session.exitstatus not in ENDED
        return bool(chosen or stopped or self._reports.is_partial)

    def is_whole(self, within: Path) -> bool:
        """Whether all tests of a file or folder have run."""
        if self.is_chosen:
            return False
        if within == self._config.rootpath and self._config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            return not self._reports.not_run
        return self._ran_whole(within)

    def unused(self, found: Iterable[Verdict], name: str) -> Iterator[Path]:
        """Cassettes beside those that were used which no test opened; `name` is what their folders are called.

        None where only some of the tests ran: others may use them.
        """
        if self.is_chosen:
            return
        root = self._config.rootpath
        used = {(root / use.path).resolve() for verdict in found for use in verdict.cassettes}
        folders = {top_folder(path, name) for path in used}
        used |= {Path(path).resolve() for path in self._reports.named}
        for folder in sorted(one for one in folders if one is not None and self._ran_whole(one.parent)):
            yield from (path for path in sorted(folder.rglob("*.tape")) if path.resolve() not in used)

    def _ran_whole(self, folder: Path) -> bool:
        """Whether every test of a folder was asked to run, and none was skipped."""
        config, here = self._config, folder.resolve()
        asked = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
        skipped = ((config.rootpath / path).resolve() for path in self._reports.not_run)
        return any(here.is_relative_to(one) for one in asked) and not any(one.is_relative_to(here) for one in skipped)


def leave_visited(found: Iterable[dict[str, Any]]) -> None:
    """Of tests that share a cassette, the steps of its sessions that another one visited are no finding."""
    left: dict[str, list[dict[str, set[int]]]] = {}
    for values in found:
        steps = {one["lane"]: set(one["steps"]) for one in values["unvisited"]}
        for use in values["cassettes"]:
            left.setdefault(use["path"], []).append(steps)
    for values in found:
        others = [steps for use in values["cassettes"] for steps in left[use["path"]]]
        kept = [
            {
                **one,
                "steps": [step for step in one["steps"] if all(step in each.get(one["lane"], ()) for each in others)],
            }
            for one in values["unvisited"]
        ]
        values["unvisited"] = [one for one in kept if one["steps"]]


def known_of(config: pytest.Config) -> dict[str, Any]:
    """What one process of a run knows for the whole: tests that did not run, by choice or because they were not
    collected, and the cassettes that `attach` and `Emulator` were given.
    """
    reports = config.stash[VERDICTS]
    ignored = [str(path) for path in reports.ignored if may_hold_tests(config, path)]
    keywords: Any = sys.modules.get("sagetape.inprocess.keywords")
    named = [] if keywords is None else [str(path) for path, at in keywords.NAMED.items() if at > reports.began]
    return {"is_partial": reports.is_partial, "not_run": [*sorted(reports.not_run), *ignored], "named": named}


def may_hold_tests(config: pytest.Config, path: Path) -> bool:
    """Whether something that was not collected would have been, had nobody left it out."""
    if path.is_dir():
        patterns = config.getini("norecursedirs")
        return not (any(fnmatch(path.name, one) for one in patterns) or (path / "pyvenv.cfg").is_file())
    return any(fnmatch(path.name, one) for one in config.getini("python_files"))


def top_folder(path: Path, name: str) -> Path | None:
    """The folder of cassettes that a cassette is in; None for one that was named from elsewhere."""
    return next((folder for folder in path.parents if folder.name == name), None)
