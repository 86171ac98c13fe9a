"""The containers of this folder answer as SageMaker's contract asks, by themselves and through the platform."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sagetape.core.eventstream import decode
from sagetape.core.wire import Chunk, Head, Step, body_of
from sagetape.shell.clock import RealClock
from sagetape.shell.upstreams import parse_upstream
from sagetape.shell.upstreams.container import Container, Reply
from tests.models.ngram import WORD, Ngram, read_corpus
from tests.models.running import running
from tests.shell.upstream_servers import STREAM, ask_of, steps_of

SESSION = "X-Amzn-SageMaker-Session-Id"


def send(
    url: str, method: str, path: str, *, body: bytes | str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name and body of one plain HTTP call."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def invoke(url: str, body: bytes | str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """`POST /invocations`; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return send(url, "POST", "/invocations", body=body, headers=named)


@pytest.fixture(scope="module")
def digits() -> Iterator[str]:
    with running("digits") as url:
        yield url


@pytest.fixture(scope="module")
def text() -> Iterator[str]:
    with running("text", "--wait-s", "0") as url:
        yield url


# --- digits -----------------------------------------------------------------------------------------------------


def npy(rows: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


IMAGES, LABELS = load_digits(return_X_y=True)
FORMS = {
    "application/json": json.dumps({"instances": IMAGES[:50].tolist()}).encode(),
    "text/csv": "\n".join(",".join(map(str, row)) for row in IMAGES[:50]).encode(),
    "application/x-npy": npy(IMAGES[:50]),
}


@pytest.mark.parametrize("content_type", FORMS)
def test_digits_are_recognised_in_every_form(digits: str, content_type: str) -> None:
    """A real classifier: nearly all of fifty images are read right, and alike in every format."""
    status, headers, body = invoke(digits, FORMS[content_type], Content_Type=content_type)
    predictions = json.loads(body)["predictions"]
    assert (status, headers["content-type"]) == (200, "application/json")
    assert sum(p["label"] == label for p, label in zip(predictions, LABELS[:50], strict=True)) >= 48
    assert body == invoke(digits, FORMS["text/csv"], Content_Type="text/csv")[2]


def test_digits_answer_binary_when_asked(digits: str) -> None:
    """Probabilities as npy, the same that JSON has."""
    body = FORMS["application/x-npy"]
    _, headers, answer = invoke(digits, body, Content_Type="application/x-npy", Accept="application/x-npy")
    probabilities = np.load(io.BytesIO(answer), allow_pickle=False)
    assert headers["content-type"] == "application/x-npy"
    assert (probabilities.shape, probabilities.dtype) == ((50, 10), np.float32)
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b'{"instances": [[1, 2]]}', 400),
        ("application/json", b'{"instances": [["a"]]}', 400),
        ("text/csv", b"1,2,x", 400),
        ("text/csv", b"", 400),
        ("application/x-npy", b"\x93NUMPY", 400),
        ("application/x-npy", npy(np.array([{}], dtype=object)), 400),
        ("image/png", b"x", 415),
    ],
)
def test_digits_refuse_what_is_no_image(digits: str, content_type: str, body: bytes, status: int) -> None:
    """The caller's error, explained as JSON."""
    got, _, answer = invoke(digits, body, Content_Type=content_type)
    assert got == status
    assert json.loads(answer)["error"]


@pytest.mark.parametrize("name", ["digits", "text"])
def test_ping_is_200_and_empty(name: str, request: pytest.FixtureRequest) -> None:
    """The platform's health check."""
    status, _, body = send(request.getfixturevalue(name), "GET", "/ping")
    assert (status, body) == (200, b"")


# --- text -------------------------------------------------------------------------------------------------------


def test_text_is_made_of_words_that_follow_each_other_in_the_corpus() -> None:
    """Every pair of neighbours was seen in training: it is a model, not a list of words."""
    corpus = read_corpus()
    words = "".join(Ngram(corpus.values(), order=3).continue_text("We the People", words=200, seed=1))
    seen = {pair for text in corpus.values() for pair in itertools.pairwise(WORD.findall(text))}
    made = WORD.findall("We the People" + words)
    assert sum(pair in seen for pair in itertools.pairwise(made)) >= 195


def test_text_is_equal_for_equal_requests(text: str) -> None:
    """And another for another seed."""
    first, again, other = (
        invoke(text, json.dumps({"prompt": "We", "seed": seed}), Content_Type="application/json")[2]
        for seed in (1, 1, 2)
    )
    assert first == again != other
    assert json.loads(first)["tokens"] == 40


async def ask(url: str, *, operation: str, body: dict[str, Any], members: dict[str, str] | None = None) -> list[Step]:
    """One call through the platform."""
    members = {"ContentType": "application/json", **(members or {})}
    return await steps_of(parse_upstream(url), ask_of(operation, body=json.dumps(body).encode(), members=members))


def parts_of(steps: list[Step]) -> list[bytes]:
    return [decode(step.data).payload for step in steps if isinstance(step, Chunk)]


@pytest.mark.parametrize("accept", ["application/jsonlines", "text/event-stream", "text/plain"])
async def test_text_streams_one_word_a_part(text: str, accept: str) -> None:
    """Through the platform: each chunk of the container is a part, and together they are the whole answer."""
    wish = {"prompt": "We the People", "max_tokens": 9}
    whole = json.loads(body_of(tuple(await ask(text, operation="InvokeEndpoint", body=wish))))["text"]
    steps = await ask(text, operation=STREAM, body=wish, members={"Accept": accept})
    parts = [part.decode() for part in parts_of(steps)]
    if accept != "text/plain":
        parts = [json.loads(part.removeprefix("data: "))["token"] for part in parts]
    assert (len(parts), "".join(parts)) == (9, whole)
    assert isinstance(steps[0], Head)
    assert steps[0].header("X-Amzn-SageMaker-Content-Type") == accept


