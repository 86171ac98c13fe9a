"""`env`, `doctor`, `faults`, and `cassette ls|show|verify`, without a server."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sagetape.cli import main
from sagetape.core.eventstream import exception, payload_part
from sagetape.core.faults import KINDS
from sagetape.core.wire import EVENT_STREAM, Abort, Call, Chunk, End, Head, Interaction, Pause, Provenance, Script
from sagetape.shell.store import Cassette, CassetteSettings

JSON_ANSWER = (Head(200, (("Content-Type", "application/json"),)), Chunk(b'{"label":"stays"}'), End())
STREAM_ANSWER = (
    Head(200, (("Content-Type", EVENT_STREAM),)),
    Chunk(payload_part(b"one")),
    Pause(0.25),
    Chunk(exception("ModelStreamError", "broke", error_code="StreamBroken")),
    End(),
)
BROKEN_ANSWER = (Head(200), Chunk(b"\x00\xff" * 100), Abort("reset by peer"))


def run(*words: str, **environ: str) -> Result:
    """Runs a command line in this process, with nothing of this machine's AWS set-up."""
    nothing = {"AWS_CONFIG_FILE": "/nonexistent/config", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials"}
    unset = dict.fromkeys(
        ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "HTTP_PROXY"),
        None,
    )
    return CliRunner(env={**unset, **nothing, **environ}).invoke(main, words, prog_name="sagetape")


