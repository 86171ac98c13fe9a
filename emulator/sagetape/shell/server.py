"""A server's life: open, announce, serve, drain, sum up.

`run` is what the commands call; it returns the exit code. Two listening sockets (127.0.0.1 and ::1) share one port.
The first SIGTERM or Ctrl-C stops accepting, lets calls in flight end, writes what is recorded and prints a summary; the
second stops at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..core.hosts import HostRule
from ..core.sigv4 import Verifier
from ..core.verdict import Prices, RunVerdict
from . import host_os
from .admin import Admin, Surroundings
from .app import App
from .assembly import Assembly
from .bodies import Patience
from .connections import Server
from .decks import DEFAULT
from .evidence import judge_deck
from .files import REAL, Files
from .gate import require_c_parser
from .keyring import Keyring, accepted_regions, keyring_for
from .left_behind import LeftBehind
from .memory import keep_freed_memory
from .model import load_service
from .ports import bind_error
from .profiles import check_server_profiles
from .reach import reach_text
from .readers import Readers
from .ready import Mark, check_files, remove_own, say_ready, write_port_file
from .request_ids import RequestIds
from .settings import ServerSettings
from .summary import sum_up
from .token import file_with_token, token_from

log = logging.getLogger("sagetape")

BACKLOG: Final = 128  # asyncio logs one error per waiting connection when descriptors run out (python/cpython#151615)
SWITCH_S: Final = 0.001  # a thread that reads a large body's meaning lets the loop in after 1 ms instead of Python's 5
CUT_OFF: Final = "cut_off"  # the source of a call that had no answer yet when the drain was over
FILES_APART: Final = 64  # descriptors kept for cassettes and upstreams when connections are many


@dataclass(slots=True)
class Running:
    """A server that listens. `stop` ends it."""

    app: App
    assembly: Assembly
    keyring: Keyring
    port: int
    url: str
    server: Server
    listeners: list[asyncio.Server]
    admin: Admin | None = None
    verdict: RunVerdict | None = None
    """Of all decks, when it has ended and a program reads the summary (`json`)."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    is_interrupted: bool = False
    own_files: dict[Path, Mark] = field(default_factory=dict)
    """The port file and the token file, once they are written."""

    def remove_file(self, path: Path | None) -> None:
        """Removes one of them, unless it is another server's by now."""
        if path is not None and (mark := self.own_files.pop(path, None)) is not None:
            remove_own(path, mark)

    def ready_fields(self) -> dict[str, Any]:
        """The ready line's fields, in its order; what opens anything is last."""
        fields = self.open_fields()
        if self.assembly.settings.token_file is not None:
            fields["token_file"] = str(self.assembly.settings.token_file)
        if self.keyring.run_key is not None:
            fields["access_key_id"] = self.keyring.run_key.access_key_id
            fields["secret_access_key"] = self.keyring.run_key.secret_access_key
        return fields

    def open_fields(self) -> dict[str, Any]:
        """Those of them that anybody may know."""
        player = self.assembly.decks.get(DEFAULT)
        return {
            "url": self.url,
            "pid": os.getpid(),
            "mode": "replay" if player.deck.settings.mode.name == "replay" else self.assembly.settings.mode,
            "seed": self.assembly.seed,
            "interactions": len(player.shelf),
            "damage": len(player.deck.damage()),
        }


def run(settings: ServerSettings) -> int:
    """Serves until told to stop; the exit code. Raises SagetapeError for what is wrong at start."""
    try:
        import uvloop

        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
    except ImportError:
        loop_factory = None  # asyncio's own loop: everything works, a little slower
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(serve(settings))


async def serve(settings: ServerSettings) -> int:
    """One server's whole life on the running loop."""
    running = await start(settings, environ=os.environ, home=Path.home())
    try:
        _listen_to_signals(running)
        _watch(running, settings)
        left = LeftBehind(os.environ, settings.parent_pid)
        announce(running, settings)
        await running.stopping.wait()
        left.end()
    finally:
        failures = await stop(running)
        running.remove_file(settings.port_file)  # the port is nobody's any more
    interrupted, verdict = running.is_interrupted, running.verdict
    return sum_up(running.app, running.assembly, failures, is_interrupted=interrupted, verdict=verdict)


