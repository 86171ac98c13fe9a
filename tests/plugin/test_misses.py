"""Misses that no exception shows: those of fixtures, of skipped tests, and of tests that are expected to fail."""

from __future__ import annotations

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

SWALLOWING = """
    def swallow(client):
        try:
            ask(client)
        except ClientError:
            pass
"""
AGAIN = "1 request had no recorded answer, and no test failed for that"


@pytest.mark.parametrize("end", ["swallow(sagemaker_runtime)", "swallow(sagetape.client())"])
def test_miss_of_a_fixture_that_ends_fails_the_test(project: Project, end: str) -> None:
    """What a fixture misses while it is torn down is told as what the test misses, inside the process and over HTTP."""
    project.write(f"""
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        @pytest.fixture
        def ends(sagetape, sagemaker_runtime):
            yield
            {end}

        def test_passes(ends):
            pass
    """)
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    assert "1 request of test_it.py::test_passes had no recorded answer" in text_of(result)
    assert AGAIN not in text_of(result)


def test_miss_of_a_thread_fails_the_test(project: Project) -> None:
    """A thread that asks when the test's body has ended, and is awaited while its fixtures end, is heard too."""
    project.write(f"""
        import threading
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        @pytest.fixture
        def thread(sagemaker_runtime):
            goes = threading.Event()
            asks = threading.Thread(target=lambda: goes.wait() and swallow(sagemaker_runtime))
            asks.start()
            yield
            goes.set()
            asks.join()

        def test_passes(thread):
            pass
    """)
    project.run().assert_outcomes(passed=1, errors=1)


def test_miss_before_a_skip_fails_the_test(project: Project) -> None:
    """A test that skips because its service did not answer is no skipped test; one that may miss is."""
    project.write(f"""
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        def test_skips(sagemaker_runtime):
            swallow(sagemaker_runtime)
            pytest.skip("no service")

        @pytest.mark.sagetape(allow_misses=True)
        def test_may(sagemaker_runtime):
            swallow(sagemaker_runtime)
            pytest.skip("no service")
    """)
    result = project.run("--sagetape-strict")
    result.assert_outcomes(skipped=2, errors=1)
    assert "1 request of test_it.py::test_skips had no recorded answer" in text_of(result)
    assert AGAIN not in text_of(result)


def test_miss_is_told_once(project: Project) -> None:
    """A test that fails for its miss, or for another reason after one, has no second error when it ends."""
    project.write(f"""
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        def test_raises(sagemaker_runtime):
            ask(sagemaker_runtime)

        def test_swallows(sagemaker_runtime):
            swallow(sagemaker_runtime)

        def test_fails(sagemaker_runtime):
            swallow(sagemaker_runtime)
            assert False

        def test_asserts(sagetape, sagemaker_runtime):
            swallow(sagemaker_runtime)
            sagetape.assert_no_misses()
    """)
    result = project.run("--sagetape-strict")
    result.assert_outcomes(failed=4)
    assert AGAIN not in text_of(result)


@pytest.mark.parametrize("body", ["ask(sagemaker_runtime)", "swallow(sagemaker_runtime)"])
def test_miss_that_was_expected_to_fail_is_a_finding(project: Project, body: str) -> None:
    """A miss alone satisfies no `xfail`: the run tells it, and a strict run fails."""
    project.write(f"""
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        @pytest.mark.xfail(strict=True)
        def test_expected(sagemaker_runtime):
            {body}

        @pytest.mark.xfail(strict=True)
        def test_other(sagemaker_runtime):
            assert False
    """)
    result = project.run()
    result.assert_outcomes(xfailed=2)
    assert f"warning: test_it.py::test_expected: {AGAIN}" in text_of(result)
    strict = project.run("--sagetape-strict")
    assert strict.ret == 1
    assert "1 finding fails this run" in text_of(strict)


def test_miss_when_no_test_uses_a_shared_deck_is_a_finding(project: Project) -> None:
    """A module's fixture that misses while the module ends belongs to no test; the run tells it."""
    project.write(f"""
        {SWALLOWING.replace(chr(10), chr(10) + "    ")}
        pytestmark = pytest.mark.sagetape(scope="module")

        @pytest.fixture(scope="module")
        def client():
            client = boto3.client("sagemaker-runtime")
            yield client
            swallow(client)

        def test_passes(client):
            pass
    """)
    result = project.run("--dist=loadfile", "--sagetape-strict")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    assert f"test_it.py (last used by test_it.py::test_passes): {AGAIN}" in text_of(result)


FLOOD = """
    @pytest.fixture(scope="module", autouse=True)
    def short():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sagetape.core.journal.ENTRIES_MAX", 100)
            yield

    @pytest.mark.sagetape(exhausted="last")
    def test_asks(sagemaker_runtime):
        for body in BODIES:
            try:
                ask(sagemaker_runtime, body)
            except ClientError:
                pass
"""


def test_miss_outlasts_a_journal_full_of_answers(project: Project, real: Standin) -> None:
    """A miss that was swallowed fails its test, however many answers came after it."""
    project.write(FLOOD.replace("BODIES", "[b'known']"))
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.write(FLOOD.replace("BODIES", "[b'new'] + [b'known'] * 100"))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "1 request of test_it.py::test_asks had no recorded answer" in text_of(result)


def test_refusal_of_an_earlier_test_is_not_this_ones(project: Project) -> None:
    """Tests that share a deck answer for their own calls: `assert_no_misses` looks no further back than the test."""
    project.write("""
        pytestmark = pytest.mark.sagetape(scope="module", upstream="function:user_models:echo")

        def test_wrong(sagetape):
            with pytest.raises(ClientError):
                ask(sagetape.client(aws_secret_access_key="wrong"))
            with pytest.raises(pytest.fail.Exception):
                sagetape.assert_no_misses()

        def test_right(sagetape, sagemaker_runtime):
            ask(sagemaker_runtime)
            sagetape.assert_no_misses()
    """)
    project.run("--dist=loadfile").assert_outcomes(passed=2)
