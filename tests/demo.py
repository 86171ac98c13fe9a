"""The main job on the shipped cassettes (`make demo`): a replay, and the real client that calls it.

Prints what it did and ends by itself: with 0 when every answer was the recorded one, with 1 otherwise.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from sagetape_client import Client, ModelError, ServiceError
from tests.models.chain import sagetape
from tests.models.running import ROOT

CASSETTES = ("digits", "text", "conversation")
JSON = "application/json"


class Demo:
    """The steps, one after the other, each printed as it is done."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.images = load_digits().data
        self.failures = 0

    def say(self, what: str, answer: str, *, is_right: bool) -> None:
        """One step: what was asked, what came, and whether that is what was recorded."""
        self.failures += not is_right
        mark = "ok" if is_right else "WRONG"
        lines = answer.splitlines() or [""]
        print(f"{mark:5} {what}")
        for line in lines:
            print(f"        {line}")

    def predict(self) -> None:
        """A JSON prediction."""
        instances = self.images[:2].tolist()
        answer = self.client.invoke("digits", {"instances": instances}, content_type=JSON)
        labels = [prediction["label"] for prediction in answer.value()["predictions"]]
        text = f"{answer.status} {answer.content_type}, labels {labels}, variant {answer.invoked_production_variant}"
        self.say("a JSON prediction: two images of digits", text, is_right=labels == [0, 1])

    def predict_binary(self) -> None:
        """A binary prediction: an array in, an array out."""
        buffer = io.BytesIO()
        np.save(buffer, self.images[:3])
        npy = "application/x-npy"
        answer = self.client.invoke("digits", buffer.getvalue(), content_type=npy, accept=npy)
        array = np.load(io.BytesIO(answer.body))
        text = f"{answer.status} {answer.content_type}, {array.dtype} array of {array.shape}: {array.argmax(1)}"
        self.say("a binary prediction: an npy array in, an npy array out", text, is_right=array.shape == (3, 10))

    def stream(self) -> None:
        """A stream, part by part."""
        body = {"prompt": "We the People", "max_tokens": 16}
        with self.client.invoke_stream("text", body, content_type=JSON) as stream:
            words = [document["token"] for document in stream.documents()]
        self.say(f"a stream of {len(words)} parts", "We the People" + "".join(words), is_right=len(words) == 16)

    def converse(self) -> None:
        """A stateful session: opened, used, streamed from, closed."""
        with self.client.session("conversation", open_body={"requestType": "NEW_SESSION"}) as session:
            reply = session.invoke({"text": "Four score"}).value()["reply"]
            words = [d["token"] for d in session.invoke_stream({"text": "and then?"}).documents()]
            session_id = session.id
        text = f"session {session_id}, a fresh id on the recorded lane\n{reply}\n{''.join(words).strip()}"
        self.say("a stateful session: open, ask, stream, close", text, is_right=bool(reply and words))

    def fail(self) -> None:
        """A model error, as AWS words it."""
        try:
            self.client.invoke("digits", b"1,2\n", content_type="text/csv")
        except ModelError as error:
            self.say("a model error: a row of two numbers is no image", str(error), is_right=True)
        else:
            self.say("a model error", "the model answered", is_right=False)

    def miss(self) -> None:
        """A miss, and how it explains itself."""
        image = self.images[0].copy()
        image[20] += 1
        try:
            self.client.invoke("digits", ",".join(f"{p:g}" for p in image) + "\n", content_type="text/csv")
        except ServiceError as error:
            self.say("a miss: one pixel differs from the recording", str(error), is_right=error.code == "SagetapeMiss")
        else:
            self.say("a miss", "something answered", is_right=False)


def main() -> int:
    """Replays, asks, prints."""
    tapes = [str(Path("cassettes") / f"{name}.tape") for name in CASSETTES]
    print(f"$ sagetape replay {' '.join(tapes)}")
    with sagetape("replay", *(str(ROOT / tape) for tape in tapes), "--no-config") as ready:
        print(f"ready at {ready['url']} with {ready['interactions']} interactions; the network is never touched\n")
        client = Client(endpoint_url=ready["url"], access_key="test", secret_key="test", region="us-east-1")
        demo = Demo(client)
        steps: tuple[Callable[[], Any], ...] = (
            *(demo.predict, demo.predict_binary, demo.stream, demo.converse),
            *(demo.fail, demo.miss),
        )
        for step in steps:
            step()
        client.close()
    print(f"\n{len(steps)} steps, {demo.failures} wrong. What this did is in tests/demo.py.")
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())
