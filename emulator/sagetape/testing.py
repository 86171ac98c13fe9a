"""The pytest plugin's door: options, markers, fixtures and hooks, and nothing that costs before a test uses it.

Imports only the standard library and pytest; everything else is in `pytest_plugin/`, imported by the first test that
has the marker or asks for a fixture. Entry point group `pytest11`.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentError, ArgumentTypeError
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .pytest_plugin.decks import TestDeck
    from .pytest_plugin.run import Run

DECK: Final[pytest.StashKey[TestDeck]] = pytest.StashKey()
RUN: Final[pytest.StashKey[Run]] = pytest.StashKey()
ALIAS: Final[pytest.StashKey[bool]] = pytest.StashKey()
VERDICTS: Final[pytest.StashKey[Verdicts]] = pytest.StashKey()

MARKER: Final = "sagetape"
RECHUNK: Final = "sagetape_rechunk"
CUTS: Final = ("character", "line", "byte", "anywhere")
SCOPES: Final = ("session", "package", "module", "class", "function")
"""Of fixtures, the widest first."""
MODES: Final = ("none", "once", "new_episodes", "all", "rewrite")
PARTS_FOLDER: Final = ".sagetape-parts"

MARKERS: Final = (
    "sagetape(*cassettes, upstream, endpoints, match, scrub, seed, clock, speed, exhausted, faults, rechunk, "
    "allow_unused, allow_misses, allow_hosts, scope, server): SageMaker Runtime answers from cassettes in this test",
    "sagetape_rechunk(*cuts, seed): the test runs as recorded, and again at other part boundaries: "
    "character, line, byte, anywhere",
)

INI: Final[tuple[tuple[str, str, str, Any], ...]] = (
    ("sagetape_record", "string", "record mode when no option says another", "none"),
    ("sagetape_upstream", "args", "asked while recording, instead of aws", []),
    ("sagetape_cassettes", "string", "name of the folder of cassettes beside the tests", "cassettes"),
    ("sagetape_strict", "bool", "fail the run on what is unused, unread, unvisited or doubtful", False),
    ("sagetape_block_network", "bool", "refuse connections to other machines while a cassette plays", True),
    ("sagetape_allow_hosts", "args", "hosts that may be reached all the same", []),
    ("sagetape_server", "string", "where the server of a test's deck runs: thread or process", "thread"),
    ("sagetape_prices", "linelist", "lines `endpoint = price of one call`; `*` for all others", []),
)


class Claims:
    """Watches plugins while they are loaded: of an option that two of them add, pytest does not tell whose it is."""

    def __init__(self, manager: pytest.PytestPluginManager) -> None:
        self._manager = manager
        self._stop = manager.add_hookcall_monitoring(lambda *_: None, self._check)

    def _check(self, outcome: Any, hook: str, impls: Sequence[Any], _: object) -> None:
        if hook == "pytest_addoption" and isinstance(outcome.exception, ValueError | ArgumentError):
            from .pytest_plugin.claims import refusal_for

            if refused := refusal_for(self._manager, impls, add_options):
                outcome.force_exception(refused)

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, Any, Any]:
        """Stops: the first conftests are the last that may add options."""
        try:
            return (yield)
        finally:
            self._stop()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    try:
        add_options(parser)
    except (ValueError, ArgumentError) as error:
        from .pytest_plugin.claims import others, refusal_for

        raise (refusal_for(pluginmanager, others(pluginmanager), add_options) or error) from None
    pluginmanager.register(Claims(pluginmanager), "sagetape-claims")


def seed_from(text: str) -> int:
    """A seed. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise ArgumentTypeError(f"{text!r} is no seed: write a whole number from 0 to 2**63 - 1")
    return int(text)


