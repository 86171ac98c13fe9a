"""What the containers share: the command line, the ready line, `GET /ping`, reading a body, ending on SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

from aiohttp import web

BODY_MAX_BYTES = 26_214_400  # of the platform: a larger body never reaches a container


class Unreadable(ValueError):
    """The body is not what its content type says; the text goes to the caller with a 400."""


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every container takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=8080, help="0 takes any free one and the ready line names it")
    return parser


def new_app() -> web.Application:
    """An application that answers health checks, and answers unreadable bodies with a 400."""
    app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[refuse_unreadable])
    app.router.add_get("/ping", ping)
    return app


async def ping(request: web.Request) -> web.Response:
    return web.Response()


@web.middleware
async def refuse_unreadable(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
    """Unreadable input is the caller's error, told as JSON."""
    try:
        response: web.StreamResponse = await handler(request)
    except Unreadable as error:
        return web.json_response({"error": str(error)}, status=400)
    return response


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises Unreadable."""
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Unreadable("the body is JSON but not an object")
    return value


def serve(app: web.Application, port: int) -> None:
    """Serve on loopback until SIGTERM or Ctrl-C."""
    asyncio.run(serve_until_told(app, port))


async def serve_until_told(app: web.Application, port: int) -> None:
    """Serve; the ready line is printed once connections are accepted."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"ready url=http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await told.wait()
    await runner.cleanup()
