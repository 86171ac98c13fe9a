"""The requests of the golden file `tests/golden/wire/answers.json`, and how one is asked on a raw socket.

Run as a program it writes the answers anew; what it writes is reviewed against the evidence beside each case.
"""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sagetape import Emulator

GOLDEN = Path(__file__).parents[1] / "golden" / "wire" / "answers.json"
ENDPOINTS: dict[str, Any] = {
    "echo": {"upstream": "function:wire_models:echo"},
    "fails": {"upstream": "function:wire_models:fails"},
    "slow": {"upstream": "function:wire_models:slow"},
    "talks": {"upstream": "function:wire_models:talks"},
    "breaks": {"upstream": "function:wire_models:breaks"},
    "drags": {"upstream": "function:wire_models:drags"},
    "gone": {"upstream": "http://127.0.0.1:9"},
    "attributes": {"upstream": "function:wire_models:attributes"},
}
MODELS = """
from sagetape import Answer, ModelFailure

def echo(invocation):
    return {"bytes": len(invocation.body)}

def attributes(invocation):
    return Answer(b"7", content_type="text/csv", custom_attributes="trace=1")

def fails(invocation):
    status, _, body = invocation.body.partition(b" ")
    raise ModelFailure(int(status), body)

async def slow(invocation):
    await invocation.clock.sleep(61)
    return {}

def talks(invocation):
    yield b'{"a":1}\\n'
    yield b"two"

def breaks(invocation):
    yield b"one"
    raise RuntimeError("broken")

async def drags(invocation):
    yield b"one"
    await invocation.clock.sleep(481)
    yield b"never"
"""


@contextmanager
def server(folder: Path, **settings: Any) -> Iterator[Emulator]:
    """The emulator that all cases are asked of: a virtual clock, no signatures unless a case is about them."""
    (folder / "wire_models.py").write_text(MODELS)
    options = {"auth": "off", "clock": "virtual", "seed": 7, **settings}
    with Emulator(endpoints=ENDPOINTS, python_path=folder, **options) as emulator:
        yield emulator


