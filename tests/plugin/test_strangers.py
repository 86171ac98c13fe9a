"""What a stranger wrote wrong, or met in a set-up of their own: nothing of it may pass for a right answer."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import sagetape
from sagetape import Emulator
from sagetape.core.errors import ConfigError, SagetapeError
from sagetape.inprocess.clients import make_client
from sagetape.shell.aws_files import read_aws_files

from .conftest import Project, outcomes_of, text_of

pytest_plugins = ["pytester"]

ECHO = 'upstream="function:user_models:echo"'
UPSTREAM = "function:tests.plugin.stand_models:echo"

MADE: dict[str, Callable[..., Any]] = {
    "thread": partial(Emulator, server="thread"),
    "process": partial(Emulator, server="process"),
    "attach": lambda **settings: sagetape.attach(make_client(region_name="us-east-1"), **settings),
}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "exhausted": ({"exhausted": "lst"}, "exhausted must be one of last, cycle, miss, not 'lst'; did you mean 'last'"),
    "mode": ({"mode": "onc"}, "did you mean 'once'"),
    "clock": ({"clock": "virtal"}, "did you mean 'virtual'"),
    "clock_number": ({"clock": 5}, "clock must be real, virtual or an ISO time"),
    "auth": ({"auth": "strct"}, "did you mean 'strict'"),
    "miss_policy": ({"miss_policy": "fial"}, "did you mean 'fail'"),
    "seed_text": ({"seed": "7"}, "seed must be a whole number"),
    "seed_part": ({"seed": 1.5}, "seed must be a whole number"),
    "seed_negative": ({"seed": -1}, "seed must be a whole number"),
    "speed": ({"speed": -1}, "speed must be a number from 0"),
    "speed_nan": ({"speed": float("nan")}, "speed must be a number from 0"),
    "match": ({"match": "body"}, "match must be a dict"),
    "endpoints": ({"endpoints": ["churn"]}, "endpoints must be a dict"),
    "upstream": ({"upstream": 7}, "upstream must be an upstream"),
    "function": ({"upstream": text_of}, "write 'function:tests.plugin.conftest:text_of'"),
    "fault": ({"faults": "throtle"}, "fault 'throtle': there is no fault 'throtle'. Did you mean 'throttle'?"),
    "fault_number": ({"faults": 7}, "7 is no fault"),
}


@pytest.mark.parametrize(("settings", "told"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("server", MADE)
def test_wrong_value_is_refused_wherever_it_is_given(settings: dict[str, Any], told: str, server: str) -> None:
    """No keyword is taken for another one's meaning: each is refused before anything runs, with the nearest word."""
    with pytest.raises(ConfigError, match=re.escape(told)):
        MADE[server](**settings)


@pytest.mark.parametrize("given", [7, None, ""])
def test_what_is_no_cassette_is_refused(given: Any) -> None:
    """A cassette is a path."""
    with pytest.raises(ConfigError, match="is no cassette"):
        Emulator(given)


MARKERS = {
    'exhausted="lst"': "exhausted must be one of last, cycle, miss, not 'lst'; did you mean 'last'",
    'allow_misses="no"': "allow_misses='no' of the marker sagetape: it is neither True nor False",
    'allow_unused="no"': "allow_unused='no' of the marker sagetape: it is neither True nor False",
    'clock="virtal"': "did you mean 'virtual'",
    "upstream=user_models.echo": "write 'function:user_models:echo'",
    "speed=-1": "speed must be a number",
    "rechunk=7": "rechunk=7 of the marker sagetape",
    'scope="modul"': "did you mean 'module'",
    'server="proces"': "did you mean 'process'",
    'allow_hosts=["https://a.example"]': "'https://a.example' is no host",
    'faults=["throtle"]': "fault 'throtle': there is no fault 'throtle'",
    '""': "'' names no cassette",
    "7": "7 names no cassette",
}


