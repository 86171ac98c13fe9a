"""A multi-model container: loads, lists, unloads and invokes models, at most `--capacity` of them at once.

The API is the SageMaker Developer Guide's (mms-container-apis): `POST /models` (409 when loaded, 507 when full),
`GET /models` in pages of `--page`, `GET` and `DELETE /models/{name}` (404 when not loaded), `POST
/models/{name}/invoke`. A model is an n-gram model of one text of the corpus, which one being a function of the URL it
is loaded from; it takes `{"prompt": "...", "max_tokens": 10}` and answers `{"text": "...", "model": "<TargetModel>"}`.
Loading takes `--load-s`.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

if not __package__:  # started by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiohttp import web

from tests.models.ngram import Ngram, read_corpus
from tests.models.serving import Unreadable, arguments, new_app, parse_json, serve
from tests.models.text import read_number

TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"


@dataclass
class Shelf:
    """The loaded models, by their opaque name: the URL they came from, and the model."""

    capacity: int
    load_s: float = 0.0
    page: int = 100
    models: dict[str, tuple[str, Ngram]] = field(default_factory=dict)

    async def load(self, request: web.Request) -> web.Response:
        wish = parse_json(await request.read())
        name, url = wish.get("model_name"), wish.get("url")
        if not isinstance(name, str) or not isinstance(url, str):
            raise Unreadable('expected {"model_name": "...", "url": "..."}')
        if name in self.models:
            return refused(409, f"model {name} is already loaded")
        if len(self.models) >= self.capacity:
            return refused(507, f"{len(self.models)} models are loaded and no more fit")
        self.models[name] = (url, train(url))
        if self.load_s:
            await asyncio.sleep(self.load_s)
        return web.json_response(described(name, url))

    async def list(self, request: web.Request) -> web.Response:
        token = request.query.get("next_page_token", "0")
        start = int(token) if token.isdecimal() else 0
        names = list(self.models)[start : start + self.page]
        answer: dict[str, object] = {"models": [described(name, self.models[name][0]) for name in names]}
        if start + self.page < len(self.models):
            answer["nextPageToken"] = str(start + self.page)
        return web.json_response(answer)

    async def show(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(described(name, self.models[name][0])) if name in self.models else unknown(name)

    async def unload(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({}) if self.models.pop(name, None) else unknown(name)

    async def invoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.models:
            return unknown(name)
        wish = parse_json(await request.read())
        words = self.models[name][1].continue_text(
            str(wish.get("prompt", "")), words=read_number(wish, "max_tokens", 10), seed=0
        )
        return web.json_response({"text": "".join(words), "model": request.headers.get(TARGET_MODEL)})


def train(url: str) -> Ngram:
    """The model behind a URL: trained on one text, chosen by the URL."""
    texts = list(read_corpus().values())
    return Ngram([texts[zlib.crc32(url.encode()) % len(texts)]], order=2)


def described(name: str, url: str) -> dict[str, str]:
    return {"modelName": name, "modelUrl": url}


def refused(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def unknown(name: str) -> web.Response:
    return refused(404, f"model {name} is not loaded")


def make_app(shelf: Shelf) -> web.Application:
    """The container around its models."""
    app = new_app()
    app.router.add_post("/models", shelf.load)
    app.router.add_get("/models", shelf.list)
    app.router.add_get("/models/{name}", shelf.show)
    app.router.add_delete("/models/{name}", shelf.unload)
    app.router.add_post("/models/{name}/invoke", shelf.invoke)
    return app


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--capacity", type=int, default=2, help="models that fit at once")
    parser.add_argument("--load-s", type=float, default=0.0, help="what loading takes")
    parser.add_argument("--page", type=int, default=100, help="models per page of the list")
    options = parser.parse_args()
    serve(make_app(Shelf(options.capacity, options.load_s, options.page)), options.port)
