"""Findings of a run that a cassette's own recordings give rise to: steps left out, answers in doubt."""

from __future__ import annotations

from tests.client.standin import Answer, Arrived, Standin, as_json
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

TALK = """
    @pytest.mark.sagetape(MARK)
    def test_talks(sagetape, sagemaker_runtime):
        opened = sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{}", SessionId="NEW_SESSION")
        session = opened["NewSessionId"].partition(";")[0]
        for number in range(STEPS):
            ask(sagemaker_runtime, b"%d" % number, SessionId=session)
        sagetape.advance(5000)
"""


def with_sessions(arrived: Arrived) -> Answer:
    """A service whose model has sessions."""
    if arrived.headers.get("x-amzn-sagemaker-session-id") != "NEW_SESSION":
        return as_json({"ok": True})
    return Answer(200, {"X-Amzn-SageMaker-New-Session-Id": "id-1; Expires=2099-11-14T22:33:20Z"}, b"hello")


def test_steps_that_were_not_visited_are_told(project: Project, real: Standin) -> None:
    """A session that a test leaves early is told with the steps, and fails a strict run unless the marker forgives."""
    real.answer = with_sessions
    project.write(TALK.replace("MARK", "").replace("STEPS", "3"))
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.write(TALK.replace("MARK", "").replace("STEPS", "1"))
    strict = project.run("--sagetape-strict")
    strict.assert_outcomes(passed=1)
    assert strict.ret == 1
    assert "FAILED: test_it.py::test_talks: steps 2, 3 of session" in text_of(strict)
    project.write(TALK.replace("MARK", "allow_unused=True").replace("STEPS", "1"))
    assert "were not visited" not in text_of(project.run())


def test_steps_that_this_run_recorded_need_no_visit(project: Project, real: Standin) -> None:
    """A later test of the cassette leaves the session early that another has just recorded; alone it is told of it."""
    real.answer = with_sessions
    talk = TALK.replace("MARK", '"shared"')
    project.write(talk.replace("STEPS", "3") + talk.replace("STEPS", "1").replace("test_talks", "test_leaves"))
    recorded = project.run("--sagetape-record=once", "--dist=loadfile")
    recorded.assert_outcomes(passed=2)
    assert "were not visited" not in text_of(recorded)
    project.write(talk.replace("STEPS", "1").replace("test_talks", "test_leaves"))
    assert "test_leaves: steps 2, 3 of session" in text_of(project.run())


def test_warnings_of_the_guard_are_told(project: Project, real: Standin) -> None:
    """Two different answers to one request are played in order; the run says that order decides."""
    project.write("""
        def test_asks(sagemaker_runtime):
            ask(sagemaker_runtime)
            ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    loose = project.run()
    assert (loose.ret, "warning: test_it.py::test_asks: 2 different answers are rec" in text_of(loose)) == (0, True)
    strict = project.run("--sagetape-strict")
    strict.assert_outcomes(passed=1)
    assert (strict.ret, "FAILED: test_it.py::test_asks: 2 different answers are rec" in text_of(strict)) == (1, True)


def test_differences_that_the_match_rules_leave_out_are_told(project: Project, real: Standin) -> None:
    """Two requests that only an ignored place tells apart have one key: either may get the other's answer."""
    real.answer = lambda arrived: as_json({"number": 1})
    project.write("""
        @pytest.mark.sagetape(match={"ignore_paths": ["when"]})
        def test_asks(sagemaker_runtime):
            ask(sagemaker_runtime, b'{"when": 1}')
            ask(sagemaker_runtime, b'{"when": 2}')
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    result = project.run("--sagetape-strict")
    assert result.ret == 1
    assert "have one key and differ in what the match rules leave out: body, $.when" in text_of(result)
