"""Recordings of other tools, taken in from pytest's command line."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest

from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs/moving.md"
TEST = """
    @pytest.mark.sagetape
    def test_stays():
        assert call(b'{"customer": 7}') == b'{"label": "stays"}'
"""
MODULE = "cassettes/test_moved"


def recorded(project: Project, name: str = "test_stays", *, label: str = "stays") -> Path:
    """The recording of the page, where pytest-recording would have put it."""
    found = re.search(r"^```yaml recording\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    path = Path(project.path, MODULE, f"{name}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found[1].replace("stays", label), "utf-8")
    return path


def test_walk_of_the_page_replays(project: Project) -> None:
    """A recording of vcrpy becomes the cassette of its test, which replays it then and ever after."""
    project.write(TEST, "test_moved")
    recorded(project)
    project.run().assert_outcomes(failed=1)
    first = project.run("--sagetape-import=cassettes")
    first.assert_outcomes(passed=1)
    assert "1 imported" in text_of(first)
    assert project.tapes() == [f"{MODULE}/test_stays.tape"]
    project.run("--sagetape-strict").assert_outcomes(passed=1)


def test_import_does_not_replace_unless_told(project: Project) -> None:
    """A cassette that is there stays byte for byte, and the summary says so; the option replaces it."""
    project.write(TEST, "test_moved")
    recorded(project)
    project.run("--sagetape-import=cassettes").assert_outcomes(passed=1)
    tape = Path(project.path, MODULE, "test_stays.tape")
    before = tape.read_bytes()
    recorded(project, label="leaves")
    again = project.run("--sagetape-import=cassettes")
    again.assert_outcomes(passed=1)
    assert "--sagetape-import-overwrite" in text_of(again)
    assert tape.read_bytes() == before
    told = project.run("--sagetape-import=cassettes", "--sagetape-import-overwrite")
    told.assert_outcomes(failed=1)
    assert "leaves" in text_of(told)


def test_import_leaves_other_files_alone(project: Project) -> None:
    """A folder's file of no known kind is reported and no cassette is made of it; one that was named is an error."""
    project.write("def test_nothing(): pass", "test_moved")
    other = Path(project.path, "cassettes/settings.json")
    other.parent.mkdir()
    other.write_text('{"a": 1}')
    result = project.run("--sagetape-import=cassettes")
    result.assert_outcomes(passed=1)
    assert "settings.json: not imported" in text_of(result)
    assert project.tapes() == []
    assert project.run(f"--sagetape-import={other}").ret == pytest.ExitCode.USAGE_ERROR
    assert project.run("--sagetape-import=nowhere").ret == pytest.ExitCode.USAGE_ERROR


def test_import_finds_parametrised_names(project: Project) -> None:
    """A test's parameters are part of the name there and here, also where this one has to be made safe."""
    project.write(
        """
        @pytest.mark.sagetape
        @pytest.mark.parametrize("plan", ["a b"])
        def test_stays(plan):
            assert call(b'{"customer": 7}') == b'{"label": "stays"}'
        """,
        "test_moved",
    )
    recorded(project, "test_stays[a b]")
    project.run("--sagetape-import=cassettes").assert_outcomes(passed=1)


OTHERS_NAMES = [
    ("plan", "a/b:c", "test_stays[a-b-c].yaml"),
    ("plan", "100%?", "test_stays[100--].yaml"),
    ("plan", "it's", "test_stays[it-s].yaml"),
    ("plan", "\u00fc", "test_stays[-xfc].yaml"),  # pytest writes \\xfc
    ("class", "x|y", "TestPlan.test_stays[x-y].yaml"),
    ("nested", "x|y", "TestInner.test_stays[x-y].yaml"),
]


@pytest.mark.alone
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_import_finds_the_names_of_pytest_recording(project: Project, workers: tuple[str, ...]) -> None:
    """Its file names have `-` for what files dislike, and the innermost class alone: each test finds its recording."""
    test = """
        @pytest.mark.sagetape
        @pytest.mark.parametrize("plan", {plans})
        def test_stays({self}plan):
            assert call(b'{{"customer": 7}}') == b'{{"label": "stays"}}'
    """
    plain = textwrap.dedent(test).format(plans=[one for kind, one, _ in OTHERS_NAMES if kind == "plan"], self="")
    method = textwrap.indent(textwrap.dedent(test).format(plans=["x|y"], self="self, "), "    ")
    inner = textwrap.indent(f"class TestInner:\n{method}", "    ")
    project.write(f"{plain}\nclass TestPlan:\n{method}\nclass TestOuter:\n{inner}", "test_moved")
    for _, _, name in OTHERS_NAMES:
        recorded(project, name.removesuffix(".yaml"))
    first = project.run_apart("--sagetape-import=cassettes", "--sagetape-strict", *workers)
    first.assert_outcomes(passed=len(OTHERS_NAMES))
    assert first.ret == 0, text_of(first)
    assert len(project.tapes()) == len(OTHERS_NAMES)
    project.run("--sagetape-strict").assert_outcomes(passed=len(OTHERS_NAMES))


def test_import_gives_each_of_two_tests_their_one_recording(project: Project) -> None:
    """Two tests whose names pytest-recording could not tell apart had one recording there, and have two here."""
    project.write(
        """
        @pytest.mark.sagetape
        @pytest.mark.parametrize("plan", ["a/b", "a:b", "a-b"])
        def test_stays(plan):
            assert call(b'{"customer": 7}') == b'{"label": "stays"}'
        """,
        "test_moved",
    )
    recorded(project, "test_stays[a-b]")
    project.run("--sagetape-import=cassettes", "--sagetape-strict").assert_outcomes(passed=3)
    assert len(project.tapes()) == 3


def test_import_into_a_named_cassette(project: Project) -> None:
    """moto's results name no endpoint: the options say which, and the cassette that they go into."""
    project.write(TEST, "test_moved")
    given = {"results": [{"Body": '{"label": "stays"}', "ContentType": "application/json"}]}
    Path(project.path, "moto.json").write_text(json.dumps(given))
    target = f"{MODULE}/test_stays.tape"
    options = (f"--sagetape-import=moto.json={target}", "--sagetape-import-endpoint=churn")
    project.run(*options).assert_outcomes(passed=1)
    assert project.tapes() == [target]


@pytest.mark.alone
def test_import_happens_once_under_xdist(project: Project) -> None:
    """The controller imports before its workers play."""
    project.write(TEST, "test_moved")
    recorded(project)
    project.run_apart("-n2", "--sagetape-import=cassettes").assert_outcomes(passed=1)