def test_wrong_markers_are_told_in_one_sentence(project: Project) -> None:
    """Each fails its own test with the test, the argument and the nearest word, and without frames of ours."""
    tests = "\n".join(
        f"@pytest.mark.sagetape({arguments})\ndef test_{number}(sagetape): pass\n"
        for number, arguments in enumerate(MARKERS)
    )
    project.write(f"import user_models\n{tests}")
    (project.path / "cassettes").mkdir()
    result = project.run()
    result.assert_outcomes(errors=len(MARKERS))
    text = text_of(result)
    for number, told in enumerate(MARKERS.values()):
        assert f"test_it.py::test_{number}: " in text
        assert told in text
    assert "pytest_plugin/" not in text
    assert "During handling" not in text


def test_rechunk_typo_is_one_sentence(project: Project) -> None:
    """Collection stops with what is wrong, and without our own frames."""
    project.write('@pytest.mark.sagetape_rechunk("lin")\ndef test_a(sagetape): pass\n')
    result = project.run()
    # Every worker collects, and the controller then fails instead of being interrupted.
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if project.is_xdist else pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*test_a: sagetape_rechunk has no 'lin'; did you mean 'line'?*"])
    assert "testing.py" not in text_of(result)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("-osagetape_server=proces", "sagetape_server: 'proces' is none of thread, process; did you mean 'process'?"),
        ("-osagetape_strict=ys", "sagetape_strict: "),
        ("--sagetape-upstream=azs", "--sagetape-upstream: must be aws"),
        ("--sagetape-seed=-1", "'-1' is no seed"),
        ("--sagetape-allow-host=https://a.example", "is no host"),
        ("--sagetape-report=/proc/r.html", "--sagetape-report=/proc/r.html cannot be written"),
    ],
)
def test_wrong_option_stops_the_run_at_its_start(project: Project, argument: str, told: str) -> None:
    """What cannot be is a usage error before anything is collected."""
    project.write("def test_a(): pass\n")
    result = project.run(argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert told in "\n".join(result.errlines)


REFUSED = f"""
    @pytest.mark.sagetape({ECHO})
    def test_swallows(sagetape):
        client = sagetape.client(aws_secret_access_key="another")
        try:
            ask(client)
        except ClientError:
            pass
    @pytest.mark.sagetape({ECHO})
    def test_asserts(sagetape):
        test_swallows(sagetape)
        with pytest.raises(pytest.fail.Exception, match="InvokeEndpoint churn was refused with 403"):
            sagetape.assert_no_misses()
    """


def test_swallowed_refusal_is_told_and_fails_a_strict_run(project: Project) -> None:
    """A call whose signature was refused is in the journal of the deck that it was for, and a finding of the test."""
    project.write(REFUSED)
    told = "*test_swallows: InvokeEndpoint churn was refused with 403*"
    project.run().stdout.fnmatch_lines([f"*warning: {told}"])
    result = project.run("--sagetape-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"*FAILED: {told}"])


def test_swallowed_block_is_told_and_fails_a_strict_run(project: Project) -> None:
    """A connection that the guard refused is a finding, also when the code under test swallowed the exception."""
    project.write(
        """
        early = boto3.client("sagemaker-runtime", region_name="us-east-1", aws_access_key_id="a",
                             aws_secret_access_key="b")
        @pytest.mark.sagetape
        def test_strays():
            try:
                ask(early)
            except Exception:
                pass
        """
    )
    result = project.run("--sagetape-strict", "--sagetape-report=r.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*FAILED: *test_strays: a connection to runtime.sagemaker.us-east-1*was stopped*"])
    assert "runtime.sagemaker.us-east-1" in (project.path / "r.json").read_text()


@pytest.mark.parametrize("said", ["eu-west-1", "  "])
def test_region_of_the_code_is_accepted_whatever_the_environment_says(
    project: Project, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Code that names its region is answered on every developer's machine."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", said)
    monkeypatch.setenv("AWS_REGION", said)
    project.write(
        f"""
        @pytest.mark.sagetape({ECHO})
        def test_region(sagetape):
            ask(boto3.client("sagemaker-runtime", region_name="us-east-1"))
            ask(boto3.client("sagemaker-runtime"))
        """
    )
    project.run().assert_outcomes(passed=1)


def test_pinned_region_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regions that an emulator is given are those that it accepts."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with Emulator(upstream=UPSTREAM, regions="eu-west-1") as emulator:
        with pytest.raises(Exception, match="valid region"):
            emulator.client(region_name="us-east-1").invoke_endpoint(EndpointName="churn", Body=b"{}")
        emulator.client(region_name="eu-west-1").invoke_endpoint(EndpointName="churn", Body=b"{}")


def test_fault_of_a_misspelled_endpoint_is_told(project: Project) -> None:
    """A fault that can strike nothing that the test calls: a warning, and under strict a failure."""
    project.write(
        f"""
        @pytest.mark.sagetape({ECHO}, faults=["throttle:endpoint=chrun"])
        def test_a(sagemaker_runtime):
            ask(sagemaker_runtime)
        """
    )
    result = project.run("--sagetape-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    told = "*fault throttle for endpoint 'chrun' never struck; the endpoints called were churn"
    result.stdout.fnmatch_lines([told, "*1 finding fails this run*"])


APART = f"""
    import os, signal
    pytestmark = pytest.mark.sagetape({ECHO}, server="process")
    def test_advance(sagetape):
        sagetape.advance("60")
    def test_killed(sagetape):
        ask(sagetape.client())
        os.kill(sagetape._backing.emulator._server.pid, signal.SIGKILL)
        sagetape._backing.emulator._server._process.wait()
    def test_after(sagetape):
        ask(sagetape.client())
    """


def test_server_apart_that_dies_fails_one_test(project: Project) -> None:
    """A wrong argument and a killed server fail their own tests; the others run."""
    project.write(APART)
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = text_of(result)
    assert "INTERNALERROR" not in text
    assert "seconds must be a number" in text
    assert "The emulator's process ended with" in text
    assert outcomes_of(project.run("-v", "-k", "test_after")) == {"test_it.py::test_after": "PASSED"}


def test_refused_call_is_on_the_deck_of_its_path() -> None:
    """Each deck of an emulator has its own refusals, also one that nothing else was asked of."""
    with Emulator(upstream=UPSTREAM) as emulator:
        other = emulator.deck("other")
        with pytest.raises(ClientError, match="InvalidSignature"):
            other.client(aws_secret_access_key="another").invoke_endpoint(EndpointName="churn", Body=b"{}")
        assert [(one.source, one.endpoint, one.status) for one in other.journal] == [("refused", "churn", 403)]
        assert len(other.verdict().warnings) == 1
        assert emulator.journal == []


def test_killed_server_leaves_no_lock(tmp_path: Path) -> None:
    """What a recorder that was killed has left beside its cassette is taken away."""
    emulator = Emulator(record_to=tmp_path / "a.tape", mode="once", upstream=UPSTREAM, server="process")
    with pytest.raises(SagetapeError, match="ended with"), emulator:  # noqa: PT012
        emulator.client().invoke_endpoint(EndpointName="churn", Body=b"{}")
        os.kill(emulator._server.pid, signal.SIGKILL)  # type: ignore[union-attr]
        emulator.advance(1)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".lock")] == []


@pytest.mark.parametrize("seconds", ["60", float("nan"), -5, None, True])
@pytest.mark.parametrize("server", ["thread", "process"])
def test_no_length_of_time_is_refused(server: str, seconds: Any) -> None:
    """A clock is moved by a number of seconds; anything else is refused and the server goes on."""
    with Emulator(server=server, clock="virtual", upstream=UPSTREAM) as emulator:
        with pytest.raises(ConfigError, match="seconds must be a number"):
            emulator.advance(seconds)
        assert emulator.advance(1) > 0


@pytest.mark.parametrize("name", ["a/../b", "b ü", "", 7])
def test_deck_that_no_url_can_name_is_refused(name: Any) -> None:
    """A deck's name is a part of its URL."""
    with pytest.raises(ConfigError, match="is no name for a deck"):
        Emulator().deck(name)


def test_device_in_the_place_of_an_aws_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without an end is not read to its end."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/full")
    assert read_aws_files(os.environ, home=Path("/nonexistent")).profiles == {"default": {}}


