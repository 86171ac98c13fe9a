"""A project of a user's, with a service to record from."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.client.standin import ACCESS_KEY, SECRET_KEY, Standin, as_json
from tests.plugin.warm import Warm

for name in (
    "sagetape.pytest_plugin.fixtures",
    "sagetape.pytest_plugin.parts",
    "sagetape.pytest_plugin.reporting",
    "sagetape.pytest_plugin.summary",
    "sagetape.inprocess.recording",
    "sagetape.shell.live",
    "sagetape.shell.store.rewriting",
    "sagetape.shell.upstreams.aws",
    "sagetape.shell.upstreams.function",
    "boto3",
    "hypothesis",
    "xdist.dsession",
    "xdist.workermanage",
    "xdist.scheduler",
):
    # Runs inside this process find them then: each of those runs forgets what it imported itself.
    importlib.import_module(name)

MODELS = '''
"""Models and callers of a user's project."""
import itertools
import boto3

_counter = itertools.count(1)


def echo(invocation):
    return {"echo": invocation.body.decode()}


def count(invocation):
    return {"call": next(_counter)}


def documents(invocation):
    return iter([b'{"token": "%d"}' % number for number in range(3)])


def call(body=b"{}", endpoint="churn"):
    """Code under test: makes its own client, as code does."""
    client = boto3.client("sagemaker-runtime")
    return client.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)["Body"].read()


def ask(client, body=b"{}", endpoint="churn", **more):
    answer = client.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body, **more)
    return answer["Body"].read()
'''


@pytest.fixture(scope="session")
def shared_service() -> Iterator[Standin]:
    standin = Standin()
    yield standin
    standin.close()


@pytest.fixture
def service(shared_service: Standin) -> Standin:
    """The service that recordings are made from: answers with a number of its own for each call."""
    shared_service.reset()
    shared_service.answer = lambda arrived: as_json({"number": len(shared_service.arrived)})
    return shared_service


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS set-up of the machine, and no CI."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SAGETAPE_", "PYTEST_XDIST")) or name == "CI":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")


@pytest.fixture
def real(service: Standin, monkeypatch: pytest.MonkeyPatch) -> Standin:
    """An AWS set-up whose SageMaker Runtime is the stand-in."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", service.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return service


PYTEST = "import sys, pytest; sys.exit(pytest.main())"
FORKED = "-Wignore::pytest.PytestAssertRewriteWarning"
"""Forked processes have imported modules that pytest would rewrite."""


class Project:
    """A folder with tests, run in this process, by two workers of xdist, or in a process of its own."""

    def __init__(self, pytester: pytest.Pytester, *, warm: Callable[[], Warm], is_xdist: bool) -> None:
        """`warm` gives what runs as the workers' Python."""
        self.pytester = pytester
        self.is_xdist = is_xdist
        self._warm = warm
        self._numbers = itertools.count()
        self.path = pytester.path
        pytester.makepyfile(user_models=MODELS)
        pytester.makeini(
            "[pytest]\npythonpath = .\naddopts = -p no:cacheprovider -p no:randomly -p no:run-parallel "
            "-p no:hypothesispytest -p no:anyio\n"
            "asyncio_default_fixture_loop_scope = function\n"
        )

    def write(self, text: str, name: str = "test_it") -> None:
        """A test module; `call`, `ask`, boto3, pytest and ClientError are there."""
        head = "import boto3, pytest\nfrom botocore.exceptions import ClientError\nfrom user_models import ask, call\n"
        self.pytester.makepyfile(**{name: head + textwrap.dedent(text)})

    def run(self, *arguments: str) -> pytest.RunResult:
        """In this process, with or without workers."""
        return self.pytester.runpytest_inprocess(*self._words(arguments))

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """In a process of its own, forked like the workers, with or without workers."""
        folder = self.path / f"run-{next(self._numbers)}"
        words = [f"--basetemp={folder}", FORKED, *self._words(arguments)]
        return self.pytester.run(*self._warm().python.split(), "-c", PYTEST, *words, timeout=60)

    def run_cold(self, *arguments: str) -> pytest.RunResult:
        """As `run_apart`, in a process that has imported nothing yet."""
        return self.pytester.runpytest_subprocess(*self._words(arguments), timeout=60)

    def _words(self, arguments: Sequence[str]) -> list[str]:
        """The arguments with what gives the run its workers: `-n2` in them, or two for a project under xdist."""
        words = [word for word in arguments if not re.fullmatch("-n[0-9]+", word)]
        count = next((word[2:] for word in arguments if word not in words), "2" if self.is_xdist else "0")
        if count == "0":
            return words
        dist = () if any(word.startswith("--dist") for word in words) else ("--dist=load",)
        return [f"--tx={count}*popen//python={self._warm().python}", *dist, FORKED, *words]

    def tapes(self) -> list[str]:
        """The cassettes there are, from the project's folder."""
        return sorted(str(path.relative_to(self.path)) for path in Path(self.path).rglob("*.tape"))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    running = Warm()
    yield running
    running.close()


@pytest.fixture
def project(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> Project:
    """A project of a user's; see `pytest_generate_tests`."""
    return Project(pytester, warm=lambda: request.getfixturevalue("warm"), is_xdist=request.param == "xdist")


APART = (
    *("docs", "environment", "findings", "forked", "guard", "hub", "importing", "misses", "names", "options"),
    *("partial", "remedies", "reruns", "strangers"),
)
"""Modules whose runs under xdist are left to `make soak`: with all of them `make test` would take over ten minutes."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every rule holds with and without xdist: each test of a project runs both ways, unless it is marked `alone`."""
    if "project" not in metafunc.fixturenames:
        return
    ways: list[Any] = ["alone"]
    if metafunc.definition.get_closest_marker("alone") is None:
        is_apart = metafunc.module.__name__.rpartition(".test_")[2] in APART
        ways.append(pytest.param("xdist", marks=[pytest.mark.soak] if is_apart else []))
    metafunc.parametrize("project", ways, indirect=True)


def text_of(result: Any) -> str:
    """Everything a run printed, on one line for searching."""
    return "\n".join(result.outlines)


def outcomes_of(result: pytest.RunResult) -> dict[str, str]:
    """By test, what a run with `-v` says of it, with workers and without."""
    ended = {}
    word = "(PASSED|FAILED|ERROR|SKIPPED)"
    for line in result.outlines:
        found = re.match(rf"(?:\[gw\d+\] \[ *\d+%\] )?(?:{word} )?(\S+::\S+)(?: {word})?", line)
        if found and (found[1] or found[3]):
            ended[found[2]] = found[1] or found[3]
    return ended
