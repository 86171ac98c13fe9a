"""What a user has done wrong, as a CI log shows it: each text names the test and the remedy, with workers and without.

The whole of the wrong is one project, which is run once in each way.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sagetape import attach
from sagetape.inprocess.clients import make_client

ROOT = Path(__file__).parents[2]
RUN_LIMIT_S = 100

MODELS = """
    import boto3

    def echo(invocation):
        return {"echo": invocation.body.decode()}

    def ask(client, **more):
        return client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=b"{}", **more)["Body"]
"""
HEAD = """
    import os
    import boto3, pytest
    from user_models import ask

    ECHO = "function:user_models:echo"
    SESSIONS = {"churn": {"upstream": ECHO, "sessions": True}}
"""


@dataclass(frozen=True)
class Case:
    """One thing done wrong: the test that does it, and what must stand in the report."""

    code: str
    test: str
    told: tuple[str, ...]
    """Texts of the failed test's own report; of the summary at the end when the test passes."""
    passes: bool = False


CASES = {
    "missing": Case(
        """
        @pytest.mark.sagetape("gone")
        def test_named(sagemaker_runtime):
            ask(sagemaker_runtime)
        """,
        "test_named",
        (
            "test_missing.py::test_named: cassettes/gone.tape: no such cassette.",
            "Was the file committed?",
            "record it on your own machine and commit cassettes/gone.tape:  pytest --sagetape-record=once",
        ),
    ),
    "unrecorded": Case(
        """
        def test_default(sagemaker_runtime):
            try:
                ask(sagemaker_runtime)
            except Exception:
                pass
        """,
        "test_default",
        (
            "1 request of test_unrecorded.py::test_default had no recorded answer.",
            "record it on your own machine and commit cassettes/test_unrecorded/test_default.tape:  pytest",
        ),
    ),
    "changed": Case(
        """
        def test_changes(sagemaker_runtime, request):
            path = request.path.parent / "cassettes/test_changed/test_changes.tape"
            path.with_suffix(".new").write_bytes(path.read_bytes())
            path.with_suffix(".new").replace(path)
            ask(sagemaker_runtime)
        """,
        "test_changes",
        (
            "test_changed.py::test_changes: its answers went out, but not all is well inside its deck:",
            "test_changes.tape was changed while this test played it, so its answers may be of either version. Record",
        ),
    ),
    "early": Case(
        """
        EARLY = boto3.client(
            "sagemaker-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )

        @pytest.mark.sagetape
        def test_early():
            ask(EARLY)
        """,
        "test_early",
        (
            "test_early.py::test_early tried to reach runtime.sagemaker.us-east-1.amazonaws.com while a cassette plays",
            "make it inside the test or a function-scoped fixture, use the fixture sagemaker_runtime, or attach it",
        ),
    ),
    "swallowed": Case(
        """
        EARLY = boto3.client(
            "sagemaker-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )

        @pytest.mark.sagetape
        def test_swallows():
            with pytest.raises(Exception, match="was stopped"):
                ask(EARLY)
        """,
        "test_swallows",
        (
            "test_swallowed.py::test_swallows: a connection to runtime.sagemaker.us-east-1.amazonaws.com was stopped;",
            "make its client after the deck, attach it, or allow the host",
        ),
        passes=True,
    ),
    "session": Case(
        """
        @pytest.mark.sagetape(endpoints=SESSIONS)
        def test_leaks(sagemaker_runtime):
            ask(sagemaker_runtime, SessionId="NEW_SESSION")
        """,
        "test_leaks",
        (
            "test_session.py::test_leaks: session ",
            "was opened and not closed; close it as its model wants, or advance a virtual clock past its end",
        ),
        passes=True,
    ),
    "client": Case(
        """
        KEPT = []

        @pytest.mark.sagetape(upstream=ECHO)
        def test_makes(sagemaker_runtime):
            KEPT.append(sagemaker_runtime)
            ask(KEPT[0])

        @pytest.mark.sagetape(upstream=ECHO)
        def test_uses(sagetape):
            ask(KEPT[0])
        """,
        "test_uses",
        (
            "This client was made for the deck of test_client.py::test_makes, which is closed.",
            'Make the client inside each test or in a function-scoped fixture, or give the tests one deck: @pytest.mark.sagetape(scope="module")',  # noqa: E501
        ),
    ),
    "caller": Case(
        """
        KEPT = []

        @pytest.mark.sagetape(upstream=ECHO)
        def test_makes():
            KEPT.append(boto3.client("sagemaker-runtime"))
            ask(KEPT[0])

        @pytest.mark.sagetape(upstream=ECHO)
        def test_uses():
            ask(KEPT[0])
        """,
        "test_uses",
        (
            "This client was made for the deck of test_caller.py::test_makes, and that test has ended.",
            "Make the client inside each test or in a function-scoped fixture",
        ),
    ),
    "fork": Case(
        """
        @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
        @pytest.mark.sagetape(upstream=ECHO)
        def test_forks(sagemaker_runtime):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    ask(sagemaker_runtime)
                except BaseException as error:
                    os.write(writing, str(error).encode())
                os._exit(1)
            os.waitpid(child, 0)
            pytest.fail(os.read(reading, 5000).decode())
        """,
        "test_forks",
        (
            "The deck of test_fork.py::test_forks was opened by process ",
            "let the child make its own client from the environment of the `sagetape` fixture",
        ),
    ),
}


