"""Clients answered inside the process: the same deck as on a socket, without one."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError, ResponseStreamingError
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Answer, Standin, as_json, error, frame, stream
from urllib3.exceptions import ProtocolError

from sagetape import attach
from sagetape.core.errors import CassetteMissing, ConfigError

ECHO = "function:tests.plugin.stand_models:echo"
COUNT = "function:tests.plugin.stand_models:count"
WORDS = "function:tests.plugin.stand_models:words"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials anywhere, and nobody to ask for them."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")


@pytest.fixture
def client() -> Any:
    """A client without credentials."""
    return boto3.Session(region_name="us-east-1").client(
        "sagemaker-runtime", config=Config(retries={"total_max_attempts": 1})
    )


@pytest.fixture(scope="module")
def shared() -> Iterator[Standin]:
    standin = Standin()
    yield standin
    standin.close()


@pytest.fixture
def service(shared: Standin) -> Standin:
    shared.reset()
    return shared


@pytest.fixture
def real(service: Standin) -> Any:
    """A client with credentials, whose service is the stand-in."""
    return boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1").client(
        "sagemaker-runtime", endpoint_url=service.url, config=Config(retries={"total_max_attempts": 1})
    )


def ask(client: Any, body: bytes = b'{"x": 1}', **more: Any) -> bytes:
    answer = client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body, **more)
    return bytes(answer["Body"].read())


def parts(client: Any, body: bytes = b"one two three") -> list[bytes]:
    answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=body)
    return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]


@pytest.fixture
def taped(client: Any, tmp_path: Path) -> Path:
    """A cassette with one answer and one stream."""
    path = tmp_path / "taped.tape"
    with attach(client, path, mode="once", upstream=ECHO):
        ask(client)
    with attach(client, path, mode="new_episodes", upstream=WORDS):
        parts(client)
    return path


# --- playing ----------------------------------------------------------------------------------------------------------


def test_attach_plays_without_credentials_or_sockets(client: Any, taped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded answer comes although nothing may connect and nobody can sign."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a socket was opened"))
    before = threading.active_count()
    with attach(client, taped) as attached:
        assert ask(client, b'{ "x" : 1 }') == b'{"echo":"{\\"x\\": 1}"}'
        assert threading.active_count() <= before  # one that another test left may end meanwhile
        assert [entry.source for entry in attached.journal] == ["recorded"]


def test_attach_gives_the_headers_of_a_socket(client: Any, taped: Path) -> None:
    """The response's metadata are those of AWS: request id, length, variant, no retries."""
    with attach(client, taped):
        answer = client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=b'{"x": 1}')
    meta = answer["ResponseMetadata"]
    assert meta["HTTPStatusCode"] == 200
    assert meta["RetryAttempts"] == 0
    assert set(meta["HTTPHeaders"]) >= {"x-amzn-requestid", "date", "content-type", "content-length"}
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_attach_streams_part_by_part(client: Any, taped: Path) -> None:
    """The parts of a recorded stream arrive as they were recorded, one event each."""
    with attach(client, taped) as attached:
        assert parts(client) == [b"one ", b"two ", b"three "]
        assert attached.verdict().unread == ()


def test_attach_tells_a_stream_left_in_the_middle(client: Any, taped: Path) -> None:
    """A stream that is not read to its end stands in the verdict with its parts."""
    with attach(client, taped) as attached:
        answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two three")
        next(iter(answer["Body"]))
        (unread,) = attached.verdict().unread
    assert (unread.parts_read, unread.parts_total) == (1, 3)


def test_attach_miss_says_what_differs(client: Any, taped: Path) -> None:
    """A miss is a client error that no retry repeats, with the first difference in its text."""
    with attach(client, taped) as attached, pytest.raises(ClientError, match=r"(?s)SagetapeMiss.*x") as caught:
        ask(client, b'{"x": 2}')
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert len(attached.misses) == 1
    assert attached.verdict().word == "miss"


def test_attach_refuses_what_aws_refuses(client: Any, taped: Path) -> None:
    """A member that AWS would refuse is refused before any recording is looked for."""
    with attach(client, taped) as attached:
        with pytest.raises(ClientError, match="ValidationError"):
            client.invoke_endpoint(EndpointName="no_name!", Body=b"{}")
        assert attached.journal[-1].source == "refused"


def test_attach_to_a_session_answers_clients_made_later(taped: Path) -> None:
    """Every client of the session is answered, of boto3 and of botocore, and none after detaching."""
    boto, core = boto3.Session(region_name="us-east-1"), botocore.session.get_session()
    with attach(boto, taped), attach(core, taped):
        first = boto.client("sagemaker-runtime")
        second = core.create_client("sagemaker-runtime", region_name="us-east-1")
        assert ask(first) == ask(second)
    with pytest.raises(Exception, match="credentials"):
        ask(first)


