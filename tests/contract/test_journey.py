"""The main job, end to end: record a real model through two servers, stop everything, replay offline."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn.datasets import load_digits
from tests.models.chain import UPSTREAM_KEY, as_aws, client, recording, replaying
from tests.models.record_cassettes import NPY, csv_row, npy
from tests.models.running import running

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


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What a caller was answered while it was recorded, and the cassettes. Everything has been stopped since."""
    folder = tmp_path_factory.mktemp("journey")
    cassette = folder / "journey.tape"
    with (
        running("digits") as digits,
        running("text") as text,
        as_aws(folder, {"digits": digits, "text": text}) as aws,
    ):
        with recording(cassette, aws) as asked:
            live = ask_everything(asked)
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            client(aws, "test2", "test2").invoke_endpoint(**CSV)
    return live, cassette


def test_replay_without_the_model_answers_the_same(recorded: tuple[dict[str, Any], Path]) -> None:
    """Bytes, content types, custom attributes, the error's members and the stream's parts: all as they were."""
    live, cassette = recorded
    with replaying(cassette) as asked:
        assert live == ask_everything(asked)


def test_recorded_answers_are_the_models(recorded: tuple[dict[str, Any], Path]) -> None:
    """What was recorded is what the classifier says: the image of a three is a three."""
    live, _ = recorded
    assert [p["label"] for p in json.loads(live["csv"][0])["predictions"]] == [3]
    assert np.load(io.BytesIO(live["array"][0])).shape == (4, 10)
    assert len(live["stream"]) == 5
    assert live["error"][:2] == ("ModelError", 400)


def test_cassette_holds_no_credential(recorded: tuple[dict[str, Any], Path]) -> None:
    """Neither the caller's key nor the upstream's, nor a signature is on disk; only the owner may read it."""
    _, cassette = recorded
    data = cassette.read_bytes()
    for secret in (*UPSTREAM_KEY, "AWS4-HMAC-SHA256", "Signature=", "Authorization", "SAGETAPE"):
        assert secret.encode() not in data, secret
    assert cassette.stat().st_mode & 0o777 == 0o600


def test_replay_asks_no_unknown_caller(recorded: tuple[dict[str, Any], Path]) -> None:
    """A replay verifies signatures too: a wrong secret gets AWS's text, not the recorded answer."""
    _, cassette = recorded
    with replaying(cassette) as asked:
        url = asked.meta.endpoint_url
        with pytest.raises(ClientError, match="The request signature we calculated does not match"):
            client(url, "test", "wrong").invoke_endpoint(**CSV)
