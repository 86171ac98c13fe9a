"""Every block of the README does what it says, in a folder like a newcomer's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.standin import Standin, as_json

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "README.md").read_text())
LINKS = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())

PROGRAM = """
import boto3, json
image = open("cassettes/zero.csv", "rb").read()
client = boto3.client("sagemaker-runtime")
answer = client.invoke_endpoint(EndpointName="digits", ContentType="text/csv", Body=image)
print("label", json.load(answer["Body"])["predictions"][0]["label"])
client.close()
"""
TEST = """
def test_churn(sagemaker_runtime):
    answer = sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{}")
    assert answer["Body"].read() == b'{"predictions": [{"label": 0}]}'
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A newcomer's folder: the shipped cassettes and a program that calls a model."""
    shutil.copytree(ROOT / "cassettes", tmp_path / "cassettes")
    (tmp_path / "your_program.py").write_text(PROGRAM)
    return tmp_path


def surroundings() -> dict[str, str]:
    """No AWS set-up of whoever runs this, and no CI; the tools of this environment first on the path."""
    theirs = ("AWS_", "SAGETAPE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs) and name != "CI"}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", "")))
    python_path = os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, "PATH": path, "PYTHONPATH": python_path, "AWS_EC2_METADATA_DISABLED": "true"}


def run(command: list[str], folder: Path, *, environ: dict[str, str] | None = None) -> str:
    environ = {**surroundings(), **(environ or {})}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


WAIT = "until python -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:{}/ping')\" 2>&-; do :; done"


@pytest.mark.parametrize("number", [n for n, block in enumerate(BLOCKS) if block[:2] == ("sh", "")])
def test_shell_block_runs(number: int, folder: Path) -> None:
    """Commands run as they stand, one after the other; a server started in the background is waited for and ended."""
    text, port = BLOCKS[number][2], free_port()
    text = text.replace("7243", str(port)).replace(" &\n", f" &\n{WAIT.format(port)}\n")
    script = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{text}"
    printed = run(["bash", "-c", script], folder)
    if "your_program" in text:
        assert "label 0" in printed
    if "sagetape invoke" in text:
        assert '"label": 0' in printed
        assert "digits" in printed


@pytest.mark.parametrize("number", [n for n, block in enumerate(BLOCKS) if block[:2] == ("python", "")])
def test_python_block_runs(number: int, folder: Path) -> None:
    """Python blocks run as programs."""
    assert '"label": 0' in run([sys.executable, "-c", BLOCKS[number][2]], folder)


@pytest.mark.parametrize("number", [n for n, block in enumerate(BLOCKS) if block[:2] == ("python", " pytest")])
def test_pytest_block_passes(number: int, folder: Path) -> None:
    """Tests of the README pass under pytest with nothing but the plugin."""
    (folder / "test_readme_block.py").write_text(BLOCKS[number][2])
    printed = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], folder)
    assert "1 passed" in printed


@pytest.fixture
def aws() -> Iterator[Standin]:
    """What stands where AWS does; it checks signatures."""
    standin = Standin()
    standin.answer = lambda arrived: as_json({"predictions": [{"label": 0}]})
    yield standin
    standin.close()


@pytest.mark.parametrize("number", [n for n, block in enumerate(BLOCKS) if block[:2] == ("sh", " aws")])
def test_recording_block_records(number: int, folder: Path, aws: Standin) -> None:
    """Commands that ask AWS, as they stand but for where that is. It is asked once, by the first of them."""
    (folder / "test_churn.py").write_text(TEST)
    lines = BLOCKS[number][2].replace("--upstream aws ", f"--upstream aws+{aws.url} ").splitlines()
    for line in lines:
        printed = run(["bash", "-c", line], folder, environ=aws.environ())
        assert "label 0" in printed or "1 passed" in printed
    assert (len(aws.arrived), aws.bad_signatures) == (1, [])
    made = "churn.tape" if "exec" in lines[0] else "cassettes/test_churn/test_churn.tape"
    assert run(["sagetape", "cassette", "ls", made], folder).startswith(f"{made}: 1 interaction,")


@pytest.fixture
def configured(folder: Path) -> Path:
    """A folder with the configuration file and its function."""
    toml = next(body for language, _, body in BLOCKS if language == "toml")
    (folder / "sagetape.toml").write_text(toml)
    for language, info, body in BLOCKS:
        if language == "python" and info.startswith(" file="):
            (folder / info.removeprefix(" file=")).write_text(body)
    return folder


CALL = "invoke_endpoint(EndpointName='churn', Body=b'abc')"
CALLER = f"import boto3; print(boto3.client('sagemaker-runtime').{CALL}['Body'].read())"


def test_configuration_block_serves(configured: Path) -> None:
    """`sagetape exec` starts on it and answers."""
    printed = run(["sagetape", "exec", "--", sys.executable, "-W", "ignore", "-c", CALLER], configured)
    assert '{"label":"stays","bytes":3}' in printed


def test_serving_block_serves_until_it_is_told_to_stop(configured: Path) -> None:
    """The command as it stands, on a free port; it ends with 0."""
    (command,) = (body for language, info, body in BLOCKS if (language, info) == ("sh", " serve"))
    environ = {**surroundings(), "SAGETAPE_PORT": "0"}
    with subprocess.Popen(
        ["bash", "-c", f"exec {command}"], cwd=configured, env=environ, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            ready = re.match(r"sagetape ready url=(\S+)", server.stdout.readline())
            assert ready is not None
            given = {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": ready[1], "AWS_DEFAULT_REGION": "us-east-1"}
            keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
            printed = run([sys.executable, "-W", "ignore", "-c", CALLER], configured, environ={**given, **keys})
            assert '{"label":"stays","bytes":3}' in printed
            server.terminate()
            assert server.wait(60) == 0
        finally:
            server.kill()


def test_readme_blocks_are_all_run() -> None:
    """Each is of a kind that a test above runs."""
    assert {(language, info) for language, info, _ in BLOCKS} == {
        ("sh", ""),
        ("sh", " aws"),
        ("sh", " serve"),
        ("python", ""),
        ("python", " pytest"),
        ("toml", ""),
        ("python", " file=models.py"),
    }


@pytest.mark.parametrize("link", LINKS)
def test_readme_links_lead_somewhere(link: str) -> None:
    """Every page that the README names is there."""
    assert (ROOT / link).exists(), link
