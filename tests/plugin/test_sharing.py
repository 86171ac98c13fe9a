"""Cassettes that several tests share, recorded in one run: by one process, or by two workers in parts."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sagetape.shell.store import Cassette
from tests.client.standin import Answer, Arrived, Standin, as_json, frame, stream
from tests.plugin.conftest import Project, text_of
from tests.plugin.warm import Warm

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


# --- one cassette, several tests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_all_tests_of_a_cassette_are_recorded_in_one_run(project: Project, real: Standin, mode: str) -> None:
    """In every mode, and a strict run finds nothing: what this run recorded, no test had to play."""
    project.write(FOUR)
    result = project.run(f"--sagetape-record={mode}", "--sagetape-strict")
    result.assert_outcomes(passed=4)
    shown = text_of(result)
    assert result.ret == 0, shown
    assert "recorded: 4 interactions" in shown
    assert "never played" not in shown
    assert ".gw" not in shown
    assert project.tapes() == ["cassettes/shared.tape"]
    assert project.run("--sagetape-strict").ret == 0
    assert len(real.arrived) == 4


def test_all_keeps_every_call_of_every_worker(project: Project, real: Standin) -> None:
    """Also calls that are alike, and what was there before: as one process does it."""
    real.answer = lambda arrived: as_json({"same": True})
    project.write(FOUR.replace("ask(sagemaker_runtime, b'{\"n\": %d}' % n)", "ask(sagemaker_runtime)"))
    for held_before in (0, 4):
        result = project.run("--sagetape-record=all")
        result.assert_outcomes(passed=4)
        assert "recorded: 4 interactions" in text_of(result)
        assert held(project) == held_before + 4


def test_once_adds_nothing_to_a_cassette_that_was_there(project: Project, real: Standin) -> None:
    """`once` is decided when the run begins: a shared cassette from before is only played, by every test."""
    project.write(FOUR.replace("range(4)", "range(2)"))
    project.run("--sagetape-record=once").assert_outcomes(passed=2)
    project.write(FOUR)
    project.run("--sagetape-record=once").assert_outcomes(passed=2, failed=2)
    assert len(real.arrived) == 2


def test_local_upstream_is_kept_for_every_test_of_a_cassette(project: Project) -> None:
    """What is on this machine would answer anyway: its answers are recorded all the same."""
    project.write(FOUR.replace('"shared"', '"shared", upstream="function:user_models:echo"'))
    project.run("--sagetape-record=once").assert_outcomes(passed=4)
    result = project.run()
    result.assert_outcomes(passed=4)
    assert "tests: 4 hit; requests: 4 recorded" in text_of(result)


def test_new_takes_are_no_unplayed_ones_and_old_ones_are(project: Project, real: Standin) -> None:
    """A recording run warns of what it found unplayed in the cassette, and not of what it added."""
    project.write(FOUR.replace("range(4)", "range(2)"))
    project.run("--sagetape-record=once")
    project.write(FOUR.replace("range(4)", "range(1, 4)"))
    result = project.run("--sagetape-record=new_episodes", "--sagetape-strict")
    result.assert_outcomes(passed=3)
    assert "FAILED: cassettes/shared.tape: 1 of 2 interactions were never played" in text_of(result)


def test_warnings_of_a_recording_name_the_cassette(project: Project, real: Standin) -> None:
    """The wrong-answer guard's findings do not name the file in which a worker keeps its part."""
    project.write("""
        @pytest.mark.sagetape("shared", match={"ignore_paths": ["$.n"]})
        @pytest.mark.sagetape(exhausted="last")
        def test_takes(sagemaker_runtime):
            for n in range(2):
                ask(sagemaker_runtime, b'{"n": %d}' % n)

        @pytest.mark.sagetape("shared", match={"ignore_paths": ["$.n"]})
        def test_plays(sagemaker_runtime):
            ask(sagemaker_runtime, b'{"n": 2}')
    """)
    shown = text_of(project.run("--sagetape-record=once", "--dist=loadfile")).partition("sagetape ===")[2]
    assert "warning: test_it.py::test_plays: " in shown
    assert ".gw" not in shown
    assert "in shared.tape" in shown


TWICE = """
    @pytest.mark.sagetape("shared")
    def test_a(sagemaker_runtime):
        ask(sagemaker_runtime)

    @pytest.mark.sagetape("shared")
    def test_b(sagemaker_runtime):
        ask(sagemaker_runtime)
"""