async def test_text_can_break_its_stream(text: str) -> None:
    """For recordings of a broken one."""
    steps = await ask(text, operation=STREAM, body={"prompt": "We", "max_tokens": 9, "fail_after": 1})
    assert json.loads(parts_of(steps)[-1])["ErrorCode"] == "StreamBroken"


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"prompt": 1}', '{"max_tokens": -1}', '{"max_tokens": 9999}', '{"seed": "x"}']
)
def test_text_refuses_what_it_cannot_read(text: str, body: str) -> None:
    """The caller's error, explained as JSON."""
    status, _, answer = invoke(text, body, Content_Type="application/json")
    assert status == 400
    assert json.loads(answer)["error"]


# --- sessions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["session", "new"])
async def test_session_lives_through_the_platform(spelling: str) -> None:
    """Opens under the client's header whatever the container's spelling, remembers, continues as a stream, closes."""
    with running("stateful", "--spelling", spelling) as url:
        opened = (await ask(url, operation="InvokeEndpoint", body={"requestType": "NEW_SESSION"}, members=new()))[0]
        assert isinstance(opened, Head)
        name = (opened.header("X-Amzn-SageMaker-New-Session-Id") or "").split(";")[0]
        turns = [await say(url, name, "We the People"), await say(url, name, "of the United States")]
        other = await say(url, None, "of the United States")
        streamed = await ask(url, operation=STREAM, body={"text": "in Order"}, members={"SessionId": name})
        closing = {"requestType": "CLOSE"}
        closed = (await ask(url, operation="InvokeEndpoint", body=closing, members={"SessionId": name}))[0]
        after = await ask(url, operation="InvokeEndpoint", body=closing, members={"SessionId": name})
    assert [turn["turn"] for turn in (*turns, other)] == [1, 2, 1]
    assert turns[1]["reply"] != other["reply"]
    assert len(parts_of(streamed)) == 12
    assert isinstance(closed, Head)
    assert closed.header("X-Amzn-SageMaker-Closed-Session-Id") == name
    assert f"session not found: {name}" in json.loads(body_of(tuple(after)))["Message"]


def new() -> dict[str, str]:
    return {"SessionId": "NEW_SESSION"}


async def say(url: str, session: str | None, words: str) -> dict[str, Any]:
    """One turn of a conversation."""
    members = {} if session is None else {"SessionId": session}
    steps = await ask(url, operation="InvokeEndpoint", body={"text": words}, members=members)
    reply: dict[str, Any] = json.loads(body_of(tuple(steps)))
    return reply


def test_session_that_expired_is_forgotten() -> None:
    """A lifetime of zero ends at once; the header says when."""
    with running("stateful", "--ttl-s", "0") as url:
        _, headers, _ = invoke(url, "{}", **{SESSION: "NEW_SESSION"})
        value = headers[SESSION.lower()]
        status, _, body = invoke(url, '{"text": "a"}', **{SESSION: value.split(";")[0]})
    assert re.fullmatch(r"[0-9a-f-]{36}; Expires=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value)
    assert (status, b"session not found" in body) == (400, True)


# --- many models ------------------------------------------------------------------------------------------------


async def test_models_are_loaded_listed_invoked_and_unloaded() -> None:
    """The container API of multi-model endpoints, through the upstream that drives it."""
    clock = RealClock()
    with running("multi_model", "--capacity", "2", "--page", "1") as url:
        container = parse_upstream(url)
        assert isinstance(container, Container)

        async def control(method: str, path: str, **body: str) -> Reply:
            data = json.dumps(body).encode() if body else b""
            return await container.control(method, path, body=data, clock=clock, timeout_s=60)

        names = ("a", "a", "b", "c")
        loads = [
            (await control("POST", "/models", model_name=name, url=f"/opt/ml/models/{name}/model")).status
            for name in names
        ]
        pages = [json.loads((await control("GET", "/models")).body)]
        pages.append(json.loads((await control("GET", f"/models?next_page_token={pages[0]['nextPageToken']}")).body))
        listed = [model["modelName"] for page in pages for model in page["models"]]
        call = ask_of(body=b'{"prompt": "We"}', members={"TargetModel": "team/fr.tar.gz"}, path="/models/b/invoke")
        steps = [step async for step in container.ask(call, clock=clock)]
        unloads = [(await control("DELETE", f"/models/{name}")).status for name in ("b", "b")]
        gone = [step async for step in container.ask(call, clock=clock)]
        shown = [send(url, "GET", f"/models/{name}")[0] for name in ("a", "b")]
        await container.close()
    assert loads == [200, 409, 200, 507]
    assert listed == ["a", "b"]
    assert json.loads(body_of(tuple(steps)))["model"] == "team/fr.tar.gz"
    assert unloads == [200, 404]
    assert json.loads(body_of(tuple(gone)))["OriginalStatusCode"] == 404
    assert shown == [200, 404]


# --- starting and ending ----------------------------------------------------------------------------------------


def test_container_starts_by_its_path_and_ends_on_sigterm() -> None:
    """With one ready line, and exit code 0."""
    path = Path(__file__).with_name("multi_model.py")
    process = subprocess.Popen([sys.executable, str(path), "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert re.fullmatch(r"ready url=http://127\.0\.0\.1:[0-9]+\n", process.stdout.readline())
    process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert (rest, process.returncode) == ("", 0)


def test_container_that_cannot_start_says_why() -> None:
    """The process's own words are in the error."""
    with pytest.raises(RuntimeError, match="unrecognized arguments: --nonsense"), running("multi_model", "--nonsense"):
        pass
