"""The main job, end to end: record a real model through two servers, stop everything, replay offline."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn.datasets import load_digits
from tests.models.chain import UPSTREAM_KEY, as_aws, client, recorder, replaying
from tests.models.record_cassettes import NPY, csv_row, npy
from tests.models.running import running
from tests.shell.independent_tape import bodies, frames

IMAGES = load_digits().data
CSV = {"EndpointName": "digits", "ContentType": "text/csv", "Body": csv_row(IMAGES[3])}
ARRAY = {"EndpointName": "digits", "ContentType": NPY, "Accept": NPY, "Body": npy(IMAGES[:4])}
BAD = {"EndpointName": "digits", "ContentType": "text/csv", "Body": b"1,2\n"}
STREAM = {"EndpointName": "text", "ContentType": "application/json", "Body": b'{"prompt":"When in","max_tokens":5}'}


def ask_everything(asked: Any) -> dict[str, Any]:
    """What one program gets of the models: a prediction, an array, an error, a stream."""
    found: dict[str, Any] = {}
    for name, request in (("csv", CSV), ("array", ARRAY)):
        answer = asked.invoke_endpoint(**request)
        found[name] = (answer["Body"].read(), answer["ContentType"], answer["CustomAttributes"])
    with pytest.raises(ClientError) as caught:
        asked.invoke_endpoint(**BAD)
    error = caught.value.response
    found["error"] = (error["Error"]["Code"], error["OriginalStatusCode"], error["OriginalMessage"])
    stream = asked.invoke_endpoint_with_response_stream(**STREAM)
    found["stream"] = [event["PayloadPart"]["Bytes"] for event in stream["Body"]]
    return found


class Recorded(NamedTuple):
    """What a caller was answered while it was recorded, the cassette, and what must not be in it."""

    live: dict[str, Any]
    cassette: Path
    caller_key: tuple[str, str]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Everything has been stopped since."""
    folder = tmp_path_factory.mktemp("journey")
    cassette = folder / "journey.tape"
    with (
        running("digits") as digits,
        running("text") as text,
        as_aws(folder, {"digits": digits, "text": text}) as aws,
    ):
        with recorder(cassette, aws) as ready:
            caller_key = ready["access_key_id"], ready["secret_access_key"]
            with closing(client(ready["url"], *caller_key)) as asked:
                live = ask_everything(asked)
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            client(aws, "test2", "test2").invoke_endpoint(**CSV)
    return Recorded(live, cassette, caller_key)


def test_replay_without_the_model_answers_the_same(recorded: Recorded) -> None:
    """Bytes, content types, custom attributes, the error's members and the stream's parts: all as they were."""
    with replaying(recorded.cassette) as asked:
        assert recorded.live == ask_everything(asked)


def test_recorded_answers_are_the_models(recorded: Recorded) -> None:
    """What was recorded is what the classifier says: the image of a three is a three."""
    live = recorded.live
    assert [p["label"] for p in json.loads(live["csv"][0])["predictions"]] == [3]
    assert np.load(io.BytesIO(live["array"][0])).shape == (4, 10)
    assert len(live["stream"]) == 5
    assert live["error"][:2] == ("ModelError", 400)


def unpacked(cassette: Path) -> bytes:
    """All that a cassette holds: the file, its records without their masks, bodies inflated by the second reader."""
    data = cassette.read_bytes()
    found, broken = frames(data)
    assert not broken
    return b"\n".join((data, *(one["payload"] for one in found), *bodies(found).values()))


def test_cassette_holds_no_credential(recorded: Recorded) -> None:
    """Neither the caller's key nor the upstream's, nor a signature is on disk; only the owner may read it."""
    data = unpacked(recorded.cassette)
    assert ARRAY["Body"] not in recorded.cassette.read_bytes(), "a packed body, which a search of the file would miss"
    for known in (ARRAY["Body"], CSV["Body"], b"application/vnd.amazon.eventstream", b"OriginalMessage"):
        assert known in data
    marks = ("AWS4-HMAC-SHA256", "Signature=", "Authorization", "authorization", "SAGETAPE")
    for secret in (*UPSTREAM_KEY, *recorded.caller_key, *marks):
        assert secret.encode() not in data, secret
    assert recorded.cassette.stat().st_mode & 0o777 == 0o600


def test_replay_asks_no_unknown_caller(recorded: Recorded) -> None:
    """A replay verifies signatures too: a wrong secret gets AWS's text, not the recorded answer."""
    with replaying(recorded.cassette) as asked:
        url = asked.meta.endpoint_url
        with pytest.raises(ClientError, match="The request signature we calculated does not match"):
            client(url, "test", "wrong").invoke_endpoint(**CSV)
