"""The real service and what is shaped like it: what is sent, what passes, and how it breaks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ThreadedResolver
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from tests.shell.upstream_servers import INVOKE, STREAM, FusedClock, ask_of, raw_server, reset, sends, steps_of
from yarl import URL

from sagetape.core.eventstream import payload_part
from sagetape.core.signing import Key
from sagetape.core.wire import EVENT_STREAM, Abort, Chunk, End, Head, Step, body_of, whole
from sagetape.shell.clock import RealClock
from sagetape.shell.upstreams import NothingHere, Settings, Upstream, parse_upstream
from sagetape.shell.upstreams.aws import Aws, is_aws_host, proxy_of
from sagetape.shell.upstreams.connection import CheckedResolver, ForbiddenAddress, is_forbidden, is_loopback
from sagetape.shell.upstreams.credentials import Botocore, Given

KEY = Key("AKIDUPSTREAM", "upstream-secret", "upstream-token")
NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def opened(port: int, key: Key = KEY) -> Upstream:
    """An upstream shaped like AWS on this machine, at a frozen wall time."""
    url = URL(f"http://127.0.0.1:{port}")
    return Aws(url, Given(key), source=f"aws+{url}", wall=lambda: NOW)


async def answer(data: bytes, *, operation: str = INVOKE, then: str = "close") -> list[Step]:
    """What the client sees when the service sends these bytes."""
    clock = FusedClock()
    async with raw_server(sends(data, then=then, clock=clock)) as port:
        return await steps_of(opened(port), ask_of(operation), clock=clock)


async def request_of(*, key: Key = KEY, **more: Any) -> bytes:
    """The bytes of the request that the service receives."""
    seen = []

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        seen.append(request)
        await sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(writer, request)

    async with raw_server(behave) as port:
        await steps_of(opened(port, key), ask_of(**more))
    return seen[0]


def parsed(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Request line, headers and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, dict(field.split(": ", 1) for field in fields), body


def signature_by_botocore(line: str, headers: Mapping[str, str], body: bytes) -> str:
    """The signature that botocore's signer gives for a request as it was received."""
    method, target, _ = line.split(" ")
    signed = headers["Authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    kept = {name: value for name, value in headers.items() if name.lower() in signed}
    request = AWSRequest(method, f"http://{headers['Host']}{target}", headers=kept, data=body)
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = SigV4Auth(BotocoreCredentials(KEY.access_key_id, KEY.secret_access_key), "sagemaker", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signature: str = signer.signature(text, request)
    return signature


MEMBERS = {
    "ContentType": "text/csv; charset=utf-8",
    "Accept": "application/json",
    "CustomAttributes": "a=1,  b=2",
    "TargetModel": "team/fr.tar.gz",
    "SessionId": "NEW_SESSION",
    "InferenceId": "mine",
}


@pytest.mark.parametrize("members", [{}, MEMBERS])
@pytest.mark.parametrize("body", [b"", b"1,2\n", bytes(range(256)) * 4096])
async def test_request_is_signed_as_it_is_sent(members: dict[str, str], body: bytes) -> None:
    """botocore's signer, given the bytes that arrived, comes to the same signature."""
    line, headers, sent = parsed(await request_of(members=members, body=body))
    assert sent == body
    assert headers["Authorization"].split("Signature=")[1] == signature_by_botocore(line, headers, body)


async def test_request_holds_the_members_and_nothing_else() -> None:
    """No header of the caller's travels but the operation's members; the token is the upstream's."""
    line, headers, _ = parsed(await request_of(members=MEMBERS, body=b"{}"))
    assert line == "POST /endpoints/churn/invocations HTTP/1.1"
    authorization, host = headers.pop("Authorization"), headers.pop("Host")
    assert host.startswith("127.0.0.1:")
    assert "Credential=AKIDUPSTREAM/20260101/us-east-1/sagemaker/aws4_request" in authorization
    assert headers == {
        "Accept-Encoding": "identity",
        "Content-Type": "text/csv; charset=utf-8",
        "Accept": "application/json",
        "X-Amzn-SageMaker-Custom-Attributes": "a=1,  b=2",
        "X-Amzn-SageMaker-Target-Model": "team/fr.tar.gz",
        "X-Amzn-SageMaker-Session-Id": "NEW_SESSION",
        "X-Amzn-SageMaker-Inference-Id": "mine",
        "X-Amz-Date": "20260101T000000Z",
        "X-Amz-Security-Token": "upstream-token",
        "Content-Length": "2",
    }


async def test_stream_request_uses_the_streams_headers() -> None:
    """Path and Accept are those of the operation."""
    line, headers, _ = parsed(await request_of(operation=STREAM, members={"Accept": "text/plain"}))
    assert line == "POST /endpoints/churn/invocations-response-stream HTTP/1.1"
    assert headers["X-Amzn-SageMaker-Accept"] == "text/plain"
    assert "Accept" not in headers


async def test_lasting_key_sends_no_token() -> None:
    """A token that is not the key's own must not slip in."""
    _, headers, _ = parsed(await request_of(key=Key("AKIDLASTING", "secret")))
    assert "X-Amz-Security-Token" not in headers


# --- what passes ------------------------------------------------------------------------------------------------


async def test_answer_passes_as_it_came() -> None:
    """Status, headers in order and case, and bytes; headers of the moment and of the hop are left to the player."""
    data = (
        b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nx-Amzn-Invoked-Production-Variant: blue\r\nDate: Thu\r\n"
        b"Content-Type: application/x-npy\r\nContent-Length: 2\r\nConnection: keep-alive\r\nSet-Cookie: a=b\r\n"
        b"\r\n\x93\xff"
    )
    headers = (("x-Amzn-Invoked-Production-Variant", "blue"), ("Content-Type", "application/x-npy"))
    assert await answer(data) == list(whole(200, headers, b"\x93\xff"))


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (400, "ThrottlingException", b'{"message":null}'),
        (424, "ModelError", b'{"Message":"x"}'),
        (503, "ServiceUnavailable", b""),
        (530, "InternalDependencyException", b"{}"),
        (301, "", b"moved"),
    ],
)
async def test_error_answer_is_an_answer(status: int, kind: str, body: bytes) -> None:
    """Whatever the service says is what the client gets; a redirect is neither followed nor passed on as one, live as
    replayed: a cassette keeps no Location."""
    data = b"HTTP/1.1 %d X\r\nx-amzn-ErrorType: %s\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: %d\r\n\r\n%s"
    steps = await answer(data % (status, kind.encode(), len(body), body))
    assert steps == list(whole(status, (("x-amzn-ErrorType", kind),), body))