def meet(real: Standin, project: Project) -> None:
    """Under xdist the service answers when both tests have asked: each of the two workers has one then."""
    if not project.is_xdist:
        return
    both, answer = threading.Barrier(2), real.answer

    def wait(arrived: Arrived) -> Answer:
        found = answer(arrived)
        both.wait(20)
        return found

    real.answer = wait


@pytest.mark.parametrize("mode", ["once", "new_episodes", "rewrite"])
def test_equal_answers_of_two_workers_are_one_take(project: Project, real: Standin, mode: str) -> None:
    """Two tests ask the same on two workers and get the same: a strict replay has nothing left over."""
    real.answer = lambda arrived: as_json({"same": True})
    meet(real, project)
    project.write(TWICE)
    result = project.run(f"--sagetape-record={mode}", "--sagetape-strict")
    result.assert_outcomes(passed=2)
    assert result.ret == 0, text_of(result)
    assert "recorded: 1 interaction" in text_of(result)
    assert held(project) == 1
    result = project.run("--sagetape-strict")
    result.assert_outcomes(passed=2)
    assert result.ret == 0, text_of(result)


def held(project: Project) -> int:
    """Interactions of the shared cassette."""
    with Cassette.open(project.path / "cassettes/shared.tape") as cassette:
        return len(cassette)


def test_different_answers_of_two_workers_are_both_kept(pytester: pytest.Pytester, real: Standin, warm: Warm) -> None:
    """Which of them is right nobody can tell, so that the summary says it."""
    project = Project(pytester, warm=lambda: warm, is_xdist=True)
    numbers = itertools.count(1)
    real.answer = lambda arrived: as_json({"number": next(numbers)})
    meet(real, project)
    project.write(TWICE)
    result = project.run("--sagetape-record=once")
    result.assert_outcomes(passed=2)
    assert held(project) == 2
    assert "note: cassettes/shared.tape: 1 request got different answers on different workers" in text_of(result)


