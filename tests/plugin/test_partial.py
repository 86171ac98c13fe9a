"""Runs of some of the tests: what the others would have used is no finding."""

from __future__ import annotations

import pytest

from tests.client.standin import Answer, Standin, as_json
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

SHARED = """
    @pytest.mark.parametrize("number", range(1, 5))
    @pytest.mark.sagetape(MARK)
    def test_asks(sagemaker_runtime, number):
        ask(sagemaker_runtime, b"%d" % number)
"""
OWN = """
    def test_own(sagemaker_runtime):
        ask(sagemaker_runtime, b"1")
        ask(sagemaker_runtime, b"2")
"""
UNPLAYED = "interactions were never played"


@pytest.fixture
def recorded(project: Project, real: Standin) -> Project:
    """A project of two modules, whose cassettes are recorded."""
    project.write(OWN, "test_other")
    return project


def record(project: Project, mark: str, *, passed: int = 5) -> None:
    """Records the module of tests that share a cassette, each on a deck of its own or on one for all."""
    project.write(SHARED.replace("MARK", mark))
    project.run("--sagetape-record=new_episodes", "--dist=loadfile").assert_outcomes(passed=passed)


@pytest.mark.parametrize("mark", ["'churn'", "scope='module'"])
@pytest.mark.parametrize(
    "chosen", [("-k", "asks and 2"), ("test_it.py::test_asks[2]",), ("--deselect=test_it.py::test_asks[1]",)]
)
def test_choice_leaves_shared_cassettes_unjudged(recorded: Project, mark: str, chosen: tuple[str, ...]) -> None:
    """With -k, --deselect or the id of a test the others' interactions, and the others' files, are no finding."""
    record(recorded, mark)
    result = recorded.run("--dist=loadfile", "--sagetape-strict", *chosen)
    assert (result.ret, UNPLAYED in text_of(result)) == (0, False)


@pytest.mark.parametrize("mark", ["'churn'", "scope='module'"])
def test_whole_run_judges_shared_cassettes(recorded: Project, mark: str) -> None:
    """The same cassette is judged when all that may play it have run: the module's own when its module has."""
    record(recorded, mark)
    recorded.write(SHARED.replace("MARK", mark).replace("range(1, 5)", "[2]"))
    assert f"3 of 4 {UNPLAYED}" in text_of(recorded.run("--dist=loadfile"))
    alone = recorded.run("--dist=loadfile", "test_it.py")
    assert (f"3 of 4 {UNPLAYED}" in text_of(alone)) == (mark == "scope='module'")


def test_choice_leaves_a_tests_own_cassette_judged(recorded: Project) -> None:
    """What a test that ran left of its own cassette is a finding, whatever else ran."""
    record(recorded, "'churn'")
    recorded.write(OWN.rpartition("    ask")[0], "test_other")
    result = recorded.run("--sagetape-strict", "test_other.py::test_own")
    assert result.ret == 1
    assert f"test_own.tape: 1 of 2 {UNPLAYED}" in text_of(result)


def test_conftest_that_deselects_is_heard(recorded: Project) -> None:
    """Deselection by a hook, which under xdist happens in the workers alone, counts as a choice."""
    record(recorded, "'churn'")
    recorded.pytester.makeconftest("""
        def pytest_collection_modifyitems(config, items):
            left = [item for item in items if "[2]" not in item.name]
            items[:] = [item for item in items if item not in left]
            config.hook.pytest_deselected(items=left)
    """)
    result = recorded.run("--sagetape-strict")
    result.assert_outcomes(passed=1, deselected=0 if recorded.is_xdist else 4)
    assert result.ret == 0


def skip_module(project: Project) -> None:
    project.write('pytest.importorskip("no_such_module")\n' + SHARED.replace("MARK", "").replace("\n    ", "\n"))


def ignore_module(project: Project) -> None:
    project.pytester.makeconftest("collect_ignore = ['test_it.py']")


@pytest.mark.parametrize("leave_out", [skip_module, ignore_module])
def test_files_of_modules_that_did_not_run_are_no_findings(recorded: Project, leave_out: object) -> None:
    """A module that is skipped as it is imported, or ignored by a conftest, would have used its cassettes."""
    record(recorded, "")
    assert callable(leave_out)
    leave_out(recorded)
    result = recorded.run("--sagetape-strict")
    assert (result.ret, "no test uses it" in text_of(result)) == (0, False)