def interaction(endpoint: str, body: bytes, script: Script) -> Interaction:
    """A recording."""
    call = Call("InvokeEndpoint", endpoint, {"ContentType": "text/plain"}, body, bytes(32))
    return Interaction(call, script, Provenance(1_795_000_000.0, "http://127.0.0.1:8080", "0.1.0"))


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A cassette with an answer, a stream, and an answer that breaks off."""
    path = tmp_path / "churn.tape"
    with Cassette.open(path, writable=True, settings=CassetteSettings()) as cassette:
        for number, (endpoint, script) in enumerate(
            (("churn", JSON_ANSWER), ("llm", STREAM_ANSWER), ("churn", BROKEN_ANSWER))
        ):
            cassette.append(interaction(endpoint, b"a\x1b[2Jb" * 1000, script), bytes([number]) * 16)
    return path


# --- cassette -----------------------------------------------------------------------------------------------------


def test_ls_has_a_line_for_each_interaction(tape: Path) -> None:
    """Number, endpoint, sizes, time in UTC, and what is unusual."""
    lines = run("cassette", "ls", str(tape)).stdout.splitlines()
    assert lines[0].startswith(f"{tape}: 3 interactions, ")
    assert [line.split()[:2] for line in lines[2:]] == [["0", "churn"], ["1", "llm"], ["2", "churn"]]
    assert "2026-11-18 11:06:40" in lines[2]
    assert "breaks off" in lines[4]
    assert "breaks off" not in lines[2]


def test_ls_as_json_is_one_value_per_cassette(tape: Path) -> None:
    """Sizes in bytes, times in Unix seconds."""
    values = [json.loads(line) for line in run("cassette", "ls", "--json", str(tape), str(tape)).stdout.splitlines()]
    assert len(values) == 2
    assert values[0]["bytes"] == tape.stat().st_size
    assert [one["endpoint"] for one in values[0]["interactions"]] == ["churn", "llm", "churn"]
    assert [one["is_complete"] for one in values[0]["interactions"]] == [True, True, False]
    assert values[0]["interactions"][0]["recorded_at"] == 1_795_000_000.0


def test_show_prints_requests_and_answers(tape: Path) -> None:
    """Parts, pauses, exceptions and breaks of an answer are all there."""
    text = run("cassette", "show", str(tape)).stdout
    for expected in (
        "#1 InvokeEndpoint llm",
        "from http://127.0.0.1:8080",
        "ContentType: text/plain",
        '{"label":"stays"}',
        "part:",
        "(after 0.250 s)",
        "ModelStreamError:",
        "StreamBroken",
        "200 bytes: 00ff00ff",
        "(the connection breaks: reset by peer)",
    ):
        assert expected in text


def test_show_lets_no_control_character_through(tape: Path) -> None:
    """A cassette may come from a pull request."""
    text = run("cassette", "show", str(tape)).stdout
    assert "\x1b" not in text
    assert "\\x1b[2Jb" in text


def test_show_cuts_long_bodies_and_says_so(tape: Path) -> None:
    """And shows the whole when asked."""
    cut, whole = (
        run("cassette", "show", str(tape), "0").stdout,
        run("cassette", "show", str(tape), "0", "--whole").stdout,
    )
    assert "4000 characters more; --whole shows them" in cut
    assert "characters more" not in whole
    assert whole.count("2Jb") == 1000


def test_show_as_json_loses_nothing(tape: Path) -> None:
    """JSON as a value, text as text, bytes as base64, frames opened."""
    values = [json.loads(line) for line in run("cassette", "show", "--json", str(tape)).stdout.splitlines()]
    assert values[0]["body"] == {"text": "a\x1b[2Jb" * 1000}
    assert values[0]["answer"][1] == {"chunk": {"json": {"label": "stays"}}}
    assert values[1]["answer"][1:3] == [{"part": {"text": "one"}}, {"pause_s": 0.25}]
    assert [":exception-type", "ModelStreamError"] in values[1]["answer"][3]["frame"]
    assert "base64" in values[2]["answer"][1]["chunk"]
    assert values[2]["answer"][-1] == {"abort": "reset by peer"}


@pytest.mark.parametrize(
    ("words", "numbers"), [(["2", "0"], [2, 0]), (["--endpoint", "llm"], [1]), (["0", "1", "--endpoint", "llm"], [1])]
)
def test_show_takes_numbers_and_an_endpoint(words: list[str], numbers: list[int], tape: Path) -> None:
    """In the order that was asked for."""
    lines = run("cassette", "show", "--json", str(tape), *words).stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == numbers


def test_show_of_a_number_that_is_not_there_names_the_range(tape: Path) -> None:
    """A usage error with the next step."""
    done = run("cassette", "show", str(tape), "7")
    assert done.exit_code == 2
    assert "has no interaction 7. Its numbers go from 0 to 2." in done.stderr


def test_verify_of_a_sound_cassette_ends_with_0(tape: Path) -> None:
    """And says so."""
    done = run("cassette", "verify", str(tape))
    assert (done.exit_code, done.stdout) == (0, f"{tape}: sound\n")


def test_verify_finds_a_flipped_bit_in_every_body(tape: Path) -> None:
    """With its place, and code 6; other cassettes are checked all the same."""
    data = bytearray(tape.read_bytes())
    data[data.index(b"stays")] ^= 1
    damaged = tape.with_name("damaged.tape")
    damaged.write_bytes(data)
    done = run("cassette", "verify", str(damaged), str(tape))
    assert done.exit_code == 6
    assert done.stdout == f"{damaged}: DAMAGED\n{tape}: sound\n"
    assert "bytes " in done.stderr
    found = json.loads(run("cassette", "verify", "--json", str(damaged)).stdout)
    assert not found["is_sound"]
    assert found["damaged"][0]["offset"] < data.index(b"abel") < found["damaged"][0]["end"]


@pytest.mark.parametrize("command", ["ls", "show", "verify"])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_file_that_is_no_cassette_ends_with_6(command: str, as_json: list[str], tmp_path: Path) -> None:
    """Missing or foreign, in text or in JSON, never a traceback."""
    (tmp_path / "foreign.tape").write_bytes(b"PK\x03\x04" * 10)
    for name in ("foreign.tape", "missing.tape"):
        done = run("cassette", command, *as_json, str(tmp_path / name))
        assert done.exit_code == 6
        assert name in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)


# --- env ----------------------------------------------------------------------------------------------------------


def test_env_prints_lines_that_a_shell_reads() -> None:
    """Data on standard output and nothing else."""
    done = run("env", "--shell", "sh", AWS_SESSION_TOKEN="old")
    assert done.exit_code == 0
    assert "export AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME='http://127.0.0.1:7243'\n" in done.stdout
    assert "export AWS_ACCESS_KEY_ID='SAGETAPEDEVELOPMENT0'\n" in done.stdout
    assert "unset AWS_SESSION_TOKEN\n" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "environ", "url"),
    [
        ([], {}, "http://127.0.0.1:7243"),
        (["--port", "80"], {"SAGETAPE_PORT": "81"}, "http://127.0.0.1:80"),
        ([], {"SAGETAPE_PORT": "81"}, "http://127.0.0.1:81"),
        (["--url", "http://h:1/"], {}, "http://h:1"),
        (["--deck", "d1"], {}, "http://127.0.0.1:7243/deck/d1"),
        (["--port-file", "port"], {}, "http://127.0.0.1:4711"),
    ],
)
def test_env_names_the_server(words: list[str], environ: dict[str, str], url: str, tmp_path: Path) -> None:
    """By port, port file, address or deck."""
    (tmp_path / "port").write_text("4711\n")
    words = [str(tmp_path / word) if word == "port" else word for word in words]
    assert json.loads(run("env", "--json", *words, **environ).stdout)["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == url


def test_env_leaves_credentials_alone_when_recording() -> None:
    """They are the user's own."""
    found = json.loads(run("env", "--json", "--recording").stdout)
    assert not [name for name in found if "KEY" in name or "TOKEN" in name or "PROFILE" in name]


