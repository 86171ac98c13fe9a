"""Calls of the admin API as a program without a library makes them; every answer is held against its schema."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sagetape.shell.admin.routes import PREFIX
from sagetape.shell.admin.schemas import faults_of
from sagetape.shell.admin.table import ROUTES

TOKEN = "0123456789abcdef0123456789abcdef"


@dataclass
class Told:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        return self.headers.get("x-amzn-ErrorType")

    @property
    def message(self) -> str:
        return str(self.json["Message"])


@dataclass
class AdminCalls:
    """The admin API at a URL."""

    url: str
    token: str | None = TOKEN

    def get(self, path: str, **headers: str) -> Told:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any = None) -> Any:
        """The answer of a write that must succeed."""
        told = self.ask("POST", path, body=body)
        assert told.status == 200, told.body
        return told.json

    def delete(self, path: str) -> Told:
        return self.ask("DELETE", path)

    def ask(self, method: str, path: str, *, body: Any = None, headers: Mapping[str, str | None] | None = None) -> Told:
        """One request. A header that is None is not sent."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given: dict[str, str | None] = {"Content-Type": "application/json", "X-Sagetape-Token": self.token}
        given |= dict(headers or {})
        host = urlsplit(self.url)
        connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
        try:
            sent = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
            connection.request(method, PREFIX + path, body=raw, headers=sent)
            answer = connection.getresponse()
            told = Told(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()
        if told.status == 200:
            check_answer(method, path, told)
        return told


def check_answer(method: str, path: str, told: Told) -> None:
    """The answer is what the documents say of this route."""
    segments = tuple(path.partition("?")[0].strip("/").split("/"))
    route = next(one for one in ROUTES if one.method == method and one.match(segments) is not None)
    if route.answer is not None:
        assert list(faults_of(route.answer, told.json)) == []
