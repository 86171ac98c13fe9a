"""What a failing test says is to be done works as it is printed."""

from __future__ import annotations

import re
import shlex
import xml.etree.ElementTree as ElementTree

import pytest

from tests.client.standin import Standin, as_json
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]


@pytest.mark.parametrize("name", ["x", "it's", "naïve ü", "a b$c"])
def test_printed_command_records_the_test(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Pasted into a shell in the folder where pytest was started, which is not the root folder."""
    ini = project.path / "tox.ini"
    ini.write_text(ini.read_text() + "\ndisable_test_id_escaping_and_forfeit_all_rights_to_community_support = True\n")
    project.write(f"""
        @pytest.mark.parametrize("text", [{name!r}])
        def test_one(sagemaker_runtime, text):
            ask(sagemaker_runtime)
    """)
    here = project.path / "start"
    here.mkdir()
    (project.path / "test_it.py").rename(here / "test_it.py")
    monkeypatch.chdir(here)
    found = re.findall(r"Record it:  (pytest .*)", text_of(project.run("test_it.py")))
    assert len(found) == 1
    _, *arguments = shlex.split(found[0])
    result = project.run(*arguments)
    result.assert_outcomes(passed=1)
    assert len(project.tapes()) == 1
    assert len(real.arrived) == 1


def test_false_alarm_is_allowed_as_the_failure_says(project: Project, real: Standin) -> None:
    """What looks like a secret and is none: the argument that the failure prints lets the answer be recorded."""
    real.answer = lambda arrived: as_json({"id": "AKIAIOSFODNN7ABCDEFG"})
    project.write("""
        def test_id(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    result = project.run("--sagetape-record=once")
    result.assert_outcomes(passed=1, errors=1)
    (mark,) = set(re.findall(r"(@pytest\.mark\.sagetape\(scrub=.*?\]\}\))", text_of(result)))
    project.write(f"\n    {mark}\n    def test_id(sagemaker_runtime):\n        ask(sagemaker_runtime)\n")
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


def test_second_cassette_that_is_missing_is_not_said_to_be_recorded(project: Project, real: Standin) -> None:
    """Recording makes the first cassette that a test names, and the message about another one says so."""
    project.write("""
        @pytest.mark.sagetape("first", "second")
        def test_two(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(errors=1)
    shown = text_of(result)
    assert "cassettes/second.tape: no such cassette." in shown
    assert "only the first (first.tape) is recorded into" in shown
    assert "--sagetape-record" not in shown


@pytest.mark.parametrize("folder", ["/tmp/tapes", "..", ".", "a/b", "a\\b", "C:tapes"])
def test_folder_of_cassettes_is_one_name(project: Project, folder: str) -> None:
    """Anything else than one name is a usage error that says what to write."""
    project.write("def test_nothing(): pass")
    result = project.run("-o", f"sagetape_cassettes={folder}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is no name of a folder. Write one name" in "\n".join([*result.outlines, *result.errlines])


def test_reruns_leave_one_verdict_in_junit(project: Project) -> None:
    """A test that another plugin runs again has the properties of its last run, and the user's own once each."""
    project.pytester.makeconftest("""
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                reports = runtestprotocol(item, nextitem=nextitem, log=False)
                item._initrequest()
            for report in reports:
                item.ihook.pytest_runtest_logreport(report=report)
            return True
    """)
    project.write("""
        ROUNDS = []

        @pytest.mark.sagetape(upstream="function:user_models:echo")
        def test_again(sagemaker_runtime, record_property):
            ROUNDS.append(1)
            record_property(f"round_{len(ROUNDS)}", "mine")
            for _ in ROUNDS:
                ask(sagemaker_runtime)
    """)
    result = project.run("--junit-xml=j.xml", "-o", "junit_family=xunit1")
    result.assert_outcomes(passed=1)
    found = [(one.get("name"), one.get("value")) for one in ElementTree.parse(project.path / "j.xml").iter("property")]
    assert [value for name, value in found if name == "sagetape_verdict"] == ["hit"]
    assert [value for name, value in found if name == "sagetape_local"] == ["2"]
    assert {name for name, _ in found} >= {"round_1", "round_2"}