def test_cuts_of_a_stream_on_two_workers_are_one_take(project: Project, real: Standin) -> None:
    """Every cut of a stream asks the same; recorded anywhere it is one take, and a strict replay is clean."""
    real.answer = lambda arrived: stream([frame(b"a\n"), frame(b"b\n")])
    project.write("""
        @pytest.mark.sagetape_rechunk
        def test_cut(sagemaker_runtime):
            answer = sagemaker_runtime.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")
            assert b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"]) == b"a\\nb\\n"
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=5)
    with Cassette.open(project.path / "cassettes/test_it/test_cut.tape") as cassette:
        assert len(cassette) == 1
    assert project.run("--sagetape-strict").ret == 0


def test_takes_of_one_test_are_never_one(project: Project, real: Standin) -> None:
    """A test that asks the same twice needs both answers, although they are equal."""
    real.answer = lambda arrived: as_json({"same": True})
    project.write("""
        @pytest.mark.sagetape("shared")
        def test_a(sagemaker_runtime):
            ask(sagemaker_runtime)
            ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    assert held(project) == 2
    project.run().assert_outcomes(passed=1)


# --- rewrite ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["once", "new_episodes", "rewrite"])
def test_parts_of_a_failed_rewrite_reach_no_cassette(project: Project, real: Standin, mode: str) -> None:
    """The next recording run throws them away and says so; the cassette is as if the rewrite had never been."""
    project.write(FOUR)
    project.run("--sagetape-record=once").assert_outcomes(passed=4)
    before = (project.path / "cassettes/shared.tape").read_bytes()
    project.write(FOUR + "        assert n\n")
    failed = project.run("--sagetape-record=rewrite")
    failed.assert_outcomes(passed=3, failed=1)
    assert "until the next recording run, which throws it away" in text_of(failed)
    assert (project.path / "cassettes/shared.tape").read_bytes() == before
    project.write(FOUR)
    result = project.run(f"--sagetape-record={mode}")
    result.assert_outcomes(passed=4)
    told = "a rewrite did not pass, so 4 interactions that it had recorded are in no cassette and were thrown away"
    assert told in text_of(result)
    assert not (project.path / ".sagetape-parts").exists()
    assert held(project) == 4
    if mode != "rewrite":
        assert (project.path / "cassettes/shared.tape").read_bytes() == before
        assert len(real.arrived) == 8


def test_rewrite_of_one_test_says_what_the_others_lose(project: Project, real: Standin) -> None:
    """A shared cassette that is rewritten for one of its tests: the summary counts what is gone."""
    project.write(FOUR)
    whole = project.run("--sagetape-record=rewrite")
    assert "did not come again" not in text_of(whole)
    assert "did not come again" not in text_of(project.run("--sagetape-record=rewrite"))
    result = project.run("--sagetape-record=rewrite", "test_it.py::test_n[2]")
    result.assert_outcomes(passed=1)
    told = "note: cassettes/shared.tape: 3 interactions of the old recording did not come again and are gone"
    assert told in text_of(result)
    assert held(project) == 1


def test_rewrite_that_passed_and_could_not_be_merged_is_taken_in(project: Project, real: Standin) -> None:
    """Something was in the way of the cassette: its parts last, and the next recording run replaces the cassette."""
    project.write(FOUR)
    cassette = project.path / "cassettes/shared.tape"
    cassette.mkdir(parents=True)
    failed = project.run("--sagetape-record=rewrite")
    failed.assert_outcomes(passed=4)
    assert failed.ret == pytest.ExitCode.TESTS_FAILED
    assert "and the next recording run takes them in" in text_of(failed)
    cassette.rmdir()
    project.write("def test_other(sagetape): pass")
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    assert held(project) == 4
    assert not (project.path / ".sagetape-parts").exists()
    project.write(FOUR)
    project.run().assert_outcomes(passed=4)
    assert len(real.arrived) == 4


@pytest.mark.alone
def test_playing_run_leaves_parts_alone(project: Project, real: Standin) -> None:
    """A run that records nothing merges nothing, also where it has the process id of a rewrite that did not pass."""
    project.write(FOUR)
    project.run("--sagetape-record=once").assert_outcomes(passed=4)
    before = (project.path / "cassettes/shared.tape").read_bytes()
    project.write(FOUR + "        assert n\n")
    project.run("--sagetape-record=rewrite").assert_outcomes(passed=3, failed=1)
    project.write(FOUR)
    project.run().assert_outcomes(passed=4)
    assert (project.path / "cassettes/shared.tape").read_bytes() == before
    assert "were thrown away" in text_of(project.run("--sagetape-record=once"))


@pytest.mark.alone
@pytest.mark.parametrize("stop", ["pytest.exit('stop')", "request.session.shouldstop = 'enough'"])
def test_rewrite_that_is_stopped_replaces_nothing(project: Project, real: Standin, stop: str) -> None:
    """What had passed until then is not every test: the old cassette stays whole."""
    project.write(FOUR)
    project.run("--sagetape-record=once").assert_outcomes(passed=4)
    before = (project.path / "cassettes/shared.tape").read_bytes()
    project.write(FOUR.replace("time, n)", "time, n, request)") + f"        if n == 1: {stop}\n")
    assert "no cassette was replaced" in text_of(project.run("--sagetape-record=rewrite"))
    assert (project.path / "cassettes/shared.tape").read_bytes() == before


@pytest.mark.alone
def test_sessions_of_two_workers_are_two(project: Project) -> None:
    """Decks with one seed give their sessions one id: the merged cassette holds two sessions, and each test its own."""
    project.write("""
        import os, json

        MODEL = {"churn": {"upstream": "function:talker:talk", "sessions": True}}

        @pytest.mark.parametrize("n", range(2))
        @pytest.mark.sagetape("talks", seed=7, endpoints=MODEL)
        def test_n(sagetape, sagemaker_runtime, n):
            opened = sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{}", SessionId="NEW_SESSION")
            session = opened["NewSessionId"].partition(";")[0]
            first = json.loads(ask(sagemaker_runtime, b"first %d" % n, SessionId=session))
            assert json.loads(ask(sagemaker_runtime, b"last", SessionId=session)) == first
            sagetape.advance(5000)
    """)
    model = "import os\n\ndef talk(invocation):\n    return {'by': os.environ['PYTEST_XDIST_WORKER']}\n"
    project.pytester.makepyfile(talker=model)
    result = project.run_apart("-n2", "--sagetape-record=once")
    result.assert_outcomes(passed=2)
    path = project.path / "test_it.py"
    path.write_text(path.read_text().replace(", endpoints=MODEL", ""))
    project.run("--sagetape-strict").assert_outcomes(passed=2)
