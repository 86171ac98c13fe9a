"""Each test's cassette has a name of its own: no two tests are given one file, on any file system."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagetape.pytest_plugin.paths import safe_name
from tests.client.standin import Standin, frame, stream
from tests.plugin.conftest import Project

pytest_plugins = ["pytester"]

GROUPS = {
    "numbers": [-1, 1],
    "edges": ["hello", "hello.", "hello-", "-hello", "-", ".", "", "HELLO", "Hello", "heLlo "],
    "cuts": ["rechunk=a", "rechunk=b", "a", "rechunk=a-b", "rechunk=byte"],
}
IDS = st.text(st.sampled_from("aAbB0-._ /[]=é\u0130"), max_size=6)


@given(st.lists(IDS, min_size=2, max_size=8, unique=True))
def test_distinct_ids_have_distinct_names(ids: list[str]) -> None:
    """Also on a file system to which capitals and small letters are the same."""
    names = {safe_name(f"test_a[{one}]").casefold() for one in ids}
    assert len(names) == len(ids)


@pytest.mark.parametrize("group", GROUPS)
def test_parameters_do_not_share_a_cassette(project: Project, real: Standin, group: str) -> None:
    """Equal requests of tests that differ in a parameter alone: each replays its own answer."""
    project.write(f"""
        SEEN = {GROUPS[group]!r}

        @pytest.mark.parametrize("which", SEEN)
        def test_one(sagemaker_runtime, which):
            assert ask(sagemaker_runtime) == b'{{"number": %d}}' % (SEEN.index(which) + 1)
    """)
    count = len(GROUPS[group])
    project.run("--sagetape-record=once").assert_outcomes(passed=count)
    assert len(real.arrived) == count
    assert len({tape.casefold() for tape in project.tapes()}) == count
    project.run().assert_outcomes(passed=count)


def test_users_own_word_rechunk_is_kept_apart_from_the_plugins_cut(project: Project, real: Standin) -> None:
    """All cuts of a test share its cassette; a parameter that is called like a cut does not."""
    real.answer = lambda arrived: stream([frame(b'{"number": %d}' % len(real.arrived))])
    project.write("""
        def parts(client):
            answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")
            return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])

        NAMES = ["rechunk=byte", "rechunk=line", "x"]

        @pytest.mark.sagetape_rechunk("byte", "line", "byte")
        @pytest.mark.parametrize("name", NAMES)
        def test_cut(sagemaker_runtime, name):
            assert parts(sagemaker_runtime) == b'{"number": %d}' % (NAMES.index(name) + 1)
    """)
    project.run("--sagetape-record=once", "-k", "recorded").assert_outcomes(passed=3, deselected=6)
    assert len(project.tapes()) == 3
    project.run().assert_outcomes(passed=9)
    assert len(real.arrived) == 3


def test_tests_that_differ_in_capitals_alone_have_two_cassettes(project: Project, real: Standin) -> None:
    """A function or class that stands beside one of the same letters is told from it; no other is renamed."""
    project.write("""
        def test_json(sagemaker_runtime): ask(sagemaker_runtime)
        def test_JSON(sagemaker_runtime): ask(sagemaker_runtime)
        def test_XML(sagemaker_runtime): ask(sagemaker_runtime)
        class TestA:
            def test_in(self, sagemaker_runtime): ask(sagemaker_runtime)
        class Testa:
            def test_in(self, sagemaker_runtime): ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=5)
    tapes = project.tapes()
    assert len({tape.casefold() for tape in tapes}) == 5
    assert {"cassettes/test_it/test_json.tape", "cassettes/test_it/test_XML.tape"} < set(tapes)
    project.run().assert_outcomes(passed=5)
    assert len(real.arrived) == 5


ORDINARY = {
    "test_a": "test_a",
    "TestTalk.test_a": "TestTalk.test_a",
    "test_a[x]": "test_a-x",
    "test_a[1-two_3.5]": "test_a-1-two_3.5",
    "test_a[X]": "test_a-X-bc5b1402",
    "test_a[a b]": "test_a-a-b-e706614a",
    "con": "con-d1d8ab24",
}


@pytest.mark.parametrize("name", ORDINARY)
def test_names_stay_as_they_were(name: str) -> None:
    """Recordings that were made under a name are found under it."""
    assert safe_name(name) == ORDINARY[name]