def test_skipped_test_leaves_a_shared_cassette_unjudged(recorded: Project) -> None:
    """A test that skips would have played its part; one that is expected to fail has played it."""
    record(recorded, "scope='module'")
    for body, is_judged in (("pytest.skip('no')", False), ("pytest.xfail('no')", True)):
        shared = SHARED.replace("MARK", "scope='module'")
        recorded.write(shared.replace("        ask(", f"        if number == 3: {body}\n        ask("))
        assert (f"1 of 4 {UNPLAYED}" in text_of(recorded.run("--dist=loadfile"))) == is_judged


def test_files_that_nobody_could_have_collected_hide_nothing(recorded: Project) -> None:
    """What pytest never enters (a virtual environment, a hidden folder) and a script that is ignored hold no tests."""
    record(recorded, "'churn'")
    recorded.pytester.makeconftest("collect_ignore = ['setup.py']")
    recorded.pytester.makepyfile(setup="")
    for name in (".hidden", "environment"):
        recorded.pytester.mkdir(name)
    (recorded.path / "environment" / "pyvenv.cfg").touch()
    (recorded.path / "test_it.py").unlink()
    assert "cassettes/churn.tape: no test uses it" in text_of(recorded.run())


def test_run_in_a_subfolder_leaves_the_sessions_cassette_unjudged(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pytest is started below its root folder, the tests beside that folder did not run."""
    for name in ("one", "two"):
        folder = project.pytester.mkdir(name)
        (folder / f"test_{name}.py").write_text(
            "import pytest\nfrom user_models import ask\n\n@pytest.mark.sagetape(scope='session')\n"
            f"def test_asks(sagemaker_runtime):\n    ask(sagemaker_runtime, b'{name}')\n"
        )
    project.run("--sagetape-record=once", *(("-n1",) if project.is_xdist else ())).assert_outcomes(passed=2)
    monkeypatch.chdir(project.path / "one")
    assert project.pytester.runpytest_inprocess("--sagetape-strict").ret == 0


TALKS = """
    @pytest.mark.parametrize("number", range(2))
    @pytest.mark.sagetape("talks")
    def test_talks(sagetape, sagemaker_runtime, number):
        opened = sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"%d" % number, SessionId="NEW_SESSION")
        for step in range(STEPS):
            ask(sagemaker_runtime, b"%d" % step, SessionId=opened["NewSessionId"].partition(";")[0])
        sagetape.advance(5000)
"""


def test_sessions_of_other_tests_are_no_findings(project: Project, real: Standin) -> None:
    """Tests that share a cassette each play a session of it: what one leaves to the others is visited, or did not run;
    steps that all of them leave are told."""
    numbers = iter(range(1, 10))
    real.answer = lambda arrived: (
        Answer(200, {"X-Amzn-SageMaker-New-Session-Id": f"id-{next(numbers)}; Expires=2099-11-14T22:33:20Z"}, b"hello")
        if arrived.headers.get("x-amzn-sagemaker-session-id") == "NEW_SESSION"
        else as_json({"ok": True})
    )
    project.write(TALKS.replace("STEPS", "2"))
    project.run("--sagetape-record=once").assert_outcomes(passed=2)
    assert project.run("--sagetape-strict").ret == 0
    assert project.run("--sagetape-strict", "-k", "talks and 1").ret == 0
    project.write(TALKS.replace("STEPS", "1"))
    told = text_of(project.run())
    assert ("steps 2 of session id-1" in told, "steps 2 of session id-2" in told) == (True, True)


def test_cassette_of_two_folders_is_judged_when_both_ran(project: Project, real: Standin) -> None:
    """A cassette that is named from elsewhere may be played by tests of any folder up to its own."""
    for name in ("one", "two"):
        folder = project.pytester.mkdir(name)
        (folder / f"test_{name}.py").write_text(
            "import pytest\nfrom user_models import ask\n\n@pytest.mark.sagetape('../../cassettes/common')\n"
            f"def test_asks(sagemaker_runtime):\n    ask(sagemaker_runtime, b'{name}')\n"
        )
    project.run("--sagetape-record=once").assert_outcomes(passed=2)
    assert project.run("--sagetape-strict", "one").ret == 0
    (project.path / "two" / "test_two.py").unlink()
    assert f"1 of 2 {UNPLAYED}" in text_of(project.run())
