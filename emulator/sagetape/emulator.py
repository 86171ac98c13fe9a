"""An emulator inside a Python program: a server on a free port, in a thread of its own.

    with Emulator("cassettes/churn.tape") as emulator:
        client = emulator.client()

It waits for the server's thread and decides nothing; the server is the one that the command line runs
(`shell/server.py`). Calls from outside reach the server's state on its own loop, so they see and change it between two
requests.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from .core.errors import ConfigError, SagetapeError
from .core.journal import Entry, Journal
from .core.signing import Key
from .shell.aws_files import read_aws_files
from .shell.client_env import apply, client_changes
from .shell.clock import VirtualClock
from .shell.config_file import ConfigFile
from .shell.decks import DEFAULT, Player
from .shell.keyring import DEVELOPMENT_KEY, development_region
from .shell.server import Running, start, stop
from .shell.setting_tables import TABLE_READERS
from .shell.settings import ServerSettings

T = TypeVar("T")

START_LIMIT_S = 60.0  # a cassette of gigabytes without an index is walked in less


class Emulator:
    """A running server. Use it in a `with` or `async with` block; `url` is where it listens.

    `cassettes` are played. Keywords are the settings of `sagetape serve`, by the names of the configuration file
    (`record_to`, `mode`, `upstream`, `endpoints`, `faults`, `match`, `scrub`, `seed`, `clock`, `auth`, ...); tables are
    dicts. Raises ConfigError or CassetteError on entering, with everything that is wrong.
    """

    def __init__(self, *cassettes: str | os.PathLike[str], port: int = 0, **settings: Any) -> None:
        given = {"cassettes": tuple(Path(path) for path in cassettes), "port": port, **settings}
        self.settings = settings_from(given)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._ending: asyncio.Event | None = None
        self.write_failures: list[str] = []
        """After the end: what could not be written."""

    # --- life ---

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="sagetape", daemon=True)
        self._thread.start()
        if not self._started.wait(START_LIMIT_S):
            text = f"The emulator did not start within {START_LIMIT_S:.0f} seconds. Start it by itself to see why: "
            raise SagetapeError(text + "sagetape serve")
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.get_running_loop().run_in_executor(None, self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Drains, writes, stops. Closing twice does no harm."""
        if self._thread is None or self._loop is None or self._ending is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        try:
            self._running = await start(self.settings, environ=os.environ, home=Path.home())
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._started.set()
        await self._ending.wait()
        self.write_failures = await stop(self._running)

    # --- what it is ---

    @property
    def url(self) -> str:
        """Where it listens, as `endpoint_url`."""
        return self._server.url

    @property
    def seed(self) -> int:
        """Of everything random; give it as `seed=` to have the same again."""
        return self._server.assembly.seed

    @property
    def key(self) -> Key:
        """A key that it accepts."""
        return self._server.keyring.run_key or DEVELOPMENT_KEY

    @property
    def region(self) -> str:
        """A region that it accepts."""
        files = read_aws_files(os.environ, home=Path.home())
        return development_region(os.environ, files, self.settings.regions)

    @property
    def environ(self) -> dict[str, str]:
        """This process's environment, changed so that a program started with it calls this emulator."""
        files = read_aws_files(os.environ, home=Path.home())
        changes = client_changes(self.url, os.environ, files, key=self.key, region=self.region)
        return apply(changes, os.environ)

    def client(self, deck: str = DEFAULT, **options: Any) -> Any:
        """A boto3 client bound to it; `options` go to `boto3.client`."""
        import boto3

        given = {
            "endpoint_url": self.url if deck == DEFAULT else f"{self.url}/deck/{deck}",
            "region_name": self.region,
            "aws_access_key_id": self.key.access_key_id,
            "aws_secret_access_key": self.key.secret_access_key,
            **options,
        }
        # A session of its own: boto3's default session is shared, and making clients on it is not safe in threads.
        return boto3.session.Session().client("sagemaker-runtime", **given)

    # --- what happened, and what shall ---

    def deck(self, name: str = DEFAULT) -> Player:
        """The player of that name, made on first use. Touch it through `on_loop` only."""
        return self.on_loop(lambda: self._server.assembly.decks.get(name))

    def on_loop(self, call: Callable[[], T]) -> T:
        """Runs a function between two requests, on the server's loop, and gives its result."""

        async def run() -> T:
            return call()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    @property
    def journal(self) -> list[Entry]:
        """What happened to each request, oldest first."""
        journal: Journal = self.deck().deck.journal
        return self.on_loop(lambda: list(journal.entries))

    @property
    def misses(self) -> list[Entry]:
        """The requests that nothing answered."""
        return [entry for entry in self.journal if entry.source == "miss"]

    def advance(self, seconds: float, *, deck: str = DEFAULT) -> float:
        """Moves a virtual clock ahead; the new Unix time. Raises ConfigError when the clock is real."""
        clock = self.deck(deck).clock
        if not isinstance(clock, VirtualClock):
            raise ConfigError('This emulator\'s clock is real and moves by itself. Make it with clock="virtual".')
        return clock.advance(seconds)

    @property
    def _server(self) -> Running:
        if self._running is None:
            raise SagetapeError("The emulator is not running. Use it in a `with` block.")
        return self._running


def settings_from(given: Mapping[str, Any]) -> ServerSettings:
    """Settings from keywords: tables are read as those of the configuration file are."""
    folder = Path.cwd()
    tables = {name: given[name] for name in TABLE_READERS if isinstance(given.get(name), dict | list)}
    file = ConfigFile(folder / "keywords of Emulator", tables, {})
    problems: list[str] = []
    values = dict(given)
    for name, table in tables.items():
        values[name] = TABLE_READERS[name](table, file, problems)
    for name in ("upstream", "host", "allowed_hosts", "regions"):
        if isinstance(values.get(name), str):
            values[name] = (values[name],)
    for name in ("record_to", "port_file", "python_path"):
        if values.get(name) is not None:
            values[name] = Path(values[name])
    if problems:
        raise ConfigError(problems)
    try:
        return ServerSettings(**values)
    except TypeError as error:
        raise ConfigError(f"{error}. The keywords are the fields of ServerSettings.") from None