def fill(folder: Path) -> None:
    """The project, with the one recording that there is."""
    (folder / "user_models.py").write_text(textwrap.dedent(MODELS))
    for name, case in CASES.items():
        if name != "fork" or hasattr(os, "fork"):
            (folder / f"test_{name}.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(case.code))
    path = folder / "cassettes/test_changed/test_changes.tape"
    client = make_client(region_name="us-east-1")
    with attach(client, path, mode="once", upstream="function:tests.plugin.stand_models:echo"):
        client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=b"{}")


@pytest.fixture(scope="module")
def log_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """What the run printed, as a CI job keeps it; each way is run once."""
    logs: dict[str, str] = {}

    def run(workers: str) -> str:
        folder = tmp_path_factory.mktemp("wrong")
        fill(folder)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGETAPE_", "PYTEST_"))}
        path = os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        environ = {**kept, **nowhere, "CI": "true", "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": path}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}"]
        given = ["-n2", "--dist=loadfile"] if workers == "xdist" else []
        done = subprocess.run(
            [*command, *given, str(folder)],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        return done.stdout

    def log(workers: str) -> str:
        if workers not in logs:
            logs[workers] = run(workers)
        return logs[workers]

    return log


def report_of(log: str, test: str, module: str) -> str:
    """The report of one failed test, from its title to the next one's."""
    reports = re.split(r"^_{3,} (?:ERROR at \w+ of )?(\w+) _{3,}$", log, flags=re.MULTILINE)
    found = [text for title, text in zip(reports[1::2], reports[2::2], strict=True) if title == test]
    return "\n".join(text for text in found if module in text).partition("short test summary info")[0]


@pytest.mark.parametrize("workers", ["alone", "xdist"])
@pytest.mark.parametrize("name", CASES)
def test_mistake_is_told_with_its_test_and_its_remedy(log_of: Callable[[str], str], name: str, workers: str) -> None:
    """The text stands once in the test's own report, or in the summary of a run whose test passes."""
    if name == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    case, log = CASES[name], log_of(workers)
    told = log if case.passes else report_of(log, case.test, f"test_{name}.py")
    assert told, log
    for text in case.told:
        assert text in told, told
    failed = re.search(rf"^(FAILED|ERROR) test_{name}.py::{case.test}\b", log, re.MULTILINE)
    assert (failed is None) == case.passes


@pytest.mark.parametrize("workers", ["alone", "xdist"])
def test_missing_cassette_is_told_without_a_chain(log_of: Callable[[str], str], workers: str) -> None:
    """One error, told once, without the way it came."""
    report = report_of(log_of(workers), "test_named", "test_missing.py")
    assert report.count("no such cassette") == 1
    assert "During handling" not in report