def test_detach_restores_the_client(real: Any, service: Standin, taped: Path) -> None:
    """After detaching, calls go to the service again, signed."""
    with attach(real, taped):
        ask(real)
    assert service.arrived == []
    assert ask(real) == b'{"ok": true}'
    assert service.bad_signatures == []


def test_attach_twice_is_refused(client: Any, taped: Path) -> None:
    """A client has one deck at a time; the message says how to take the first one off."""
    with attach(client, taped), pytest.raises(ConfigError, match=r"detach\(\)"):
        attach(client, taped)
    with attach(client, taped):
        ask(client)


@pytest.mark.parametrize("target", [object(), "client"])
def test_attach_refuses_what_is_no_client(target: object) -> None:
    """Anything but a client or a session is refused with the call that works."""
    with pytest.raises(ConfigError, match=r"sagetape\.attach\(boto3\.client"):
        attach(target)


def test_attach_refuses_another_service(taped: Path) -> None:
    """A client of another service is named."""
    with pytest.raises(ConfigError, match="client of sts"):
        attach(boto3.Session(region_name="us-east-1").client("sts"), taped)


def test_attach_names_a_missing_cassette(client: Any, tmp_path: Path) -> None:
    """A cassette that is not there is named, with the command that records it; the client stays free."""
    with pytest.raises(CassetteMissing, match="sagetape record"):
        attach(client, tmp_path / "nothing.tape")
    with attach(client):
        pass


# --- faults, time, sessions -------------------------------------------------------------------------------------------


def test_fault_throttles_in_process(client: Any, taped: Path) -> None:
    """A throttle is AWS's own 400, and the recording answers afterwards."""
    with attach(client, taped) as attached:
        attached.fault("throttle", endpoint="churn", count=1)
        with pytest.raises(ClientError, match="ThrottlingException"):
            ask(client)
        assert ask(client)


def test_fault_resets_before_the_answer(client: Any, taped: Path) -> None:
    """A connection that is reset before an answer raises what botocore raises, after its own retries."""
    with attach(client, taped, faults=["reset:endpoint=churn"]), pytest.raises(ConnectionClosedError):
        ask(client)


def test_fault_breaks_a_stream(client: Any, taped: Path) -> None:
    """A stream cut in the middle raises urllib3's error, which botocore does not wrap."""
    with attach(client, taped) as attached:
        attached.fault("reset", endpoint="llm", after_bytes=130)
        answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two three")
        with pytest.raises(ProtocolError):
            list(answer["Body"])


def test_fault_errors_inside_a_stream(client: Any, taped: Path) -> None:
    """An exception frame raises botocore's EventStreamError."""
    with attach(client, taped, faults=["stream-error:after_parts=1"]):
        answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two three")
        with pytest.raises(EventStreamError):
            list(answer["Body"])


def test_fault_truncates_a_body(client: Any, taped: Path) -> None:
    """A body shorter than announced raises what botocore raises for one."""
    with attach(client, taped, faults=["truncation"]), pytest.raises(ResponseStreamingError):
        ask(client)


def test_virtual_clock_waits_in_no_time(client: Any) -> None:
    """Ninety seconds of a slow model pass at once and end in AWS's own time-out."""
    with attach(client, upstream=ECHO, faults=["latency:seconds=90"]), pytest.raises(ClientError, match="ModelError"):
        ask(client)


def test_session_expires_when_the_clock_says(client: Any) -> None:
    """A stateful session of the emulator's own lives until the test's clock passes its end."""
    with attach(client, endpoints={"churn": {"upstream": ECHO, "sessions": True}}) as attached:
        opened = client.invoke_endpoint(EndpointName="churn", Body=b"{}", SessionId="NEW_SESSION")
        session = opened["NewSessionId"].partition(";")[0]
        assert ask(client, SessionId=session)
        attached.advance(1300)
        with pytest.raises(ClientError, match=session[:8]):
            ask(client, SessionId=session)


# --- threads ----------------------------------------------------------------------------------------------------------


