"""One request of the admin API, from its head to its answer as a script.

Decides the order: route, gate, body, schema, handler. What a route does is its handler's business; which routes there
are is `table.py`'s.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from ...core.errors import CallerError, ConfigError, compact_json
from ...core.wire import Headers, Script, whole
from ..bodies import read_body
from .gate import Gate
from .refusals import INVALID, NOT_FOUND, TOO_LARGE, MethodRefused, refusal
from .routes import PREFIX, AdminRoute, Asked
from .schemas import Schema, faults_of
from .surroundings import Surroundings
from .table import ROUTES

BODY_BYTES_MAX: Final = 64 * 1024
QUERY_FIELDS_MAX: Final = 20
# What keeps an answer with hostile recorded text in it from being taken for a page.
GUARDS: Final[Headers] = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus, exposition formats


class Admin:
    """The admin API of one server."""

    def __init__(self, around: Surroundings, *, token: str, routes: Sequence[AdminRoute] = ROUTES) -> None:
        self.token = token
        self._around = around
        self._routes = tuple(routes)
        self._gate = Gate(around.app.hosts, token=token)

    async def answer(self, request: web.BaseRequest, path: str) -> Script:
        """The answer to a request under `/_sagetape/`. Raises CallerError for what is refused."""
        route, names = self._find(request, path)
        body = await self._read(request, route)
        asked = Asked(names, query_of(route, request.raw_path), body)
        try:
            made = await route.handler(self._around, asked)
        except ConfigError as error:
            raise refusal(INVALID, str(error)) from None
        if route.answer is None:
            return whole(200, (("Content-Type", METRICS_TYPE), *GUARDS), str(made).encode())
        return whole(200, (("Content-Type", "application/json"), *GUARDS), compact_json(made))

    def close(self) -> None:
        """Nobody waits for calls any more."""
        self._around.closing.set()

    # --- before the handler ---

    def _find(self, request: web.BaseRequest, path: str) -> tuple[AdminRoute, dict[str, str]]:
        """The route, once the gate has let the request in."""
        self._gate.judge_host(request.raw_headers)
        segments = tuple(path[len(PREFIX) :].strip("/").split("/"))
        matches = [(route, found) for route in self._routes if (found := route.match(segments)) is not None]
        fitting = next(((route, names) for route, names in matches if route.method == request.method), None)
        if request.method == "OPTIONS":  # a page that asks whether it may ask gets no yes, whoever it is
            raise MethodRefused("OPTIONS", [route for route, _ in matches])
        peer = request.transport.get_extra_info("peername") if request.transport else None
        is_write = fitting is not None and fitting[0].is_write
        is_open = fitting is not None and fitting[0].is_open
        self._gate.judge(request.raw_headers, peer=peer[0] if peer else None, is_write=is_write, is_open=is_open)
        if fitting is not None:
            return fitting
        if matches:
            raise MethodRefused(request.method, [route for route, _ in matches])
        raise refusal(NOT_FOUND, f"The admin API has no path {path[:200]!r}.{nearest(path, self._routes)}")

    async def _read(self, request: web.BaseRequest, route: AdminRoute) -> dict[str, Any]:
        try:
            raw, _ = await read_body(request.content, limit_bytes=BODY_BYTES_MAX)
        except CallerError as error:
            if error.status != 413:
                raise
            raise refusal(TOO_LARGE, f"The body is larger than {BODY_BYTES_MAX} bytes. Send less at once.") from None
        if route.body is None:
            if raw.strip() not in (b"", b"{}"):
                raise refusal(INVALID, f"{route.method} {PREFIX}{route.path} takes no body. Leave it out.")
            return {}
        return body_of(raw, route.body)


def body_of(raw: bytes, schema: Schema) -> dict[str, Any]:
    """A body as its schema wants it."""
    try:
        value = json.loads(raw or b"{}", parse_constant=_refused_constant)
    except (ValueError, RecursionError) as error:
        raise refusal(INVALID, f"The body is no JSON: {error}. Send one JSON object.") from None
    problems = list(faults_of(schema, value))
    if problems:
        raise refusal(INVALID, " ".join(problems))
    found: dict[str, Any] = value
    return found


def _refused_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def query_of(route: AdminRoute, target: str) -> dict[str, Any]:
    """The query's fields as the route wants them."""
    text = target.partition("?")[2].partition("#")[0]
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise refusal(INVALID, f"The query has more than {QUERY_FIELDS_MAX} fields. Leave some out.") from None
    given = {name: typed(value, route.query.get(name, {})) for name, value in pairs}
    schema: Schema = {"type": "object", "properties": dict(route.query), "additionalProperties": False}
    problems = list(faults_of(schema, given))
    if problems:
        raise refusal(INVALID, f"In the query: {' '.join(problems)}")
    return given


def typed(value: str, schema: Schema) -> Any:
    """A field's text as the number or the switch that it should be; the text itself where it is none."""
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        return value
    return {"true": True, "false": False}.get(value, value) if kind == "boolean" else value


def nearest(path: str, routes: Sequence[AdminRoute]) -> str:
    """What was probably meant, for the text of a path that is none."""
    known: Mapping[str, AdminRoute] = {f"{PREFIX}{route.path}": route for route in routes}
    near = difflib.get_close_matches(path, known, n=1, cutoff=0.4)
    return f" Did you mean {near[0]}? All are in docs/admin.md." if near else " All are in docs/admin.md."
