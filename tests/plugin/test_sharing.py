"""Cassettes that several tests share, recorded in one run: by one process, or by two workers in parts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

INI = "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n"
FOUR = """
    @pytest.mark.parametrize("n", range(4))
    @pytest.mark.sagetape("shared")
    def test_n(sagemaker_runtime, n):
        ask(sagemaker_runtime, b'{"n": %d}' % n)
"""


@pytest.mark.parametrize("way", ["option", "variable", "ini"])
def test_whoever_says_that_it_is_recorded(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What workers recorded is in the cassettes, whether an option, the variable or the ini file gave the mode."""
    arguments = ["--sagetape-record=once"] if way == "option" else []
    if way == "variable":
        monkeypatch.setenv("SAGETAPE_RECORD", "once")
    if way == "ini":
        project.pytester.makeini(f"{INI}sagetape_record = once\n")
    project.write(FOUR.replace('@pytest.mark.sagetape("shared")', "@pytest.mark.sagetape"))
    result = project.run(*arguments)
    result.assert_outcomes(passed=4)
    assert "recorded: 4 interactions" in text_of(result)
    assert project.tapes() == [f"cassettes/test_it/test_n-{n}.tape" for n in range(4)]
    assert not (project.path / ".sagetape-parts").exists()
    project.run().assert_outcomes(passed=4)
    assert len(real.arrived) == 4


def left_behind(project: Project) -> Path:
    """What a worker records is moved to where a run that was killed has left it: a folder with a dead process's id."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return project.path / ".sagetape-parts" / str(ended.pid)


@pytest.mark.parametrize("way", ["option", "variable", "ini"])
def test_parts_of_a_killed_run_are_taken_in(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The next run that records puts them into their cassettes, whoever says that it records."""
    from sagetape.pytest_plugin.parts import part_path

    project.write(FOUR)
    project.run("--sagetape-record=new_episodes")
    cassette = project.path / "cassettes/shared.tape"
    part = part_path(left_behind(project), cassette, "gw0")
    cassette.rename(part)
    arguments = ["--sagetape-record=once"] if way == "option" else []
    if way == "variable":
        monkeypatch.setenv("SAGETAPE_RECORD", "once")
    if way == "ini":
        project.pytester.makeini(f"{INI}sagetape_record = once\n")
    project.run(*arguments).assert_outcomes(passed=4)
    assert project.tapes() == ["cassettes/shared.tape"]
    assert len(real.arrived) == 4