def add_options(parser: pytest.Parser) -> None:
    """Options and lines of the ini file."""
    group = parser.getgroup("sagetape", "SageMaker Runtime from cassettes (sagetape)")
    group.addoption("--sagetape-record", metavar="MODE", choices=MODES, help=f"Record mode: {', '.join(MODES)}.")
    group.addoption(
        "--sagetape-record-in-ci", action="store_true", help="Record although the environment variable CI is set."
    )
    group.addoption("--sagetape-upstream", metavar="SPEC", help="Ask this while recording (default: aws).")
    group.addoption(
        "--sagetape-strict", action="store_true", help="Fail on what is unused, unread, unvisited or doubtful."
    )
    group.addoption(
        "--sagetape-report",
        metavar="FILE",
        action="append",
        default=[],
        help="Write the verdict of the run: *.json or *.html. May be given several times.",
    )
    group.addoption(
        "--sagetape-allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="Let tests reach this host while a cassette plays.",
    )
    group.addoption(
        "--sagetape-import",
        metavar="SOURCE[=NAME.tape]",
        action="append",
        default=[],
        help="Before the tests, make cassettes of what vcrpy, moto, a browser (HAR) or data capture recorded: of a "
        "file, or of each file of a folder, beside it. May be given several times.",
    )
    group.addoption("--sagetape-import-overwrite", action="store_true", help="Replace cassettes that are there.")
    group.addoption(
        "--sagetape-import-endpoint",
        metavar="NAME",
        default="",
        help="The endpoint of recordings that name none (moto, data capture).",
    )
    group.addoption("--sagetape-seed", metavar="N", type=seed_from, help="Seed of every deck that a marker gives none.")
    for name, kind, text, default in INI:
        parser.addini(name, text, type=kind, default=default)  # type: ignore[arg-type]


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, Any, Any]:
    """Adds `--record-mode` as another name when every other plugin and conftest had its chance to claim it."""
    result = yield
    _, unknown = parser.parse_known_and_unknown_args(["--record-mode=none"])
    early_config.stash[ALIAS] = bool(unknown)
    if unknown:
        parser.getgroup("sagetape").addoption(
            "--record-mode",
            dest="sagetape_record_mode",
            metavar="MODE",
            choices=MODES,
            help="The same as --sagetape-record; only there when no other plugin has an option of this name.",
        )
    return result


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[VERDICTS] = Verdicts()
    config.pluginmanager.register(config.stash[VERDICTS], "sagetape-verdicts")
    if says_something(config):
        from .pytest_plugin.options import check

        check(config)


def says_something(config: pytest.Config) -> bool:
    """Whether an option, a line of the ini file or a variable says anything that can be wrong."""
    given = ("sagetape_record", "sagetape_record_mode", "sagetape_report", "sagetape_upstream", "sagetape_allow_host")
    if any(config.getoption(name, None) not in (None, "none", []) for name in given):
        return True
    try:
        return any(config.getini(name) != default for name, _, _, default in INI) or "SAGETAPE_RECORD" in os.environ
    except (ValueError, pytest.UsageError):
        return True  # told by who reads it again


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says who owns `--record-mode` when it was given and is not ours."""
    if config.stash.get(ALIAS, True) or config.getoption("record_mode", None) in (None, "none"):
        return None
    from .pytest_plugin.claims import owner_of

    owner = owner_of(config.pluginmanager, "--record-mode") or "another plugin"
    return f"sagetape: --record-mode belongs to {owner} here; for SageMaker Runtime write --sagetape-record=MODE"


# --- collection -------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The marker `sagetape_rechunk` runs a test once for every cut, and once as recorded."""
    if mark := metafunc.definition.get_closest_marker(RECHUNK):
        from .pytest_plugin.cuts import cut_streams

        cut_streams(metafunc, mark)


def cut_id(cut: str | None) -> str:
    """The part of a test's id that says how its streams are cut."""
    return f"rechunk={cut or 'recorded'}"


