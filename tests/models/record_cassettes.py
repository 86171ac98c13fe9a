"""Records the shipped cassettes through the product itself (`make cassettes`), and the bodies that the README sends."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from botocore.exceptions import ClientError
from sklearn.datasets import load_digits

from tests.models.chain import as_aws, recording
from tests.models.running import ROOT, running

CASSETTES = ROOT / "cassettes"
NPY = "application/x-npy"


def csv_row(image: np.ndarray) -> bytes:
    """One image as the container reads it."""
    return ",".join(f"{pixel:g}" for pixel in image).encode() + b"\n"


def npy(images: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, images)
    return buffer.getvalue()


def record_digits(client: Any, images: np.ndarray) -> None:
    """JSON, CSV and binary predictions, and a model error."""
    client.invoke_endpoint(EndpointName="digits", ContentType="text/csv", Body=csv_row(images[0]))
    body = json.dumps({"instances": images[:2].tolist()})
    client.invoke_endpoint(EndpointName="digits", ContentType="application/json", Body=body)
    client.invoke_endpoint(EndpointName="digits", ContentType=NPY, Accept=NPY, Body=npy(images[:3]))
    with contextlib.suppress(ClientError):  # a row of two numbers is no image: the container's 400 is a 424 here
        client.invoke_endpoint(EndpointName="digits", ContentType="text/csv", Body=b"1,2\n")


def record_text(client: Any) -> None:
    """A stream, and the same text as one answer."""
    request = {
        "EndpointName": "text",
        "ContentType": "application/json",
        "Body": b'{"prompt":"We the People","max_tokens":16}',
    }
    list(client.invoke_endpoint_with_response_stream(**request)["Body"])
    client.invoke_endpoint(**request)


def record_conversation(client: Any) -> None:
    """One session from its opening to its end."""
    common = {"EndpointName": "conversation", "ContentType": "application/json"}
    opened = client.invoke_endpoint(SessionId="NEW_SESSION", Body=b'{"requestType":"NEW_SESSION"}', **common)
    session_id = opened["NewSessionId"].split(";")[0]
    client.invoke_endpoint(SessionId=session_id, Body=b'{"text":"Four score"}', **common)
    asked = client.invoke_endpoint_with_response_stream(SessionId=session_id, Body=b'{"text":"and then?"}', **common)
    list(asked["Body"])
    client.invoke_endpoint(SessionId=session_id, Body=b'{"requestType":"CLOSE"}', **common)


def record_all(folder: Path, images: np.ndarray) -> None:
    """The three cassettes, into a folder."""
    with (
        running("digits") as digits,
        running("text") as text,
        running("stateful") as stateful,
        tempfile.TemporaryDirectory() as scratch,
        as_aws(Path(scratch), {"digits": digits, "text": text, "conversation": stateful}) as aws,
    ):
        with recording(folder / "digits.tape", aws) as client:
            record_digits(client, images)
        with recording(folder / "text.tape", aws) as client:
            record_text(client)
        with recording(folder / "conversation.tape", aws) as client:
            record_conversation(client)


def main(folder: Path = CASSETTES) -> int:
    """Replaces the cassettes of a folder, the shipped ones, when all of them were recorded."""
    images = load_digits().data
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        record_all(Path(scratch), images)
        for made in Path(scratch).glob("*.tape"):
            made.replace(folder / made.name)
            print(f"recorded {folder.name}/{made.name}")
    (folder / "zero.csv").write_bytes(csv_row(images[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