async def test_date_of_a_refused_signature_passes() -> None:
    """A client corrects its clock by it: it must be the service's."""
    date = b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    steps = await answer(b"HTTP/1.1 403 Forbidden\r\n" + date + b"Content-Length: 2\r\n\r\n{}")
    assert isinstance(steps[0], Head)
    assert steps[0].headers == (("Date", "Thu, 01 Jan 2026 00:00:00 GMT"),)


async def test_compressed_answer_stays_compressed() -> None:
    """Bytes are passed as they were sent."""
    data = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bx"
    assert body_of(tuple(await answer(data))) == b"\x1f\x8bx"


async def test_miss_of_another_sagetape_is_nothing_here() -> None:
    """A chain goes on; without a next one the client reads the other's explanation."""
    data = b'HTTP/1.1 400 X\r\nx-amzn-ErrorType: SagetapeMiss\r\nContent-Length: 17\r\n\r\n{"Message":"why"}'
    with pytest.raises(NothingHere) as raised:
        await answer(data)
    assert raised.value.instead is not None
    assert body_of(raised.value.instead).startswith(b'{"Message":"why"')


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
FRAMES = [payload_part(b"one"), payload_part(b"two" * 50), payload_part(b"")]


def chunked(data: bytes, size: int) -> bytes:
    """Bytes in HTTP chunks of one size, without the last chunk."""
    cuts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(cut), cut) for cut in cuts)


@pytest.mark.parametrize("size", [1, 7, 113, 100_000])
async def test_stream_passes_frame_by_frame(size: int) -> None:
    """One frame per chunk, unchanged, whatever the boundaries on the wire."""
    data = STREAM_HEAD + chunked(b"".join(FRAMES), size) + b"0\r\n\r\n"
    steps = await answer(data, operation=STREAM)
    assert steps == [Head(200, (("Content-Type", EVENT_STREAM),)), *map(Chunk, FRAMES), End()]


async def test_first_frame_is_there_while_the_service_still_waits() -> None:
    """Nothing is held back."""
    seen_first = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(STREAM_HEAD + chunked(FRAMES[0], 1000))
        await seen_first.wait()
        writer.write(chunked(FRAMES[1], 1000) + b"0\r\n\r\n")

    async with raw_server(behave) as port:
        upstream = opened(port)
        steps: list[Step] = []
        async for step in upstream.ask(ask_of(STREAM), clock=RealClock()):
            steps.append(step)
            if isinstance(step, Chunk):
                seen_first.set()
        await upstream.close()
    assert steps[1:] == [Chunk(FRAMES[0]), Chunk(FRAMES[1]), End()]