# --- start ------------------------------------------------------------------------------------------------------------


async def start(
    settings: ServerSettings,
    *,
    environ: Mapping[str, str],
    home: Path,
    files: Files = REAL,
    narrows_region: bool = True,
) -> Running:
    """Opens everything and listens. `files` is what cassettes are read and written through.

    With `narrows_region` the environment's region is the only one where the settings name none.
    """
    if not settings.allow_python_parser:
        require_c_parser()
    keep_freed_memory()
    token = token_from(environ)
    keyring = keyring_for(settings, environ, home=home)
    check_files(settings)
    check_server_profiles(settings, environ, home=home)
    sockets = listen(settings)  # before a cassette is made: a taken port leaves nothing behind
    try:
        assembly = Assembly(settings, live_secrets=keyring.live_secrets(), files=files, groups_syncs=True)
        assembly.decks.get(DEFAULT)
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    port = sockets[0].getsockname()[1]
    regions = accepted_regions(settings, environ, home=home) if narrows_region else settings.regions
    app = app_of(settings, assembly, keyring, port=port, regions=regions)
    server = server_of(settings, app)
    loop = asyncio.get_running_loop()
    listeners = [await loop.create_server(server, sock=sock, backlog=BACKLOG) for sock in sockets]
    gc.collect()
    gc.freeze()  # indexes of large cassettes: what lives as long as the server is not looked through again
    running = Running(app, assembly, keyring, port, url_of(sockets[0]), server, listeners)
    running.admin = Admin(Surroundings(app, assembly, server, running.open_fields), token=token)
    app.admin = running.admin.answer
    if settings.token_file is not None:
        running.own_files[settings.token_file] = file_with_token(settings.token_file, token)
    if reached := reach_text(settings, keyring, port):
        log.warning("warning: %s", reached)
    return running


def app_of(settings: ServerSettings, assembly: Assembly, keyring: Keyring, *, port: int, regions: Sequence[str]) -> App:
    """What every request needs. Of `regions` the first is named where a request names none; none: any is accepted."""
    return App(
        service=load_service(),
        verifier=Verifier(
            keyring.find,
            regions=frozenset(regions) or None,
            window_s=int(settings.clock_window_s),
            mismatch_text="short" if settings.mismatch_text == "short" else "long",
            level="lenient" if settings.auth == "lenient" else "off" if settings.auth == "off" else "strict",
            keys_hint=keyring.hint,
        ),
        hosts=HostRule(port=port, bound=settings.host, listed=settings.allowed_hosts),
        decks=assembly.decks,
        region=regions[0] if regions else "us-east-1",
        account=settings.account,
        body_max_bytes=settings.body_bytes_max,
        explain=settings.explain,
        patience=Patience(idle_s=settings.body_idle_s),
        new_request_id=RequestIds(settings.seed),
    )


def server_of(settings: ServerSettings, app: App) -> Server:
    """aiohttp's server with this project's connections."""
    return Server(
        app.handle,
        dates=app.dates,
        new_request_id=app.new_request_id,
        connections_max=min(settings.connections_max, files_for_connections(settings)),
        keep_alive_s=settings.keep_alive_s,
        readers=Readers(settings.send_idle_s),
        deck_at_once=app.deck_at_once,
        answer_at_once=app.answer_at_once,
        takes_upload=app.takes_upload,
    )


def listen(settings: ServerSettings) -> list[socket.socket]:
    """Sockets for all hosts on one port. Raises ConfigError when the port is taken."""
    sockets: list[socket.socket] = []
    port = settings.port
    for host in settings.host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            sock = _bound(host, port, family=family)
        except OSError as error:
            if sockets and family is socket.AF_INET6:
                continue  # a machine without IPv6 is served over IPv4
            for other in sockets:
                other.close()
            raise bind_error(error, host, port) from None
        port = sock.getsockname()[1]
        sockets.append(sock)
    return sockets


