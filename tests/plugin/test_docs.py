"""The pages for users' tests: every option is there, and every block runs."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest

from sagetape import attach, testing
from sagetape.inprocess.clients import make_client
from sagetape.pytest_plugin.decks import TestDeck
from sagetape.pytest_plugin.marks import ARGUMENTS
from tests.client.standin import Answer, Standin
from tests.plugin.conftest import Project

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```python ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODELS = """
def churn(invocation):
    return {"label": "stays"}


def tokens(invocation):
    return iter([b'{"token": "a"}\\n', b'{"token": "b"}\\n'])
"""


def blocks(page: str) -> list[tuple[str, str]]:
    """The Python blocks of a page, each with the word beside its fence."""
    return FENCE.findall((DOCS / page).read_text("utf-8"))


@pytest.fixture
def stays(real: Standin) -> Standin:
    """The real endpoint of the pages."""
    real.answer = lambda arrived: Answer(200, {"Content-Type": "application/json"}, b'{"label": "stays"}')
    return real


class Options:
    """Collects what the plugin adds, as pytest's parser would."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: object) -> Options:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.append(name)

    def addini(self, name: str, *_: object, **__: object) -> None:
        self.names.append(name)


def test_testing_page_names_everything() -> None:
    """Every option, ini line, marker argument, fixture, mode, cut and method of the fixture stands on the page."""
    options = Options()
    testing.add_options(options)  # type: ignore[arg-type]
    assert len(options.names) > 10
    methods = {name for name in vars(TestDeck) if not name.startswith("_")}
    internal = {
        "runtime_client",
        "check",
        "check_misses",
        "check_defects",
        "begin_test",
        "end_test",
        "settle",
        "forgotten",
        "stray",
        "detach",
        "section",
    }
    fixtures = {"sagetape", "sagemaker_runtime", "sagetape_rechunk"}
    wanted = {*options.names, "--record-mode", "SAGETAPE_RECORD", *fixtures, *testing.MODES, *testing.CUTS}
    wanted |= {*ARGUMENTS, *(methods - internal)}
    page = (DOCS / "testing.md").read_text("utf-8")
    missing = [name for name in sorted(wanted) if not re.search(rf"`[^`]*{re.escape(name)}\b[^`]*`", page)]
    assert missing == []


def test_markers_are_registered_with_every_argument() -> None:
    """`pytest --markers` lists the arguments that there are."""
    described = testing.MARKERS[0]
    assert [name for name in ARGUMENTS if not re.search(rf"\b{name}\b", described)] == []


def test_testing_page_blocks_run(project: Project, stays: Standin) -> None:
    """Every test on the page passes, recorded and replayed; every program runs on a cassette."""
    project.pytester.makepyfile(models=MODELS)
    found = [code for _, code in blocks("testing.md")]
    tests = [code for code in found if "def test_" in code]
    programs = [code for code in found if "def test_" not in code]
    assert (len(tests), len(programs)) == (5, 2)
    for number, code in enumerate(tests):
        project.pytester.makepyfile(**{f"test_block_{number}": code})
    project.run("--sagetape-record=once").assert_outcomes(passed=7)
    asked = len(stays.arrived)
    assert asked == 2
    project.run().assert_outcomes(passed=7)
    assert len(stays.arrived) == asked
    run_programs(project, programs)


def run_programs(project: Project, programs: list[str]) -> None:
    """The programs of the page, one after the other, on a cassette of one answer."""
    client = make_client(region_name="us-east-1")
    with attach(client, project.path / "cassettes/churn.tape", mode="once", upstream="function:models:churn"):
        client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=b'{"customer": 7}')
    for code in programs:
        exec(compile(code, "docs/testing.md", "exec"), {"__name__": "block"})


OTHERS = {"stubber": "botocore", "moto": "moto", "vcrpy": "vcr", "sagetape": "sagetape", "function": "sagetape"}


def test_moving_page_blocks_compile() -> None:
    """Every block on the page is Python, whatever is installed."""
    found = blocks("moving.md")
    assert {name for name, _ in found} == {*OTHERS, "models", "code"}
    for name, code in found:
        compile(code, f"docs/moving.md:{name}", "exec")


@pytest.mark.parametrize("name", ["stubber", "moto", "sagetape", "function"])
def test_moving_page_blocks_run(project: Project, stays: Standin, name: str) -> None:
    """The same test with each tool passes; with Sagetape once recorded and once without a service."""
    if importlib.util.find_spec(OTHERS[name]) is None:
        pytest.skip(f"{OTHERS[name]} is not installed")
    found = dict(blocks("moving.md"))
    project.pytester.makepyfile(models=found["models"], code_under_test=found["code"], test_moved=found[name])
    if name == "moto":
        del os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"]
        project.run_cold().assert_outcomes(passed=1)
    elif name == "sagetape":
        project.run("--sagetape-record=once").assert_outcomes(passed=1)
        project.run().assert_outcomes(passed=1)
        assert len(stays.arrived) == 1
    else:
        project.run().assert_outcomes(passed=1)
        assert stays.arrived == []
