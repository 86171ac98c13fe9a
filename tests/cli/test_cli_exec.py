"""`sagetape exec`: the command's environment, its exit code and the verdict's, signals, and no orphans."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from command_line import sagetape, started

from sagetape.cli import main
from sagetape.cli.exec import judge
from sagetape.shell.host_os import port_owner
from sagetape.shell.server_process import ServerProcess

MODEL = 'def model(invocation):\n    return {"length": len(invocation.body)}\n'
SHOW_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
# One call without a signature, which `--auth off` lets in: the exit code is the answer's class, 2 for 200.
CALL = """\
import http.client, os, sys, urllib.parse
url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"])
connection = http.client.HTTPConnection(url.hostname, url.port)
connection.request("POST", "/endpoints/model/invocations", sys.argv[1], {"Content-Type": "text/plain"})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""
PYTHON = sys.executable
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends any child with its starter")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model and no configuration."""
    (tmp_path / "models.py").write_text(MODEL)
    (tmp_path / ".git").mkdir()
    return tmp_path


def environment_in(folder: Path, *flags: str, **environ: str) -> dict[str, str]:
    """What a command under exec has in its environment."""
    done = sagetape(folder, "exec", *flags, "--", PYTHON, "-c", SHOW_ENVIRONMENT, environ=environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_command_is_pointed_at_the_server_with_a_public_pair(folder: Path) -> None:
    """Replaying, nothing real is left: a stray call fails."""
    own = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_SESSION_TOKEN": "real"}
    found = environment_in(
        folder, **own, AWS_PROFILE="prod", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true", NO_PROXY="corp", OTHER="kept"
    )
    assert found["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"].startswith("http://127.0.0.1:")
    assert found["AWS_ACCESS_KEY_ID"] == "SAGETAPEDEVELOPMENT0"
    assert found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["AWS_EC2_METADATA_DISABLED"] == "true"
    assert found["NO_PROXY"] == "corp,127.0.0.1,localhost,::1"
    assert found["OTHER"] == "kept"
    assert not {"AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} & set(found)


def test_command_keeps_its_own_credentials_while_recording(folder: Path) -> None:
    """They are known to the server, because they are the user's."""
    own = {"AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_SECRET_ACCESS_KEY": "real", "AWS_SESSION_TOKEN": "t"}
    found = environment_in(folder, "--record", "a.tape", "--upstream", "function:models:model", **own)
    assert {name: found[name] for name in own} == own


def test_command_gets_the_pair_of_the_run_when_it_has_none(folder: Path) -> None:
    """An upstream that holds credentials lets no public pair in."""
    found = environment_in(folder, "--record", "a.tape", "--upstream", "aws+http://127.0.0.1:9")
    assert found["AWS_ACCESS_KEY_ID"].startswith("SAGETAPE")
    assert found["AWS_ACCESS_KEY_ID"] != "SAGETAPEDEVELOPMENT0"


def test_flag_that_replay_lacks_is_refused_by_exec(folder: Path) -> None:
    """A flag that exec has and replaying does not is refused in exec's own words, before anything is started."""
    refused = sagetape(folder, "exec", "--replay", "a.tape", "--mode", "once", "--", "true")
    assert refused.returncode == 2
    assert "--mode does not go with --replay" in refused.stderr
    assert "sagetape exec" in refused.stderr
    assert "No such option" not in refused.stderr


def test_recording_then_replay_then_a_miss(folder: Path) -> None:
    """The whole journey: live and kept, recorded without the model, and a miss that fails the run with 3."""
    words = ("--auth", "off", "--", PYTHON, "-c", CALL)
    live = sagetape(folder, "exec", "--record", "a.tape", "--upstream", "function:models:model", *words, "one")
    assert (live.returncode, live.stdout) == (0, '200 {"length":3}\n')
    assert "verdict: 1 request (1 kept, 1 live), clean" in live.stderr
    (folder / "models.py").unlink()
    replayed = sagetape(folder, "exec", "--replay", "a.tape", *words, "one")
    assert (replayed.returncode, replayed.stdout) == (0, '200 {"length":3}\n')
    assert "verdict: 1 request (1 recorded), clean" in replayed.stderr
    missed = sagetape(folder, "exec", "--replay", "a.tape", *words, "two")
    assert missed.returncode == 3
    assert missed.stdout.startswith("400 ")
    assert "verdict: 1 request (1 miss), failed with 3" in missed.stderr


def test_strict_fails_on_what_was_never_played(folder: Path) -> None:
    """An interaction that nothing asked for is told, and fails the run with --strict alone."""
    words = ("--auth", "off", "--", PYTHON, "-c")
    sagetape(folder, "exec", "--record", "a.tape", "--upstream", "function:models:model", *words, CALL, "one")
    lax = sagetape(folder, "exec", "--replay", "a.tape", *words, "pass")
    assert lax.returncode == 0
    assert "never played" in lax.stderr
    strict = sagetape(folder, "exec", "--replay", "a.tape", "--strict", *words, "pass")
    assert strict.returncode == 3
    assert "failed with 3" in strict.stderr
    whole = sagetape(folder, "exec", "--replay", "a.tape", "--strict", *words, CALL, "one")
    assert whole.returncode == 0


def test_flags_reach_the_server_as_they_were_written(folder: Path) -> None:
    """A fault, a switch turned off, and a flag given twice."""
    flags = ("--fault", "unavailable:count=1", "--no-strict", "--region", "eu-west-1", "--region", "us-east-1")
    flags = ("--upstream", "function:models:model", "--auth", "off", *flags)
    done = sagetape(folder, "exec", *flags, "--", PYTHON, "-c", CALL, "x")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("503 ")


@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_exit_code_of_the_command_is_passed_on(script: str, code: int, folder: Path) -> None:
    """As a shell counts it."""
    assert sagetape(folder, "exec", "--", PYTHON, "-c", script).returncode == code


def test_command_that_does_not_exist_ends_with_127(folder: Path) -> None:
    """As in a shell, with a sentence."""
    done = sagetape(folder, "exec", "--", "no-such-program")
    assert done.returncode == 127
    assert "no-such-program: no such command" in done.stderr


def test_wrong_settings_run_nothing(folder: Path) -> None:
    """Said once, before the command could do anything."""
    done = sagetape(folder, "exec", "--mode", "all", "--", PYTHON, "-c", "print('ran')")
    assert done.returncode == 8
    assert done.stdout == ""
    assert done.stderr.count("Add --record-to") == 1


def test_server_that_cannot_start_runs_nothing(folder: Path) -> None:
    """Its own message and code are passed on."""
    (folder / "bad.tape").write_bytes(b"not a cassette")
    done = sagetape(folder, "exec", "--replay", "bad.tape", "--", PYTHON, "-c", "print('ran')")
    assert done.returncode == 6
    assert done.stdout == ""
    assert "bad.tape" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exec"], "Missing argument"),
        (["exec", "--replay", "a", "--record", "b", "--", "x"], "exclude each other"),
        (["exec", "--auth", "maybe", "--", "x"], "must be one of strict, lenient, off"),
    ],
)
def test_usage_errors_end_with_2(words: list[str], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by the command line itself."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, words, prog_name="sagetape")
    assert done.exit_code == 2
    assert said in done.stderr


# --- signals and orphans ------------------------------------------------------------------------------------------

WAITING = """\
import os, signal, sys
print(os.getpid(), os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"], flush=True)
signal.pause()
"""


@pytest.fixture
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """An exec whose command waits, with the ids of the command and of the server."""
    process = started(folder, "exec", "--", PYTHON, "-c", WAITING)
    assert process.stdout is not None
    pid, url = process.stdout.readline().split()
    server = port_owner(urlsplit(url).port or 0)
    assert server is not None
    yield process, int(pid), server
    process.kill()
    process.communicate()


def has_ended(pid: int) -> bool:
    """Whether a process ends within a minute; returns as soon as it does."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


@ON_LINUX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_the_command_and_ends_all(
    number: signal.Signals, running: tuple[subprocess.Popen[str], int, int]
) -> None:
    """The command decides what a signal means; the server is stopped after it."""
    process, command, server = running
    process.send_signal(number)
    assert process.wait(60) in (128 + number, 1)
    assert has_ended(command)
    assert has_ended(server)
    assert process.stderr is not None
    assert "verdict: 0 requests" in process.stderr.read()


@ON_LINUX
def test_kill_of_exec_leaves_no_orphan(running: tuple[subprocess.Popen[str], int, int]) -> None:
    """Neither the command nor the server outlives a kill -9."""
    process, command, server = running
    process.kill()
    assert has_ended(command)
    assert has_ended(server)


STARTS_OTHERS = """\
import os, subprocess, sys
child = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; exec sleep 300"], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), child.pid, flush=True)
apart = subprocess.Popen(["sleep", "300"], start_new_session=True)
print(apart.pid, flush=True)
child.wait()
"""


@ON_LINUX
def test_kill_of_exec_ends_what_its_command_has_started(folder: Path) -> None:
    """Nor do the processes below the command outlive it; one that made itself independent does, and so do others'."""
    neighbour = subprocess.Popen(["sleep", "300"])
    process = started(folder, "exec", "--", PYTHON, "-c", STARTS_OTHERS)
    assert process.stdout is not None
    below = [int(word) for word in process.stdout.readline().split()]
    apart = int(process.stdout.readline())
    try:
        process.kill()
        assert [has_ended(pid) for pid in below] == [True, True]
        assert process.wait(60) == -signal.SIGKILL
        os.kill(apart, 0)
        assert neighbour.poll() is None
    finally:
        os.kill(apart, signal.SIGKILL)
        neighbour.kill()
        neighbour.wait()
        process.communicate()


# --- the commands that serve --------------------------------------------------------------------------------------


def ready_of(process: subprocess.Popen[str]) -> str:
    """The ready line."""
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_serve_answers_until_it_is_told_to_stop(number: signal.Signals, code: int, folder: Path) -> None:
    """A ready line, a port file, a clean end."""
    process = started(folder, "serve", "--port", "0", "--json", "--seed", "7", "--port-file", "port")
    ready = json.loads(ready_of(process))
    assert ready["mode"] == "none"
    assert (ready["seed"], ready["pid"], ready["interactions"]) == (7, process.pid, 0)
    assert (folder / "port").read_text().strip() == str(urlsplit(ready["url"]).port)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert json.loads(errors.splitlines()[-1])["requests"] == 0
    assert not (folder / "port").exists()


def test_serve_on_a_taken_port_ends_with_8(folder: Path) -> None:
    """With the remedy, and with the owner where the system shows it."""
    first = started(folder, "serve", "--port", "0", "--json")
    port = urlsplit(json.loads(ready_of(first))["url"]).port
    second = sagetape(folder, "serve", "--port", str(port))
    first.terminate()
    first.communicate(timeout=60)
    assert second.returncode == 8
    assert f"Port {port} on 127.0.0.1 is taken" in second.stderr
    assert "--port 0" in second.stderr or "is free" in second.stderr
    if sys.platform == "linux":
        assert f"process {first.pid}" in second.stderr


def test_second_recorder_of_a_cassette_is_refused(folder: Path) -> None:
    """The first goes on."""
    flags = ("record", "a.tape", "--upstream", "function:models:model", "--port", "0")
    first = started(folder, *flags)
    ready_of(first)
    second = sagetape(folder, *flags)
    first.terminate()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert second.returncode == 6
    assert "a.tape" in second.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replay", "none.tape"], 6, "none.tape: no such cassette"),
        (["replay"], 8, "there is no cassette to replay"),
        (["record"], 2, "Missing argument 'CASSETTE'"),
        (["record", "a.tape"], 8, "Add --upstream aws"),
        (["record", "a.tape", "--upstream", "htp://h"], 2, "did you mean 'http://h'?"),
        (["serve", "--config", "other.toml"], 8, "other.toml: no such configuration file"),
        (["serve", "--host", "0.0.0.0"], 8, "lets other machines in"),
        (["serve", "--prot", "1"], 2, "No such option"),
    ],
)
def test_wrong_start_ends_with_its_code_and_a_remedy(
    words: list[str], code: int, said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One or a few lines on standard error, nothing on standard output, no traceback."""
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, words, prog_name="sagetape")
    assert done.exit_code == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_upstream_module_that_is_missing_ends_with_8(folder: Path) -> None:
    """Found when the server opens its upstreams, not at the first request."""
    done = sagetape(folder, "record", "a.tape", "--upstream", "function:nowhere:f")
    assert done.returncode == 8, done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_typos_are_listed_with_file_and_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, by a server that does not start."""
    (folder / "sagetape.toml").write_text('recrod_mode = "all"\nport = "x"\n[endpoints.a]\nupstrem = "aws"\n')
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, ["serve"], prog_name="sagetape")
    assert done.exit_code == 8
    assert "3 problems" in done.stderr
    for place in ("sagetape.toml:1:", "sagetape.toml:2:", "sagetape.toml:4:"):
        assert f"  - {place} " in done.stderr


class EndedServer:
    """A server that has said its last line."""

    summary = {"requests": 3, "failures": ["the disk is full"] * 3}  # noqa: RUF012


def test_verdict_says_a_repeated_failure_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk fails every write with one text; the log has each as it happens."""
    judge(cast(ServerProcess, EndedServer()), 6)
    assert capsys.readouterr().err.count("the disk is full") == 1
    judge(cast(ServerProcess, EndedServer()), 6)
    assert "the disk is full (3 times)" in capsys.readouterr().err