async def test_frame_with_a_bad_checksum_passes_as_it_came() -> None:
    """The client shall see what the service sent."""
    bad = FRAMES[0][:-1] + b"\0"
    steps = await answer(STREAM_HEAD + chunked(bad + FRAMES[1], 999) + b"0\r\n\r\n", operation=STREAM)
    assert steps[1:] == [Chunk(bad), Chunk(FRAMES[1]), End()]


# --- how it breaks ----------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
LENGTH_9 = Head(200, (("Content-Type", "text/plain"), ("Content-Length", "9")))
BREAKS = {
    "closes before a byte": (b"", "close", []),
    "resets before a byte": (b"", "reset", []),
    "hangs before a byte": (b"", "hang", []),
    "sends garbage": (b"\x00\xff\r\n\r\n", "close", []),
    "ends inside the head": (OK + b"X-", "close", []),
    "sends two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "close", []),
    "announces more than it sends": (OK + b"Content-Length: 9\r\n\r\nhalf", "close", [LENGTH_9, Chunk(b"half")]),
    "ends inside a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", "close", []),
    "ends without the last chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "close", []),
}


@pytest.mark.parametrize("kind", BREAKS)
async def test_broken_answer_is_a_break(kind: str) -> None:
    """What came is passed only where the announced length shows that it is not whole; then the connection breaks."""
    data, then, before = BREAKS[kind]
    *steps, last = await answer(data, then=then)
    assert isinstance(last, Abort)
    assert steps in (before, before[:1])  # what was read before the break is the network's choice


STREAM_BREAKS = {
    "ends inside a frame": (chunked(FRAMES[1][:-3], 50) + b"0\r\n\r\n", "close", []),
    "ends without the last chunk": (chunked(FRAMES[1], 50), "close", [Chunk(FRAMES[1])]),
    "resets": (b"", "reset", []),
    "loses its framing": (chunked(b"HTTP/1.1 502 Bad", 99) + b"0\r\n\r\n", "close", [Chunk(b"HTTP/1.1 502 Bad")]),
    "sends a chunk without a size": (b"zz\r\n", "close", []),
}


@pytest.mark.parametrize("kind", STREAM_BREAKS)
async def test_broken_stream_is_a_break_after_what_came(kind: str) -> None:
    """A recording of it is a broken stream, and replays as one."""
    rest, then, after = STREAM_BREAKS[kind]
    seen_first = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(STREAM_HEAD + chunked(FRAMES[0], 999))
        await seen_first.wait()
        if then == "reset":
            reset(writer)
        else:
            writer.write(rest)
            writer.close()

    async with raw_server(behave) as port:
        upstream = opened(port)
        steps: list[Step] = []
        async for step in upstream.ask(ask_of(STREAM), clock=RealClock()):
            steps.append(step)
            if isinstance(step, Chunk):
                seen_first.set()
        await upstream.close()
    assert steps[1] == Chunk(FRAMES[0])
    assert isinstance(steps[-1], Abort)
    assert steps[2:-1] in (after, [])


async def test_answer_over_the_limit_is_a_break() -> None:
    """Memory is bounded, and half an answer is never whole."""
    data = OK + b"Content-Length: 2000\r\n\r\n" + b"a" * 2000
    async with raw_server(sends(data)) as port:
        settings = Settings(key=KEY, answer_max_bytes=999)
        steps = await steps_of(parse_upstream(f"aws+http://127.0.0.1:{port}", settings), ask_of())
    assert isinstance(steps[-1], Abort)


async def test_unreachable_service_says_so() -> None:
    """Nothing was sent: a chain goes on, a client reads why, with a code that is not AWS's."""
    async with raw_server(sends(b"")) as port:
        pass
    with pytest.raises(NothingHere, match="could not reach its upstream") as raised:
        await steps_of(opened(port), ask_of())
    head = raised.value.instead[0] if raised.value.instead else None
    assert isinstance(head, Head)
    assert (head.status, head.header("x-amzn-ErrorType")) == (502, "SagetapeUpstream")


# --- credentials and addresses ----------------------------------------------------------------------------------


