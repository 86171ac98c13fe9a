"""A container that continues a text with the n-gram model of `ngram.py`, at once or as a stream.

`POST /invocations` takes `{"prompt": "...", "max_tokens": 40, "seed": 0}` and answers `{"text": "...", "tokens": 40}`.
Called for a stream (the platform says so in `X-Amzn-SageMaker-Forwarded-Api`; or `"stream": true`) it answers in HTTP
chunks, one per word, `--wait-s` apart: `{"token": " people"}` a line as `application/jsonlines`, server-sent events for
`Accept: text/event-stream`, bare text for `Accept: text/plain`. `"fail_after": n` breaks the connection after n words.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:  # started by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiohttp import web

from tests.models.ngram import Ngram, read_corpus
from tests.models.serving import Unreadable, arguments, new_app, parse_json, serve

WORDS_MAX = 2000
JSON_LINES = "application/jsonlines"


def as_line(token: str) -> bytes:
    return json.dumps({"token": token}).encode() + b"\n"


def as_event(token: str) -> bytes:
    return b"data: " + json.dumps({"token": token}).encode() + b"\n\n"


WRITERS: dict[str, Callable[[str], bytes]] = {
    JSON_LINES: as_line,
    "text/event-stream": as_event,
    "text/plain": str.encode,
}


def is_stream(request: web.Request, wish: dict[str, Any]) -> bool:
    """Whether the platform, or the body, asks for a stream."""
    api = request.headers.get("X-Amzn-SageMaker-Forwarded-Api")
    return api == "InvokeEndpointWithResponseStream" or wish.get("stream") is True


def read_number(wish: dict[str, Any], name: str, default: int) -> int:
    """A whole number of the body from 0 to 2,000. Raises Unreadable."""
    value = wish.get(name, default)
    if not isinstance(value, int) or not 0 <= value <= WORDS_MAX:
        raise Unreadable(f"{name} must be a whole number from 0 to {WORDS_MAX}, not {value!r}")
    return value


async def stream_words(request: web.Request, words: list[str], *, wait_s: float, fail_after: int) -> web.StreamResponse:
    """The words, one per HTTP chunk; after `fail_after` of them (0: never) the connection breaks."""
    accept = request.headers.get("Accept", "")
    content_type = next((kind for kind in WRITERS if kind in accept), JSON_LINES)
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for number, word in enumerate(words, start=1):
        await response.write(WRITERS[content_type](word))
        if number == fail_after and request.transport is not None:
            request.transport.close()
            return response
        if wait_s:
            await asyncio.sleep(wait_s)
    await response.write_eof()
    return response


def make_app(model: Ngram, *, wait_s: float) -> web.Application:
    """The container around a trained model."""

    async def invoke(request: web.Request) -> web.StreamResponse:
        wish = parse_json(await request.read())
        prompt = wish.get("prompt", "")
        if not isinstance(prompt, str):
            raise Unreadable(f"prompt must be text, not {prompt!r}")
        count, seed = read_number(wish, "max_tokens", 40), read_number(wish, "seed", 0)
        words = list(model.continue_text(prompt, words=count, seed=seed))
        if not is_stream(request, wish):
            return web.json_response({"text": "".join(words), "tokens": len(words)})
        return await stream_words(request, words, wait_s=wait_s, fail_after=read_number(wish, "fail_after", 0))

    app = new_app()
    app.router.add_post("/invocations", invoke)
    return app


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--wait-s", type=float, default=0.01, help="between the chunks of a stream")
    options = parser.parse_args()
    serve(make_app(Ngram(read_corpus().values()), wait_s=options.wait_s), options.port)