def test_threads_get_each_take_once(client: Any, tmp_path: Path) -> None:
    """64 threads on one client record 64 takes and are given each of them once."""
    path = tmp_path / "takes.tape"
    with attach(client, path, mode="once", upstream=COUNT) as recording, ThreadPoolExecutor(64) as pool:
        recorded = list(pool.map(lambda _: ask(client), range(64)))
    assert recording.verdict().kept == 64
    with attach(client, path, exhausted="miss") as playing, ThreadPoolExecutor(64) as pool:
        played = list(pool.map(lambda _: ask(client), range(64)))
        assert Counter(played) == Counter(recorded)
        assert playing.verdict().counts == {"recorded": 64}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_is_told(client: Any, taped: Path) -> None:
    """A forked child's call says that nobody would see it, and what to do; the parent goes on."""
    with attach(client, taped):
        ask(client)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                ask(client)
                text = "answered"
            except Exception as caught:
                text = str(caught)
            os.write(writing, text.encode())
            os._exit(0)
        os.waitpid(child, 0)
        text = os.read(reading, 5000).decode()
        os.close(reading)
        os.close(writing)
        assert "forked" in text
        assert "attach() again" in text


# --- recording by botocore --------------------------------------------------------------------------------------------


def test_recording_is_made_by_botocore(real: Any, service: Standin, tmp_path: Path) -> None:
    """The client signs and sends the real call itself; the answer is kept and replays without the service."""
    path = tmp_path / "real.tape"
    service.script(as_json({"label": "stays"}))
    with attach(real, path, mode="once") as attached:
        assert ask(real) == b'{"label": "stays"}'
        assert attached.verdict().counts == {"live": 1}
    assert len(service.arrived) == 1
    assert service.bad_signatures == []
    with attach(real, path):
        assert ask(real) == b'{"label": "stays"}'
    assert len(service.arrived) == 1


def test_recording_keeps_errors_of_the_service(real: Any, service: Standin, tmp_path: Path) -> None:
    """A modelled error is raised while recording and raised again at replay."""
    path = tmp_path / "error.tape"
    service.script(error(424, "ModelError", "no", OriginalStatusCode=500))
    for mode in ("once", "none"):
        with attach(real, path, mode=mode), pytest.raises(real.exceptions.ModelError):
            ask(real)
    assert len(service.arrived) == 1


def test_recording_keeps_a_stream_before_its_end(real: Any, service: Standin, tmp_path: Path) -> None:
    """Every part passes through as it comes, and the whole is in the file when the client sees the end."""
    path = tmp_path / "stream.tape"
    service.script(stream([frame(b"a"), frame(b"b")]))
    with attach(real, path, mode="once") as attached:
        answer = real.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"x")
        assert [event["PayloadPart"]["Bytes"] for event in answer["Body"]] == [b"a", b"b"]
        assert attached.player.kept == 1
    with attach(real, path):
        assert parts(real, b"x") == [b"a", b"b"]


def test_recording_keeps_a_stream_that_is_left(real: Any, service: Standin, tmp_path: Path) -> None:
    """A client that leaves in the middle costs nothing: the paid answer is read to its end and kept whole."""
    path = tmp_path / "left.tape"
    service.script(stream([frame(b"a"), frame(b"b")]))
    with attach(real, path, mode="once"):
        answer = real.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"x")
        next(iter(answer["Body"]))
        answer["Body"].close()
    with attach(real, path):
        assert parts(real, b"x") == [b"a", b"b"]


def test_recording_keeps_a_broken_stream_as_broken(real: Any, service: Standin, tmp_path: Path) -> None:
    """A stream that the service breaks breaks for the client, and breaks again at replay."""
    path = tmp_path / "broken.tape"
    service.script(stream([frame(b"a")], cuts=True))
    for mode in ("once", "none"):
        with attach(real, path, mode=mode):
            answer = real.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"x")
            with pytest.raises(ProtocolError):
                list(answer["Body"])
    assert len(service.arrived) == 1


def test_recording_without_an_answer_keeps_nothing(real: Any, service: Standin, tmp_path: Path) -> None:
    """A connection that breaks before an answer is raised as botocore raises it; nothing is recorded."""
    service.script(Answer(cuts=True, parts=[]))
    path = tmp_path / "nothing.tape"
    with attach(real, path, mode="once") as attached:
        with pytest.raises(Exception, match=r"(?i)connection|incomplete"):
            ask(real)
        assert attached.verdict().counts == {"live": 1}
    gc.collect()


def test_recording_faults_edit_what_the_client_gets(real: Any, service: Standin, tmp_path: Path) -> None:
    """The cassette keeps the truth: a truncation strikes the client and not the recording."""
    path = tmp_path / "struck.tape"
    with attach(real, path, mode="once", faults=["truncation"]), pytest.raises(ResponseStreamingError):
        ask(real)
    with attach(real, path):
        assert ask(real) == b'{"ok": true}'