def _bound(host: str, port: int, *, family: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if host_os.reuses_addresses():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def url_of(sock: socket.socket) -> str:
    """The URL to give to a client."""
    host, port = sock.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def files_for_connections(settings: ServerSettings) -> int:
    """Connections that the open files suffice for: all but those set apart, and half where there are few. A call that
    is passed on takes a second one."""
    files = host_os.open_files_max()
    for_calls = max(files - FILES_APART, files // 2)
    return for_calls // 2 if settings.upstream or settings.endpoints else for_calls


def announce(running: Running, settings: ServerSettings) -> None:
    """The port file, then the ready line on standard output. Raises ConfigError when one cannot be written."""
    if settings.port_file is not None:
        running.own_files[settings.port_file] = write_port_file(settings.port_file, running.port)
    say_ready(running.ready_fields(), as_json=settings.json)


# --- end --------------------------------------------------------------------------------------------------------------


def _listen_to_signals(running: Running) -> None:
    loop = asyncio.get_running_loop()

    def told(number: signal.Signals) -> None:
        if running.stopping.is_set():
            os._exit(130 if number == signal.SIGINT else 1)  # the second one: no cleaning up; cassettes need none
        running.is_interrupted = number == signal.SIGINT
        running.stopping.set()

    for number in host_os.signals_named(host_os.stop_signals()):
        host_os.call_on_signal(loop, number, told)


def _watch(running: Running, settings: ServerSettings) -> None:
    loop = asyncio.get_running_loop()
    if settings.exit_with_parent and not host_os.die_with_parent():
        _watch_process(os.getppid(), running, loop)
    if settings.parent_pid is not None:
        _watch_process(settings.parent_pid, running, loop)
    if settings.idle_timeout_s is not None:
        _watch_idle(running, settings.idle_timeout_s, loop=loop, seen=-1)


def _watch_process(pid: int, running: Running, loop: asyncio.AbstractEventLoop) -> None:
    def ended() -> None:
        loop.call_soon_threadsafe(running.stopping.set)

    host_os.watch_parent(pid, ended)


def _watch_idle(running: Running, idle_s: float, *, loop: asyncio.AbstractEventLoop, seen: int) -> None:
    count = running.server.requests_count
    if count == seen and not any(player.in_flight for player in running.assembly.decks):
        log.info("no request for %s seconds: ending", idle_s)
        running.stopping.set()
        return
    loop.call_later(idle_s, lambda: _watch_idle(running, idle_s, loop=loop, seen=count))


async def stop(running: Running) -> list[str]:
    """Stops accepting, lets calls in flight end, closes files; what could not be written."""
    for listener in running.listeners:
        listener.close()
    if running.admin is not None:
        running.admin.close()
    running.remove_file(running.assembly.settings.token_file)
    running.server.pre_shutdown()
    await drain(running)
    if running.assembly.settings.json:
        running.verdict = RunVerdict(tuple(judge_deck(player, Prices()) for player in running.assembly.decks))
    running.assembly.is_abandoned |= running.is_interrupted
    return await running.assembly.close()


async def drain(running: Running) -> None:
    """Lets calls in flight end, and what goes on without a client; both together within `drain_s`."""
    loop, drain_s = asyncio.get_running_loop(), running.assembly.settings.drain_s
    until = loop.time() + drain_s
    try:
        async with asyncio.timeout_at(until):
            await running.server.finish()
    except TimeoutError:
        log.warning("calls were still in flight after %g seconds: they are cut off, and not recorded", drain_s)
        await running.server.cut_off()
    for player in running.assembly.decks:
        await player.settle(within_s=max(0.0, until - loop.time()))
        for entry in [entry for entry in player.deck.journal.entries if not entry.source]:
            player.deck.journal.settle(entry, source=CUT_OFF)