def ask(port: int, head: str, body: bytes = b"") -> bytes:
    """One request on one connection, to the connection's end. `head` has no Host, length and final line."""
    lines = head.split("\n")
    if not any(line.lower().startswith("host:") for line in lines):
        lines.append(f"Host: 127.0.0.1:{port}")
    lines += [f"Content-Length: {len(body)}", "Connection: close"]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def readable(answer: bytes, *, keeps_date: bool = False) -> dict[str, Any]:
    """An answer as the golden file has it: what differs from run to run is replaced, the body is text or hex."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *headers = head.decode("latin-1").split("\r\n")
    shown = headers if keeps_date else [re.sub(r"^Date: .*", "Date: <date>", line) for line in headers]
    shown = [re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>", line) for line in shown]
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        return {"status": status, "headers": shown, "body hex": body.hex()}
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>", text)
    return {"status": status, "headers": shown, "body": text}


INVOKE = "POST /endpoints/{}/invocations HTTP/1.1"
STREAM = "POST /endpoints/{}/invocations-response-stream HTTP/1.1"
MODEL_ERRORS = "aws/amazon-sagemaker-examples#1881, #833; body with sorted keys: opensearch-project/skills PPLTool"

# name: (evidence, request head, body)
CASES: dict[str, tuple[str, str, bytes]] = {
    "json answer": (
        "header set: traces 1 to 4 (public READMEs of 2021 to 2024), Connection as in trace 2",
        INVOKE.format("echo") + "\nContent-Type: application/json",
        b"{}",
    ),
    "answer with custom attributes": (
        "botocore, InvokeEndpointOutput.CustomAttributes",
        INVOKE.format("attributes"),
        b"",
    ),
    "stream": (
        "header set: trace 7, langchain-ai/langchain-aws#128; frames: botocore's event stream parser",
        STREAM.format("talks"),
        b"{}",
    ),
    "stream broken by the model": ("botocore, ModelStreamError, ErrorCode StreamBroken", STREAM.format("breaks"), b""),
    "stream over 8 minutes": (
        "botocore, ModelStreamError, ErrorCode ModelInvocationTimeExceeded; 8 minutes: its documentation",
        STREAM.format("drags"),
        b"",
    ),
    "endpoint unknown": ("aws/amazon-sagemaker-examples#293, #559, #1477", INVOKE.format("nobody"), b""),
    "endpoint name against the pattern": (
        "grammar: aws/amazon-sagemaker-examples#2236 (control plane); inferred for the runtime",
        INVOKE.format("bad_name"),
        b"",
    ),
    "endpoint name too long and against the pattern": (
        "grammar: aws/amazon-sagemaker-examples#2236; inferred for the runtime",
        INVOKE.format("_" * 64),
        b"",
    ),
    "inference id too long": (
        "botocore, shape InferenceId; grammar: aws/amazon-sagemaker-examples#2236",
        INVOKE.format("echo") + "\nX-Amzn-SageMaker-Inference-Id: " + "x" * 65,
        b"",
    ),
    "custom attributes not ASCII": (
        "botocore, shape CustomAttributesHeader (sensitive: the value is not repeated)",
        INVOKE.format("echo") + "\nX-Amzn-SageMaker-Custom-Attributes: \xe9",
        b"",
    ),
    "target model on another endpoint": (
        "aws/amazon-sagemaker-examples#1216, #1026",
        INVOKE.format("echo") + "\nX-Amzn-SageMaker-Target-Model: a.tar.gz",
        b"",
    ),
    "model error A, 4xx": (MODEL_ERRORS, INVOKE.format("fails"), b'400 no such "column"\nage'),
    "model error A, 5xx without a body": (MODEL_ERRORS, INVOKE.format("fails"), b"500 "),
    "model error A, 503": (
        "every non-2xx is 424: docs.sarvam.ai/api/self-hosted/sagemaker/errors",
        INVOKE.format("fails"),
        b"503 busy",
    ),
    "model error A, redirect": (
        "3xx are not followed; the client's class is a choice",
        INVOKE.format("fails"),
        b"302 there",
    ),
    "model error B": ("awslabs/realtime-fraud-detection-with-gnn-on-dgl#1331", INVOKE.format("fails"), b"500 \xff\xfe"),
    "model error C": (
        "aws/amazon-sagemaker-examples#799; status 424: aws-samples/host-yolov8-on-sagemaker-endpoint#21",
        INVOKE.format("slow"),
        b"",
    ),
    "model error D": ("aws/amazon-sagemaker-examples#2815, #3089, #177", INVOKE.format("gone"), b""),
    "model error before a stream": ("errors before the first byte are plain JSON", STREAM.format("fails"), b"400 no"),
    "operation unknown": (
        "404 and 29 bytes of XML: same front-end family (bedrock-runtime)",
        "POST /endpoints/echo HTTP/1.1",
        b"",
    ),
    "method unknown": (
        "right path, other method: same front-end family",
        "GET /endpoints/echo/invocations HTTP/1.1",
        b"",
    ),
    "async": ("ours: a code that AWS never uses", "POST /endpoints/echo/async-invocations HTTP/1.1", b""),
    "body too large": (
        "AWS's Netty text, seen on API Gateway; recalled for SageMaker",
        INVOKE.format("echo"),
        b"x" * 5001,
    ),
    "host of somebody else": ("RFC 9110, 15.5.20", INVOKE.format("echo") + "\nHost: evil.example", b""),
    "upgrade": ("ours", INVOKE.format("echo") + "\nUpgrade: h2c", b""),
}


def answers(folder: Path) -> dict[str, Any]:
    """What the emulator says to every case."""
    found: dict[str, Any] = {}
    with server(folder, body_bytes_max=5000) as emulator:
        port = int(emulator.url.rpartition(":")[2])
        for name, (evidence, head, body) in CASES.items():
            found[name] = {"evidence": evidence, **readable(ask(port, head, body))}
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    GOLDEN.write_text(json.dumps(answers(folder), indent=1) + "\n")
