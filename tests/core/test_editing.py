"""Documents lose nothing, read well, and refuse slips of the pen by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from exchange_samples import interaction, interactions, stream
from hypothesis import given, settings

from sagetape.core.editing import DocumentError, body_from, body_of, document_of, interaction_from
from sagetape.core.eventstream import exception, payload_part
from sagetape.core.wire import Abort, Chunk, End, Head, Interaction


@given(interactions())
@settings(max_examples=100)
def test_document_gives_back_the_same_interaction(one: Interaction) -> None:
    """Through JSON text and back, nothing of what a record holds is lost or changed."""
    text = json.dumps(document_of(one, number=3, key=b"k" * 16), ensure_ascii=False)
    assert interaction_from(json.loads(text.encode("utf-8"))) == one


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b'{"a":[1,2.5]}', {"json": {"a": [1, 2.5]}}),
        (b'{"a": [1, 2.5]}', {"json": {"a": [1, 2.5]}, "style": "python"}),
        (b'{"a" : 1}', {"text": '{"a" : 1}'}),
        (b'{"a":1,"a":2}', {"text": '{"a":1,"a":2}'}),
        (b'{"a":1e400}', {"text": '{"a":1e400}'}),
        (b'{"a":1.10}', {"text": '{"a":1.10}'}),
        (b"1,2\n3,4\n", {"text": "1,2\n3,4\n"}),
        (b"\x93NUMPY\xff", {"base64": "k05VTVBZ/w=="}),
        (b"", {"text": ""}),
    ],
)
def test_body_is_shown_as_the_plainest_form_that_keeps_its_bytes(body: bytes, form: dict[str, Any]) -> None:
    """A value where writing it again gives these very bytes, else the text, else base64."""
    assert body_of(body) == form
    assert body_from(form, "body") == body


def test_frames_of_a_stream_are_shown_opened() -> None:
    """A part shows what the model said, an exception its headers; a damaged frame its bytes."""
    damaged = payload_part(b"x")[:-1] + b"?"
    script = (*stream(b"one", b"two")[:-1], Chunk(damaged), Chunk(exception("ModelStreamError", "gone")), End())
    shown = document_of(interaction(script=script))["answer"]
    assert shown[1:3] == [{"part": {"text": "one"}}, {"part": {"text": "two"}}]
    assert list(shown[3]) == ["chunk"]
    assert [":exception-type", "ModelStreamError"] in shown[4]["frame"]
    assert shown[4]["payload"] == {"json": {"Message": "gone"}}


def test_broken_answer_is_shown_as_broken() -> None:
    """No form of a cut answer may look whole."""
    shown = document_of(interaction(script=(Head(200), Chunk(b"half"), Abort("reset"))))["answer"]
    assert shown[-1] == {"abort": "reset"}
    assert interaction_from(document_of(interaction(script=(Head(200), Abort("reset"))))).script[-1] == Abort("reset")


def _with(**changes: Any) -> dict[str, Any]:
    return {**document_of(interaction()), **changes}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "not an object"),
        (_with(endpont="x"), "nearest is 'endpoint'"),
        (_with(endpoint=7), "endpoint is 7"),
        (_with(members={"Accept": 1}), "members: Accept is 1"),
        (_with(body={"json": 1, "text": "1"}), "body is no body"),
        (_with(body={"json": 1, "style": "java"}), "body is no body"),
        (_with(body={"json": float("nan")}), "cannot be written as JSON"),
        (_with(body={"text": "\ud800"}), "half a character"),
        (_with(body={"base64": "not base64"}), "is not base64"),
        (_with(sha256="zz"), "no hexadecimal"),
        (_with(answer={"head": 200}), "not a list of steps"),
        (_with(answer=[{"heads": 200}]), "is none of head"),
        (_with(answer=[{"head": True}]), "head is True"),
        (_with(answer=[{"head": 99}]), "no HTTP status"),
        (_with(answer=[{"head": 200, "headers": [["a"]]}]), "not a [name, value]"),
        (_with(answer=[{"end": False}]), "end is not true"),
        (_with(answer=[{"pause_s": "1"}]), "Write a number of seconds"),
        (_with(answer=[{"pause_s": 1, "end": True}]), "'end' is not known"),
        (_with(answer=[{"frame": [["", "x"]], "payload": {"text": ""}}]), "header name of 0"),
        (_with(origin={"recorded_at": 1, "source": "aws", "version": "1"}), "synthetic is missing"),
        (_with(session={"lane": "a", "step": 1.5}), "step is 1.5"),
        (_with(notes=[]), "notes is not an object"),
    ],
)
def test_slip_of_the_pen_is_named(document: Any, said: str) -> None:
    """What cannot be stored is refused with its place; nothing is dropped in silence."""
    with pytest.raises(DocumentError) as caught:
        interaction_from(document, "interaction 4")
    assert said in str(caught.value)
    assert str(caught.value).startswith("interaction 4")
