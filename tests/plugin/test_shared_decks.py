"""Decks that several tests share: when they end, whose verdict is told, and where they may be shared."""

from __future__ import annotations

import json

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

ECHO = "function:user_models:echo"
LEAK = f"""
    LEAKS = {{"churn": {{"upstream": "{ECHO}", "sessions": True}}}}

    @pytest.mark.sagetape(scope="SCOPE", endpoints=LEAKS)
    class TestTalk:
        def test_leaks(self, sagemaker_runtime):
            sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{{}}", SessionId="NEW_SESSION")

        def test_asks(self, sagemaker_runtime):
            ask(sagemaker_runtime)
"""
PLAIN = """
    def test_plain():
        pass
"""
OWN = """
    def test_own(sagetape):
        pass
"""
OTHER = """
    @pytest.mark.sagetape(scope="SCOPE", endpoints=LEAKS, allow_unused=True)
    def test_other(sagemaker_runtime):
        ask(sagemaker_runtime)
"""


def found_in(project: Project, name: str) -> dict[str, dict[str, int]]:
    """The calls of each deck of a run, by what a report calls the deck."""
    return {one["name"]: one["counts"] for one in json.loads((project.path / name).read_text())["tests"]}


@pytest.mark.parametrize("last", [PLAIN, OWN, OTHER], ids=["plain", "own", "other"])
@pytest.mark.parametrize("scope", ["class", "module"])
def test_verdict_of_a_shared_deck_outlives_its_last_test(project: Project, scope: str, last: str) -> None:
    """A test that comes after the last one of the deck takes no verdict with it; the deck's own last test is named."""
    project.write((LEAK + last.replace("SCOPE", "module")).replace("SCOPE", scope))
    result = project.run("--dist=loadfile", "--sagetape-strict", "--sagetape-report=v.json")
    result.assert_outcomes(passed=3)
    assert result.ret == 1
    name = f"test_it.py{'::TestTalk' * (scope == 'class')} (last used by test_it.py::TestTalk::test_asks)"
    assert f"FAILED: {name}: session" in text_of(result)
    others = {"test_it.py::test_own": {}, "test_it.py (last used by test_it.py::test_other)": {"local": 1}}
    own = {key: counts for key, counts in others.items() if key.rpartition(":")[2].rstrip(")") in last}
    assert found_in(project, "v.json") == {name: {"local": 2}, **own}


@pytest.mark.alone
@pytest.mark.parametrize("workers", [(), ("-n1",)])
def test_verdict_of_a_session_outlives_its_last_test(project: Project, workers: tuple[str, ...]) -> None:
    """The same where the whole run shares the deck, which ends with a module that knows nothing of it."""
    project.write(LEAK.replace("SCOPE", "session"))
    project.write(PLAIN, "test_later")
    result = project.run(*workers, "--sagetape-strict", "--sagetape-report=v.json")
    result.assert_outcomes(passed=3)
    assert result.ret == 1
    assert found_in(project, "v.json") == {"the session (last used by test_it.py::TestTalk::test_asks)": {"local": 2}}


def test_failure_of_a_shared_deck_names_its_last_test(project: Project, real: Standin) -> None:
    """A cassette that changes while a module plays it: the error at the module's end says whose deck it was."""
    project.write("""
        import pathlib

        @pytest.mark.sagetape("churn", scope="module")
        def test_plays(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.pytester.makepyfile(
        test_it=(project.path / "test_it.py").read_text()
        + "\ndef test_changes(request):\n"
        + '    tape = request.path.parent / "cassettes" / "churn.tape"\n'
        + "    tape.write_bytes(tape.read_bytes())\n"
    )
    result = project.run("--dist=loadfile")
    result.assert_outcomes(passed=2, errors=1)
    assert "test_it.py (last used by test_it.py::test_plays): its answers went out, but" in text_of(result)
    assert "was changed while" in text_of(result)
