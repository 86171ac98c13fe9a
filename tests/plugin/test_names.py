"""Every test has a cassette of its own: different names of tests are different names of files, on any file system."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagetape.pytest_plugin.paths import NAME_MAX, safe_name
from tests.client.standin import Standin
from tests.plugin.conftest import Project

pytest_plugins = ["pytester"]

ids = st.text(st.sampled_from("aAbBzZ01-_. []=éß/\\:") | st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(ids, min_size=2, max_size=6, unique=True))
def test_different_parameters_have_different_names(identities: list[str]) -> None:
    """Also where the file system takes capitals for small letters; and every one can be a file's name anywhere."""
    names = [safe_name(f"test_it[{identity}]") for identity in identities]
    assert len({name.casefold() for name in names}) == len(names), names
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
        assert name == name.strip("-. ")


@given(st.from_regex(r"[a-z0-9]([a-z0-9_.-]{0,10}[a-z0-9])?", fullmatch=True))
def test_ordinary_parameters_stand_in_the_name_as_they_are(identity: str) -> None:
    """Letters, digits and `-_.` between them: cassettes that are there already keep their names."""
    assert safe_name(f"test_it[{identity}]") == f"test_it-{identity}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("t[-1]", "t[1]"),
        ("t[hello]", "t[hello.]"),
        ("t[hello]", "t[hello-]"),
        ("t[hello]", "t[-hello]"),
        ("t[rechunk=a]", "t[rechunk=b]"),
        ("t[a]", "t[A]"),
        (f"t[{'a' * NAME_MAX}]", f"t[{'a' * NAME_MAX}b]"),
    ],
)
def test_names_that_once_were_one(one: str, other: str) -> None:
    """What was cut off at an edge, or taken for the plugin's own, told two tests apart."""
    assert safe_name(one).casefold() != safe_name(other).casefold()


def test_every_parameter_is_answered_from_its_own_cassette(project: Project, real: Standin) -> None:
    """Equal bodies under parameters, and under names, that differ by little: each replays what it recorded."""
    project.write("""
        import json, pathlib

        def check(client, request):
            number = json.loads(ask(client))["number"]
            noted = pathlib.Path(__file__).with_name("noted") / request.node.name.encode().hex()
            noted.parent.mkdir(exist_ok=True)
            if not noted.exists():
                noted.write_text(str(number))
            assert noted.read_text() == str(number)

        @pytest.mark.parametrize("n", [-1, 1])
        def test_number(sagemaker_runtime, request, n):
            check(sagemaker_runtime, request)

        @pytest.mark.parametrize("text", ["", "hello", "hello.", "hello-", "-hello", "Hello", "rechunk=a", "rechunk=b"])
        def test_text(sagemaker_runtime, request, text):
            check(sagemaker_runtime, request)

        def test_case(sagemaker_runtime, request):
            check(sagemaker_runtime, request)

        def test_Case(sagemaker_runtime, request):
            check(sagemaker_runtime, request)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=12)
    tapes = project.tapes()
    assert len({tape.casefold() for tape in tapes}) == 12
    assert {"cassettes/test_it/test_number-1.tape", "cassettes/test_it/test_case.tape"} < set(tapes)
    project.run().assert_outcomes(passed=12)
    assert len(real.arrived) == 12


def test_cuts_of_a_stream_share_a_cassette_and_parameters_do_not(project: Project, real: Standin) -> None:
    """The plugin's own parameter is left out of the name wherever it stands, a user's that looks like it is not."""
    project.write("""
        @pytest.mark.sagetape_rechunk("byte")
        @pytest.mark.parametrize("text", ["rechunk=byte", "-", "plain"])
        def test_cut(sagemaker_runtime, text):
            ask(sagemaker_runtime)

        @pytest.mark.parametrize("sagetape_rechunk", ["line"], indirect=True)
        def test_own(sagemaker_runtime, sagetape_rechunk):
            ask(sagemaker_runtime)
    """)
    project.run("--sagetape-record=new_episodes").assert_outcomes(passed=7)
    tapes = project.tapes()
    assert len(tapes) == 4
    assert {"cassettes/test_it/test_cut-plain.tape", "cassettes/test_it/test_own-line.tape"} < set(tapes)


def test_brackets_in_the_name_of_a_module_are_no_parameters(project: Project, real: Standin) -> None:
    """`test_a[b].py` and `test_a-b.py` keep their cassettes in folders of their own."""
    for name in ("test_a[b]", "test_a-b"):
        project.write("def test_one(sagemaker_runtime): ask(sagemaker_runtime)", name)
    project.run("--sagetape-record=once").assert_outcomes(passed=2)
    assert len(project.tapes()) == len(real.arrived) == 2
    assert "cassettes/test_a-b/test_one.tape" in project.tapes()
