"""Every block of the README does what it says, in a folder like a newcomer's."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A newcomer's folder: the shipped cassettes and a program that calls a model."""
    shutil.copytree(ROOT / "cassettes", tmp_path / "cassettes")
    (tmp_path / "your_program.py").write_text(PROGRAM)
    return tmp_path


def surroundings() -> dict[str, str]:
    """No AWS set-up of whoever runs this; the tools of this environment first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGETAPE_", "PYTEST_"))}
    path = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", "")))
    python_path = os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return {**kept, **nowhere, "PATH": path, "PYTHONPATH": python_path, "AWS_EC2_METADATA_DISABLED": "true"}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=surroundings(), capture_output=True, text=True, timeout=100)
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


def test_configuration_block_serves(folder: Path) -> None:
    """The configuration file and its function: `sagetape serve` starts on them and answers."""
    toml = next(body for language, _, body in BLOCKS if language == "toml")
    (folder / "sagetape.toml").write_text(toml)
    for language, info, body in BLOCKS:
        if language == "python" and info.startswith(" file="):
            (folder / info.removeprefix(" file=")).write_text(body)
    call = "invoke_endpoint(EndpointName='churn', Body=b'abc')"
    program = f"import boto3; print(boto3.client('sagemaker-runtime').{call}['Body'].read())"
    printed = run(["sagetape", "exec", "--", sys.executable, "-W", "ignore", "-c", program], folder)
    assert '{"label":"stays","bytes":3}' in printed


def test_readme_blocks_are_all_run_or_say_why_not() -> None:
    """A block that cannot be run here (it needs an AWS account, or never ends) is marked, and there are few."""
    kinds = [(language, info) for language, info, _ in BLOCKS]
    assert set(kinds) <= {
        ("sh", ""),
        ("sh", " norun"),
        ("python", ""),
        ("python", " pytest"),
        ("toml", ""),
        ("python", " file=models.py"),
    }
    assert kinds.count(("sh", " norun")) == 3


@pytest.mark.parametrize("link", LINKS)
def test_readme_links_lead_somewhere(link: str) -> None:
    """Every page that the README names is there."""
    assert (ROOT / link).exists(), link
