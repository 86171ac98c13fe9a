"""The first ten minutes of somebody new: install, a first offline answer, record, replay, a green test.

Every command is run as it stands, in an environment into which nothing but the wheel was installed, so the program, the
plugin and the client come from its entry points. What is counted are the commands and the lines that a user types.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.client.standin import ACCESS_KEY, SECRET_KEY, Standin, as_json

ROOT = Path(__file__).parents[2]
BUILD_LIMIT_S = 100
COMMAND_LIMIT_S = 60

# What it may cost: the numbers that the comparison with other tools was made with (moto's server needs six commands and
# 25 lines for the same, vcrpy with pytest-recording five and twelve).
COMMANDS_TO_FIRST_ANSWER = 2
COMMANDS_TO_RECORD_AND_REPLAY = 2
COMMANDS_TO_GREEN_TEST = 4
LINES_OF_TEST = 3
FIRST_ANSWER_LIMIT_S = 60

FIRST_ANSWER = ("sagetape invoke digits --cassette cassettes/digits.tape -c text/csv -b @cassettes/zero.csv",)
RECORD_AND_REPLAY = (
    "sagetape exec --record churn.tape --upstream {aws} -- python predict.py",
    "sagetape exec --replay churn.tape -- python predict.py",
)
PREDICT = """
import json
import boto3

def predict_churn(customer):
    body = json.dumps({"customer": customer})
    client = boto3.client("sagemaker-runtime")
    answer = client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body)
    return json.loads(answer["Body"].read())["label"]

if __name__ == "__main__":
    print("prediction:", predict_churn(7))
"""
TEST = """
from predict import predict_churn
def test_churn(sagetape):
    assert predict_churn(customer=7) == "stays"
"""


def commands_of_page() -> list[str]:
    """What the page about tests tells a user to type, from the first test to the green one."""
    page = (ROOT / "docs/testing.md").read_text("utf-8")
    section = page.partition("## The first test")[2].partition("\n## ")[0]
    return re.findall(r"^ {4}(pytest\b[^#\n]*?) +#", section, re.MULTILINE)


@dataclass
class Newcomer:
    """A folder, an environment, and what was typed so far."""

    folder: Path
    python: Path
    environ: dict[str, str]
    typed: list[str] = field(default_factory=list)

    def type(self, command: str, *, code: int = 0) -> str:
        """Runs a command line; what it printed. Its words are looked for in the environment alone."""
        self.typed.append(command)
        program, *words = shlex.split(command)
        path = shutil.which(program, path=self.environ["PATH"])
        assert path is not None, f"{program} is not installed"
        return self.run(path, *words, code=code)

    def run(self, *words: str, code: int = 0) -> str:
        """Runs words; what they printed."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=COMMAND_LIMIT_S
        )
        printed = done.stdout + done.stderr
        assert done.returncode == code, printed
        return printed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout; skips where it cannot be built."""
    folder = tmp_path_factory.mktemp("wheel")
    # With the build backend at hand nothing is fetched for it.
    given = [] if importlib.util.find_spec("hatchling") is None else ["--no-build-isolation"]
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *given, "--wheel-dir", str(folder)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, timeout=BUILD_LIMIT_S)
    if done.returncode:
        pytest.skip(f"the wheel cannot be built here: {done.stderr.strip()[-300:]}")
    (built,) = folder.glob("sagetape-*.whl")
    return built


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    """A fresh environment. What the wheel depends on, and pytest, are those of the present one."""
    venv.create(tmp_path / "env", with_pip=False)
    programs = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    python = programs / Path(sys.executable).name
    (site,) = (tmp_path / "env").rglob("site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    runner = programs / "pytest"
    runner.write_text(f"#!{python}\nimport sys, pytest\nsys.exit(pytest.console_main())\n")
    runner.chmod(0o755)
    folder = tmp_path / "project"
    folder.mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "SAGETAPE_", "PYTEST_", "PYTHONPATH"))}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    path = os.pathsep.join((str(programs), kept.pop("PATH", "")))
    return Newcomer(folder, python, {**kept, **nowhere, "PATH": path, "AWS_EC2_METADATA_DISABLED": "true"})


@pytest.fixture
def aws() -> Iterator[Standin]:
    """The real endpoint: a customer stays."""
    standin = Standin()
    standin.answer = lambda arrived: as_json({"label": "stays"})
    yield standin
    standin.close()


def install(newcomer: Newcomer, wheel: Path) -> None:
    """`pip install sagetape`, from the wheel. Everything that is used comes out of it from here on."""
    newcomer.typed.append("pip install sagetape")
    pip = [sys.executable, "-m", "pip", "--python", str(newcomer.python), "--disable-pip-version-check"]
    newcomer.run(*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    where = newcomer.run(
        str(newcomer.python), "-c", "import sagetape, sagetape_client as c; print(sagetape.__file__, c)"
    )
    assert where.count(str(newcomer.python.parents[1])) == 2, where


@pytest.mark.skipif(sys.platform == "win32", reason="runs scripts by their first line")
def test_first_minutes_cost_what_they_may(newcomer: Newcomer, wheel: Path, aws: Standin) -> None:
    """Four commands and three lines to a green offline test; every command does what it says, the mistakes too."""
    begun = time.monotonic()
    install(newcomer, wheel)
    shutil.copytree(ROOT / "cassettes", newcomer.folder / "cassettes")
    assert len(FIRST_ANSWER) <= COMMANDS_TO_FIRST_ANSWER
    for command in FIRST_ANSWER:
        printed = newcomer.type(command)
    assert '"label": 0' in printed
    assert time.monotonic() - begun < FIRST_ANSWER_LIMIT_S

    (newcomer.folder / "predict.py").write_text(PREDICT)
    assert len(RECORD_AND_REPLAY) <= COMMANDS_TO_RECORD_AND_REPLAY
    record, replay = (command.format(aws=f"aws+{aws.url}") for command in RECORD_AND_REPLAY)
    given = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "us-east-1"}
    newcomer.environ |= given
    assert "prediction: stays" in newcomer.type(record)
    asked = len(aws.arrived)
    assert asked == 1

    newcomer.environ |= {"AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": aws.url}
    newcomer.environ.pop("CI", None)
    written = [line for line in TEST.splitlines() if line.strip()]
    assert len(written) <= LINES_OF_TEST
    (newcomer.folder / "test_churn.py").write_text("\n".join(written) + "\n")
    missing, once, green = commands_of_page()
    taught = newcomer.type(missing, code=1)
    assert f"{once} test_churn.py::test_churn" in taught
    assert len(aws.arrived) == asked
    assert "recorded: 1 interaction" in newcomer.type(once)
    assert len(aws.arrived) == asked + 1

    aws.close()
    for name in (*given, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"):
        del newcomer.environ[name]
    assert "prediction: stays" in newcomer.type(replay)
    assert "tests: 1 hit; requests: 1 recorded" in newcomer.type(green)

    to_green = [command for command in newcomer.typed if command.startswith(("pip ", "pytest"))]
    assert len(to_green) <= COMMANDS_TO_GREEN_TEST, to_green
