"""A library that we did not write, streaming from SageMaker, tested through the plugin without a change to it.

langchain-aws pins boto3 and brings much along, so it lives in an environment of its own, made by the long campaign; in
an environment that has it, the short test runs too.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE_LIMIT_S = 900
RUN_LIMIT_S = 120

PROJECT = """
import json

import boto3
import pytest
from langchain_aws.llms import SagemakerEndpoint
from langchain_aws.llms.sagemaker_endpoint import LLMContentHandler

WORDS = ["Offline", " tests", " are", " calm", " \\u00e9."]


def model(invocation):
    assert json.loads(invocation.body)["inputs"] == "What are offline tests?"
    if invocation.operation == "InvokeEndpoint":
        return {"generated_text": "".join(WORDS)}
    return iter([json.dumps({"token": word}, ensure_ascii=False).encode() + b"\\n" for word in WORDS])


class Handler(LLMContentHandler):
    content_type = "application/json"
    accepts = "application/json"

    def transform_input(self, prompt, model_kwargs):
        return json.dumps({"inputs": prompt, "parameters": model_kwargs}).encode()

    def transform_output(self, output):
        if isinstance(output, bytes):
            return json.loads(output)["token"]
        return json.loads(output.read())["generated_text"]


def endpoint(client, streaming):
    return SagemakerEndpoint(endpoint_name="llm", client=client, content_handler=Handler(), streaming=streaming)


pytestmark = pytest.mark.sagetape(upstream="function:test_library:model")


def test_whole(sagemaker_runtime, sagetape):
    assert endpoint(sagemaker_runtime, False).invoke("What are offline tests?") == "".join(WORDS)
    sagetape.assert_invoked("llm", times=1)


@pytest.mark.sagetape_rechunk("byte", "character", "line", seed=7)
def test_stream(sagemaker_runtime):
    assert "".join(endpoint(sagemaker_runtime, True).stream("What are offline tests?")) == "".join(WORDS)


def test_own_client():
    made = boto3.client("sagemaker-runtime")
    assert "".join(endpoint(made, True).stream("What are offline tests?")) == "".join(WORDS)
"""


def run_project(python: str, folder: Path) -> None:
    """The library's tests, in a process of the environment that has it."""
    (folder / "test_library.py").write_text(PROJECT, "utf-8")
    path = os.pathsep.join(str(ROOT / name) for name in ("emulator", "client"))
    arguments = ["-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={folder}", "-q"]
    if not is_installed(python):
        arguments += ["-p", "sagetape.testing"]
    environ = {**os.environ, "PYTHONPATH": path, "LANGSMITH_TRACING": "false"}
    done = subprocess.run(
        [python, "-m", "pytest", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def is_installed(python: str) -> bool:
    """Whether an environment has our entry points, so that pytest loads the plugin by itself."""
    code = "from importlib.metadata import entry_points as e; print(len(e(group='pytest11', name='sagetape')))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "1"


@pytest.mark.skipif(importlib.util.find_spec("langchain_aws") is None, reason="langchain-aws is not installed here")
def test_langchain_streams_from_a_deck(tmp_path: Path) -> None:
    """langchain-aws's SagemakerEndpoint answers whole and streaming, at every cut, unchanged."""
    run_project(sys.executable, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(MAKE_LIMIT_S + RUN_LIMIT_S)
def test_langchain_streams_in_an_environment_of_its_own(tmp_path: Path) -> None:
    """The same in an environment that is made for it from the package index."""
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    made = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "langchain-aws", "pytest", "aiohttp", "msgpack", "click", "boto3"],
        capture_output=True,
        text=True,
        timeout=MAKE_LIMIT_S,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"the environment could not be made: {made.stderr[-200:]}")
    folder = tmp_path / "project"
    folder.mkdir()
    run_project(python, folder)
