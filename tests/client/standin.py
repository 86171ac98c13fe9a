"""A stand-in for the service: a threaded HTTP server that checks signatures with botocore and answers by script."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ENVIRON = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}


@dataclass(frozen=True)
class Arrived:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is sent back. `parts` are sent chunked; `cuts` breaks the connection after them instead of ending well."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: Iterable[bytes] | None = None
    cuts: bool = False
    silent: threading.Event | None = None
    """Send nothing until this is set."""


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer; `x_amzn_errortype` becomes `x-amzn-errortype`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"Content-Type": "application/json", **named}, json.dumps(value).encode())


def error(status: int, code: str, message: str | None = "text", **members: Any) -> Answer:
    """An error as the service words it."""
    return as_json({"Message": message, **members}, status, **{"x-amzn-ErrorType": code})


def frame(payload: bytes, headers: dict[str, str] | None = None) -> bytes:
    """One event-stream frame; a payload part unless told."""
    named = headers or {
        ":event-type": "PayloadPart",
        ":content-type": "application/octet-stream",
        ":message-type": "event",
    }
    pairs = [(name.encode(), value.encode()) for name, value in named.items()]
    raw = b"".join(bytes([len(n)]) + n + b"\x07" + struct.pack(">H", len(v)) + v for n, v in pairs)
    prelude = struct.pack(">II", 16 + len(raw) + len(payload), len(raw))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + raw + payload
    return start + struct.pack(">I", zlib.crc32(start))


def stream(parts: Iterable[bytes], *, cuts: bool = False, content_type: str = "application/json") -> Answer:
    """An event-stream answer, one HTTP chunk per given bytes."""
    headers = {
        "Content-Type": "application/vnd.amazon.eventstream",
        "X-Amzn-SageMaker-Content-Type": content_type,
        "x-Amzn-Invoked-Production-Variant": "AllTraffic",
    }
    return Answer(200, headers, parts=list(parts), cuts=cuts)


Script = Callable[[Arrived], Answer]


class Standin:
    """The server. `answer` is asked for every request that verifies; `arrived` holds all of them."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.answer: Script = lambda arrived: as_json({"ok": True})
        self.bad_signatures: list[str] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def reset(self) -> None:
        """As new: nothing arrived, nothing scripted."""
        with self._lock:
            self.arrived, self.bad_signatures = [], []
            self.answer = lambda arrived: as_json({"ok": True})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environ(self, **more: str) -> dict[str, str]:
        """What an emulator's `env` sets."""
        return {**ENVIRON, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.url, **more}

    def script(self, *answers: Answer) -> None:
        """Answer these, in order; the last one again and again."""
        left = list(answers)
        self.answer = lambda arrived: left.pop(0) if len(left) > 1 else left[0]

    def take(self, arrived: Arrived) -> Answer:
        with self._lock:
            self.arrived.append(arrived)
            if problem := _signature_problem(self.url, arrived):
                self.bad_signatures.append(problem)
                return error(403, "InvalidSignatureException", problem)
            answer = self.answer
        return answer(arrived)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed resets its connections; some tests mean to do that."""


def _signature_problem(url: str, arrived: Arrived) -> str:
    """Empty when botocore would have signed the same."""
    authorization = arrived.headers.get("authorization", "")
    if "SignedHeaders=" not in authorization:
        return "unsigned"
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    signed = {n: arrived.headers[n] for n in names if n not in ("host", "x-amz-date", "x-amz-security-token")}
    request = AWSRequest("POST", url + arrived.path, headers=signed, data=arrived.body)
    request.context["timestamp"] = arrived.headers["x-amz-date"]
    token = arrived.headers.get("x-amz-security-token")
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, token), "sagemaker", authorization.split("/")[2])
    request.headers["X-Amz-Date"] = arrived.headers["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    missing = [n for n in arrived.headers if n.startswith("x-amzn-") and n not in names]
    if missing:
        return f"unsigned {missing}"
    return "" if authorization.endswith(wanted) else "The request signature we calculated does not match"


def _handler_of(standin: Standin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {n.lower(): v.encode("latin-1").decode("utf-8", "replace") for n, v in self.headers.items()}
            answer = standin.take(Arrived(self.path, headers, body))
            try:
                self._send(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has left, which some tests mean to do

        def _send(self, answer: Answer) -> None:
            if answer.silent is not None:
                answer.silent.wait(10)
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("x-amzn-RequestId", f"request-{len(standin.arrived)}")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.parts is None:
                self.send_header("Content-Length", str(len(answer.body) + 100 * answer.cuts))
                self.end_headers()
                self.wfile.write(answer.body)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in answer.parts:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                if not answer.cuts:
                    self.wfile.write(b"0\r\n\r\n")
            if answer.cuts:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *args: Any) -> None:
            return

    return Handler