def test_env_without_a_port_in_its_file_says_who_writes_it(tmp_path: Path) -> None:
    """A server that is not ready yet."""
    done = run("env", "--port-file", str(tmp_path / "none"))
    assert done.exit_code == 8
    assert "Is it running?" in done.stderr


# --- doctor -------------------------------------------------------------------------------------------------------


def test_doctor_ends_with_3_when_something_is_in_the_way() -> None:
    """Nothing points at a server here."""
    done = run("doctor", AWS_DEFAULT_REGION="us-east-1")
    assert done.exit_code == 3
    assert "endpoint  https://runtime.sagemaker.us-east-1.amazonaws.com  (from the real service)" in done.stdout
    assert "calls go to the REAL service" in done.stdout


def test_doctor_as_json_is_one_object() -> None:
    """With the same problems."""
    found = json.loads(run("doctor", "--json", AWS_DEFAULT_REGION="us-east-1").stdout)
    assert found["source"] == "the real service"
    assert len(found["problems"]) == 1
    assert found["versions"]["botocore"]


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:secret@127.0.0.1:1", "http://***@127.0.0.1:1"),
        ("http://127.0.0.1:1/?key=secret", "http://127.0.0.1:1/?***"),
    ],
)
def test_doctor_shows_no_password_of_an_address(address: str, shown: str, as_json: list[str]) -> None:
    """Wherever it says the address."""
    done = run("doctor", *as_json, AWS_ENDPOINT_URL=address, AWS_DEFAULT_REGION="us-east-1")
    assert done.exit_code == 3
    assert shown in done.stdout
    assert "secret" not in done.stdout


def test_doctor_waits_for_no_dripping_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, and the end never: the whole question has a limit, here of a third of a second."""
    monkeypatch.setattr("sagetape.shell.diagnosis.HEALTH_WITHIN_S", 0.3)
    ended = threading.Event()

    def drip() -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not ended.wait(0.05):
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip)
        dripping.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        done = run("doctor", AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=url, AWS_DEFAULT_REGION="us-east-1")
        ended.set()
        dripping.join()
    assert done.exit_code == 3
    assert f"No Sagetape answers at {url}: no whole answer within 0.3 s." in done.stdout


# --- faults -------------------------------------------------------------------------------------------------------


def test_faults_lists_every_kind() -> None:
    """The table is the core's."""
    listed = [line.split()[0] for line in run("faults").stdout.splitlines()[1:]]
    assert listed == list(KINDS)
    assert [one["fault"] for one in json.loads(run("faults", "--json").stdout)] == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_faults_describes_each_kind(name: str) -> None:
    """Its parameters, and when it strikes."""
    text = run("faults", name).stdout
    for parameter in KINDS[name].table():
        assert parameter.name in text
    assert "probability" in text


def test_faults_with_a_typo_names_the_nearest() -> None:
    """A usage error."""
    done = run("faults", "throtle")
    assert done.exit_code == 2
    assert "did you mean 'throttle'?" in done.stderr
