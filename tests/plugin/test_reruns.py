"""Tests that run again after a failure: what counts and what is recorded is the last attempt."""

from __future__ import annotations

import re

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

AGAIN = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for attempt in range(3):
            reports = runtestprotocol(item, nextitem=nextitem, log=False)
            is_over = all(report.passed for report in reports) or attempt == 2
            for report in reports:
                if report.failed and not is_over:
                    report.outcome = "rerun"
                if is_over or LOGS_ALL:
                    item.ihook.pytest_runtest_logreport(report=report)
            if is_over:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
"""
FLAKY = """
    import pathlib

    def test_before(sagemaker_runtime):
        ask(sagemaker_runtime, b"before")

    def test_flaky(sagemaker_runtime, request):
        answer = ask(sagemaker_runtime)
        attempts = pathlib.Path(request.path).with_name("attempts")
        with attempts.open("a") as file:
            file.write("x")
        if len(attempts.read_text()) == 3:
            attempts.with_name("answer").write_bytes(answer)
        assert len(attempts.read_text()) >= 3

    def test_after(sagemaker_runtime):
        ask(sagemaker_runtime, b"after")
"""
PLAYS = (
    FLAKY.partition("        attempts =")[0]
    + """
        assert answer == pathlib.Path(request.path).with_name("answer").read_bytes()
"""
)


@pytest.mark.parametrize(
    ("mode", "logs_all"), [("once", False), ("new_episodes", True), ("all", True), ("rewrite", False)]
)
def test_last_attempt_is_recorded(project: Project, real: Standin, mode: str, logs_all: bool) -> None:
    """Whatever the attempts before got is not in the cassette, and a test counts once however often it ran."""
    project.pytester.makeconftest(AGAIN.replace("LOGS_ALL", str(logs_all)))
    project.write(FLAKY)
    result = project.run(f"--sagetape-record={mode}")
    assert result.ret == 0
    assert "tests: 3 live; requests: 3 live" in text_of(result)
    assert "recorded: 3 interactions" in text_of(result)
    project.write(PLAYS)
    replayed = project.run("--sagetape-strict", "-k", "before or flaky")
    assert replayed.ret == 0
    assert re.search(r"test_flaky\.tape +1 +1$", text_of(replayed), re.MULTILINE)


def test_attempt_leaves_what_was_recorded_before(project: Project, real: Standin) -> None:
    """A cassette of an earlier run loses nothing to the attempts of this one."""
    project.write("""
        def test_flaky(sagemaker_runtime):
            ask(sagemaker_runtime, b"early")
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.pytester.makeconftest(AGAIN.replace("LOGS_ALL", "False"))
    project.write(FLAKY.replace("answer = ask(", "ask(sagemaker_runtime, b'early'); answer = ask("))
    project.run("--sagetape-record=new_episodes").assert_outcomes(passed=3)
    assert [arrived.body for arrived in real.arrived].count(b"early") == 1
    project.write(PLAYS.replace("answer = ask(", "ask(sagemaker_runtime, b'early'); answer = ask("))
    assert re.search(r"test_flaky\.tape +2 +2$", text_of(project.run()), re.MULTILINE)