def pytest_itemcollected(item: pytest.Item) -> None:
    put_deck_first(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests that a conftest or plugin has marked after they were collected."""
    for item in session.items:
        if MARKER not in getattr(item, "fixturenames", ()):
            put_deck_first(item)


def put_deck_first(item: pytest.Item) -> None:
    """A marked test gets its deck before every other fixture of its own, so that their clients find its environment.

    What is made for several tests (a session's fixture, setUpClass) comes first: it is no business of the first one.
    """
    names = getattr(item, "fixturenames", None)
    if names is None:
        return
    is_marked = item.get_closest_marker(MARKER) is not None or item.get_closest_marker(RECHUNK) is not None
    if is_marked or MARKER in names:  # not by the name `sagemaker_runtime`, which may be a fixture of the user's
        first = [MARKER, *(name for name in names if name == RECHUNK)]
        wider = [name for name in names if name not in first and is_wider(item, name)]
        rest = [name for name in names if name not in (*first, *wider)]
        item.fixturenames = [*wider, *first, *rest]  # type: ignore[attr-defined]


def is_wider(item: pytest.Item, name: str) -> bool:
    """Whether a fixture is shared by more tests than the deck is."""
    known = getattr(item, "_fixtureinfo", None)  # not public
    found: Any = known and known.name2fixturedefs.get(name)
    marks = (mark.kwargs["scope"] for mark in item.iter_markers(MARKER) if mark.kwargs.get("scope") in SCOPES)
    return bool(found) and SCOPES.index(found[-1].scope) < SCOPES.index(next(marks, SCOPES[-1]))


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sagetape(request: pytest.FixtureRequest) -> TestDeck:
    """A fresh deck for this test, and the environment that points every AWS client at it."""
    from .pytest_plugin.fixtures import open_deck

    return open_deck(request)


@pytest.fixture
def sagemaker_runtime(sagetape: TestDeck) -> Any:
    """A boto3 client that this test's deck answers inside the process."""
    return sagetape.runtime_client()


@pytest.fixture
def sagetape_rechunk(request: pytest.FixtureRequest) -> str | None:
    """The cut that the marker `sagetape_rechunk` chose for this run of the test; None: as recorded."""
    cut: str | None = getattr(request, "param", None)
    return cut


# --- a test's run -----------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A miss fails the test also when the code under test swallowed the exception."""
    result = yield
    deck = item.stash.get(DECK, None)
    if deck is not None:
        deck.check()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """What the deck saw stands in the report: as a section where the test failed, as data for the summary."""
    deck, run = item.stash.get(DECK, None), item.config.stash.get(RUN, None)
    if run is None:
        return (yield)
    from .pytest_plugin.reporting import add_properties, annotate, send

    if deck is not None:
        add_properties(item, deck, call.when)
    report = yield
    if deck is not None:
        annotate(report, deck, run)
    send(report, run)
    return report


class Verdicts:
    """Takes the verdicts out of the reports of a run, its workers' too."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.found: list[dict[str, Any]] = []
        self.forgotten: list[str] = []
        """What happened and no test need have failed for, a sentence each: misses, calls after a deck's end."""
        self.notes: list[str] = []
        self.tests: set[str] = set()
        """Tests that had a deck, of their own or shared."""
        self.not_run: set[str] = set()
        """Files with tests whose body did not run, from the root folder."""
        self.named: set[str] = set()
        """Cassettes that some process of the run was told to play, also by `attach` and `Emulator`."""
        self.is_partial = False
        """Tests were left out by somebody's choice."""
        self.ignored: list[Path] = []
        """Files and folders that were not collected."""

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        self.is_partial = self.is_partial or bool(items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that skips itself, or is broken, has tests that do not run."""
        if not report.passed:
            self.not_run.add(report.nodeid.partition("::")[0])

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(self, collection_path: Path) -> Generator[None, Any, Any]:
        is_ignored = yield
        if is_ignored and collection_path.name != "__pycache__":
            self.ignored.append(collection_path)
        return is_ignored

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests.update([report.nodeid] if hasattr(report, "sagetape_test") else ())
        is_expected = hasattr(report, "wasxfail") and report.when != "setup"
        if (report.skipped and not is_expected) or (report.failed and report.when == "setup"):
            self.not_run.add(report.nodeid.partition("::")[0])
        self.take(getattr(report, "sagetape", None))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a worker knew when its tests had ended; one that died says nothing."""
        self.take((getattr(node, "workeroutput", None) or {}).get("sagetape"))

    def take(self, told: dict[str, Any] | None) -> None:
        """What `Run.take_untold` gave."""
        if told is not None:
            again = {one["name"] for one in told["verdicts"] if not one["is_shared"]}  # the last attempt counts
            self.found = [one for one in self.found if one["name"] not in again] + told["verdicts"]
            self.forgotten += told["forgotten"]
            self.notes += [text for text in told["notes"] if text not in self.notes]
            self.not_run.update(told.get("not_run", ()))
            self.named.update(told.get("named", ()))
            self.is_partial = self.is_partial or told.get("is_partial", False)


def pytest_sessionstart(session: pytest.Session) -> None:
    if may_record(session.config):
        from .pytest_plugin.run import run_of

        run_of(session.config).begin()
    wishes = session.config.getoption("sagetape_import")
    if wishes and not hasattr(session.config, "workerinput"):
        from .pytest_plugin.run import run_of

        run_of(session.config).take_in(wishes)


def may_record(config: pytest.Config) -> bool:
    """Whether an option, the variable or the ini file asks for a recording. What CI says to it is told by the first
    test that has a deck."""
    options = (config.getoption("sagetape_record"), config.getoption("sagetape_record_mode", None))
    others = (os.environ.get("SAGETAPE_RECORD"), config.getini("sagetape_record"))
    return any(mode not in (None, "", "none") for mode in (*options, *others))


def parts_folder(config: pytest.Config) -> str:
    """Where workers of this process put their parts of the recordings."""
    return str(config.rootpath / PARTS_FOLDER / str(os.getpid()))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells an xdist worker how tests are distributed, and where its parts of the recordings go."""
    node.workerinput["sagetape_dist"] = node.config.getoption("dist")
    node.workerinput["sagetape_parts"] = parts_folder(node.config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Merges what was recorded in parts, writes the reports, fails a strict run."""
    is_used = session.config.stash[VERDICTS].found or session.config.stash.get(RUN, None) is not None
    if is_used or "sagetape.inprocess.keywords" in sys.modules:  # a worker's tests may have opened cassettes themselves
        from .pytest_plugin.run import run_of

        run_of(session.config).finish(session)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdict of the run, like coverage's."""
    run = config.stash.get(RUN, None)
    if run is not None:
        run.print_summary(terminalreporter)