@pytest.mark.alone
def test_parts_that_cannot_be_merged_fail_the_run(project: Project, real: object) -> None:
    """What is in no cassette was not recorded, and the run says so with its exit code."""
    project.pytester.makeconftest(
        """
        import pathlib, pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(session):
            if not hasattr(session.config, "workerinput"):
                pathlib.Path("cassettes").write_text("in the way")
        """
    )
    project.write("def test_a(sagemaker_runtime): ask(sagemaker_runtime)\n")
    result = project.run("--sagetape-record=once", "-n1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "recorded: 1" not in text_of(result)
    result.stdout.fnmatch_lines(["*not merged*"])


def test_assertion_says_what_was_expected(project: Project) -> None:
    """The wanted body is expected, not recorded; an answer of this machine is local; a number of times is a number."""
    project.write(
        f"""
        @pytest.mark.sagetape({ECHO})
        def test_a(sagetape, sagemaker_runtime):
            ask(sagemaker_runtime, b'{{"customer": 7}}')
            with pytest.raises(TypeError, match="times=True"):
                sagetape.assert_invoked("churn", times=True)
            sagetape.assert_invoked("churn", body={{"customer": 8}})
        """
    )
    text = text_of(project.run())
    assert "expected 8, sent 7" in text
    assert "churn (local)" in text


def test_assertion_counts_nothing_that_the_deck_has_forgotten(project: Project) -> None:
    """The deck remembers so many requests; of those before them no number is right."""
    project.write(
        f"""
        @pytest.mark.sagetape({ECHO})
        def test_a(sagetape, sagemaker_runtime):
            sagetape._backing.opened.deck.seen.bodies_max_bytes = 3
            for _ in range(4):
                ask(sagemaker_runtime, b"1")
            sagetape.assert_invoked("churn")
            sagetape.assert_invoked("churn", times=3)
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "the deck remembers its last 3 requests, and 1 came before them." in text_of(result)


def test_miss_tells_one_command(project: Project, real: object) -> None:
    """In a test it is pytest that records: the server's own command is nowhere in the report."""
    project.write("def test_a(sagemaker_runtime): ask(sagemaker_runtime)\n")
    project.run("--sagetape-record=once")
    project.write("def test_a(sagemaker_runtime):\n    ask(sagemaker_runtime)\n    ask(sagemaker_runtime)\n")
    text = text_of(project.run())
    assert "sagetape record " not in text
    section = text.partition("- Sagetape -")[2]
    assert section.count("pytest --sagetape-record=new_episodes test_it.py::test_a") == 1


@pytest.mark.parametrize("arguments", [("one",), ("-k", "test_a"), ("--deselect", "two/test_two.py::test_b")])
def test_part_of_the_tests_finds_no_unused_file(project: Project, real: object, arguments: tuple[str, ...]) -> None:
    """Only of folders whose tests all ran is it known which cassettes nobody uses."""
    for folder, name, test in (("one", "test_one", "test_a"), ("two", "test_two", "test_b")):
        (project.path / folder / "cassettes").mkdir(parents=True)
        head = "from user_models import ask\nimport pytest\n@pytest.mark.sagetape('../../cassettes/shared')\n"
        body = f"def {test}(sagemaker_runtime): ask(sagemaker_runtime)\n"
        (project.path / folder / f"{name}.py").write_text(head + body)
    project.pytester.syspathinsert()
    project.run("--sagetape-record=once", "one")
    (project.path / "cassettes" / "other.tape").write_bytes((project.path / "cassettes/shared.tape").read_bytes())
    assert "no test uses it" not in text_of(project.run(*arguments))
    assert "cassettes/other.tape: no test uses it" in text_of(project.run())


def test_secret_in_a_parameter_is_in_no_file_name(project: Project, real: object) -> None:
    """A cassette's name says nothing that a cassette may not hold."""
    secret = "AKIA" + "Z7Q2M4X6P8R3T5V9"
    project.write(
        f"""
        @pytest.mark.parametrize("key", ["{secret}"])
        def test_a(sagemaker_runtime, key): ask(sagemaker_runtime)
        """
    )
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    assert len(project.tapes()) == 1
    assert secret not in project.tapes()[0]
    project.run().assert_outcomes(passed=1)
