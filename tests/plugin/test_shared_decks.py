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
    project.run("--sagetape-record=once", "--dist=loadfile").assert_outcomes(passed=1)
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


@pytest.mark.alone
def test_session_shares_one_deck_and_cassette(project: Project, real: Standin) -> None:
    """Tests of two modules go on with one recording, which stands beside the configuration of the run."""
    for name, number in (("test_one", 1), ("test_two", 2)):
        project.write(
            f"""
            @pytest.mark.sagetape(scope="session")
            def test_asks(sagetape, sagemaker_runtime):
                assert ask(sagemaker_runtime) == b'{{"number": {number}}}'
                assert len(sagetape.journal) == {number}
            """,
            name,
        )
    project.run("--sagetape-record=once").assert_outcomes(passed=2)
    assert project.tapes() == ["cassettes/session.tape"]
    for workers in ((), ("-n1",)):
        result = project.run(*workers, "--sagetape-report=v.json")
        result.assert_outcomes(passed=2)
        assert "tests: 2 on 1 deck: 1 hit; requests: 2 recorded" in text_of(result)
        assert found_in(project, "v.json") == {"the session (last used by test_two.py::test_asks)": {"recorded": 2}}
    (project.path / "test_two.py").unlink()
    assert "session.tape: 1 of 2 interactions were never played" in text_of(project.run())
    assert "never played" not in text_of(project.run("test_one.py"))


COUNTED = """
    pytestmark = pytest.mark.sagetape(scope="SCOPE", upstream="function:user_models:count")

    class TestCounted:
        @pytest.mark.parametrize("number", range(1, 5))
        def test_counts(self, sagetape, sagemaker_runtime, number):
            ask(sagemaker_runtime)
            assert len(sagetape.journal) == number
"""


@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_scope_that_workers_would_tear_apart_is_refused(project: Project, scope: str) -> None:
    """With workers that each take a part of the tests, a shared deck would play from its beginning in each of them."""
    project.write(COUNTED.replace("SCOPE", scope))
    result = project.run()
    if not project.is_xdist:
        result.assert_outcomes(passed=4)
        return
    result.assert_outcomes(errors=4)
    assert "test_it.py::TestCounted::test_counts[1]: scope=" in text_of(result)
    remedies = {"class": "--dist loadfile or --dist loadscope.", "module": "--dist loadfile.", "session": "(-n1)"}
    assert remedies[scope] in text_of(result)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("scope", "arguments"),
    [
        ("class", ("-n2", "--dist=loadscope")),
        ("class", ("-n2", "--dist=loadfile")),
        ("module", ("-n2", "--dist=loadfile")),
        ("module", ("-n1",)),
        ("session", ("-n1",)),
        ("session", ("-n1", "--dist=worksteal")),
    ],
)
def test_scope_that_stays_in_one_worker_is_shared(project: Project, scope: str, arguments: tuple[str, ...]) -> None:
    """Where one worker has all tests of the scope they share the deck, as without workers."""
    project.write(COUNTED.replace("SCOPE", scope))
    project.run(*arguments).assert_outcomes(passed=4)


@pytest.mark.alone
@pytest.mark.parametrize(
    ("dist", "mark"), [("loadscope", "skipif(False, reason='')"), ("loadgroup", "xdist_group('a')")]
)
def test_ways_of_distribution_keep_some_tests_together(project: Project, dist: str, mark: str) -> None:
    """`loadscope` parts a module's classes from its functions; `loadgroup` keeps nothing but groups."""
    project.write(f"""
        pytestmark = pytest.mark.sagetape(scope="module", upstream="{ECHO}")

        @pytest.mark.{mark}
        def test_together(sagetape):
            pass

        class TestApart:
            def test_apart(self, sagetape):
                pass
    """)
    result = project.run("-n2", f"--dist={dist}")
    result.assert_outcomes(passed=1, errors=1)
    assert f'test_it.py::TestApart::test_apart: scope="module" shares one deck, but the 2 workers of --dist {dist}' in (
        text_of(result)
    )


@pytest.mark.alone
def test_groups_of_xdist_do_not_share_a_deck(project: Project) -> None:
    """Tests of one module in two groups run in two workers: each would play from the beginning."""
    project.write(f"""
        pytestmark = pytest.mark.sagetape(scope="module", upstream="{ECHO}")

        @pytest.mark.xdist_group("a")
        def test_one(sagetape):
            pass

        @pytest.mark.xdist_group("b")
        def test_other(sagetape):
            pass
    """)
    result = project.run("-n2", "--dist=loadgroup")
    result.assert_outcomes(errors=2)
    assert 'scope="module" shares one deck, but the 2 workers of --dist loadgroup' in text_of(result)


def test_two_decks_that_record_one_cassette_at_once_are_told_apart(project: Project, real: Standin) -> None:
    """Two markers of one module that differ are two decks: the second is refused with the test that has the first."""
    project.write("""
        pytestmark = pytest.mark.sagetape(scope="module")

        def test_a(sagemaker_runtime):
            ask(sagemaker_runtime)

        @pytest.mark.sagetape(scope="module", allow_unused=True)
        def test_b(sagemaker_runtime):
            ask(sagemaker_runtime)

        def test_c(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    result = project.run("--sagetape-record=once", "--dist=loadfile")
    result.assert_outcomes(passed=2, errors=1)
    told = (
        "test_b: cassettes/test_it.tape is being recorded for test_it.py::test_a, whose deck is shared and still open"
    )
    assert told in text_of(result)
    assert "Give these tests the same marker" in text_of(result)
    assert len(real.arrived) == 2