@pytest.fixture
def aws_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's AWS files, and an environment without anything else of AWS's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text("[profile fips]\nuse_fips_endpoint = true\n")
    (tmp_path / "credentials").write_text(
        "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = a\n"
        "[staging]\naws_access_key_id = AKIDSTAGING\naws_secret_access_key = b\naws_session_token = t\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


def test_credentials_come_from_the_users_set_up(aws_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default profile, named profile, environment."""
    assert Botocore(None).key() == Key("AKIDDEFAULT", "a", None)
    assert Botocore("staging").key() == Key("AKIDSTAGING", "b", "t")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "c")
    assert Botocore(None).key() == Key("AKIDENV", "c", None)


def test_address_is_botocores_and_never_the_emulators(aws_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint variable points clients at the emulator, which must not ask itself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:7243")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:7243")
    assert Botocore(None).endpoint("eu-west-1") == URL("https://runtime.sagemaker.eu-west-1.amazonaws.com")
    assert Botocore("fips").endpoint("us-east-1") == URL("https://runtime-fips.sagemaker.us-east-1.amazonaws.com")


@pytest.mark.parametrize("spec", ["aws", "aws:staging", "aws:nowhere"])
async def test_missing_credentials_are_told_before_anything_is_sent(
    aws_home: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    """The text names the upstream and the check to make; no secret is in it."""
    (aws_home / "credentials").write_text("")
    with pytest.raises(NothingHere, match=f"no credentials for its upstream {spec}: .*sts get-caller-identity"):
        await steps_of(parse_upstream(spec), ask_of())


async def test_plain_aws_asks_only_sagemaker_runtime() -> None:
    """An address from elsewhere gets no signature."""

    class Elsewhere(Given):
        def endpoint(self, region: str) -> URL:
            return URL("https://evil.example")

    upstream = Aws(None, Elsewhere(KEY), source="aws")
    with pytest.raises(NothingHere, match=r"evil\.example is not a SageMaker Runtime host"):
        await steps_of(upstream, ask_of())


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://runtime.sagemaker.us-east-1.amazonaws.com", True),
        ("https://runtime.sagemaker.us-east-1.api.aws", True),
        ("https://runtime-fips.sagemaker.us-east-1.amazonaws.com", True),
        ("https://runtime.sagemaker-fips.eu-west-1.api.aws", True),
        ("https://runtime.sagemaker.cn-north-1.amazonaws.com.cn", True),
        ("https://runtime.sagemaker.us-iso-east-1.c2s.ic.gov", True),
        ("https://vpce-0a-1b.runtime.sagemaker.us-east-1.vpce.amazonaws.com", True),
        ("http://runtime.sagemaker.us-east-1.amazonaws.com", False),
        ("https://runtime.sagemaker.us-east-1.amazonaws.com:8443", False),
        ("https://runtime.sagemaker.us-east-1.amazonaws.com.evil.example", False),
        ("https://evil-runtime.sagemaker.us-east-1.amazonaws.com", False),
        ("https://runtime.sagemaker.us-east-1.amazonawsXcom", False),
        ("https://a.runtime.sagemaker.us-east-1.amazonaws.com", False),
        ("https://s3.us-east-1.amazonaws.com", False),
    ],
)
def test_hosts_of_sagemaker_runtime_are_known(url: str, is_allowed: bool) -> None:
    """All partitions and forms, nothing that merely looks like them."""
    assert is_aws_host(URL(url)) is is_allowed


@pytest.mark.parametrize("region", ["us-east-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"])
def test_botocores_own_addresses_are_allowed(aws_home: Path, region: str) -> None:
    """The list of hosts and botocore's rules agree in every partition."""
    assert is_aws_host(Botocore(None).endpoint(region))


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("169.254.169.254", True),
        ("169.254.170.2", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("fd00:ec2::254", True),
        ("::ffff:169.254.169.254", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.1", False),
        ("8.8.8.8", False),
        ("fd00::1", False),
    ],
)
def test_link_local_and_metadata_addresses_are_forbidden(address: str, forbidden: bool) -> None:
    """In whatever notation."""
    assert is_forbidden(address) is forbidden


class Rebinding(ThreadedResolver):
    """A name server of the attacker's."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        return [{"hostname": host, "host": self._address, "port": port, "family": family, "proto": 0, "flags": 0}]


async def test_name_that_leads_to_the_metadata_service_is_refused() -> None:
    """The check is made on what is connected to, not on what a first look-up said."""
    with pytest.raises(ForbiddenAddress, match=r"model\.example resolves to 169\.254\.169\.254"):
        await CheckedResolver(Rebinding("169.254.169.254")).resolve("model.example", 80)
    found = await CheckedResolver(Rebinding("10.1.2.3")).resolve("model.example", 80)
    assert [result["host"] for result in found] == ["10.1.2.3"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("localhost.example", False),
        ("127.0.0.1.nip.io", False),
        ("10.0.0.1", False),
    ],
)
def test_this_machine_is_known_by_name(host: str, expected: bool) -> None:
    """Without resolving anything."""
    assert is_loopback(host) is expected


def test_proxy_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY and NO_PROXY count for the real service."""
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    url = URL("https://runtime.sagemaker.us-east-1.amazonaws.com")
    assert proxy_of(url) == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert proxy_of(url) is None
