"""An emulator for a Python program: a server on a free port, in a thread of its own or in a process of its own.

    with Emulator("cassettes/churn.tape") as emulator:
        client = emulator.client()

It waits for the server and decides nothing; the server is the one that the command line runs (`shell/server.py`).
What is asked of it from outside runs on its own loop, so it is seen and changed between two requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from .core.deck_names import NAME, NAME_RULE
from .core.errors import ConfigError, SagetapeError
from .core.journal import Entry
from .core.signing import Key
from .core.verdict import Prices, Verdict
from .inprocess.clients import make_client
from .inprocess.keyword_values import seconds_from
from .inprocess.keywords import settings_from
from .inprocess.requests import SeenRequest
from .inprocess.separate import ProcessServer
from .inprocess.threaded import ThreadServer
from .shell.aws_files import AwsFiles, read_aws_files
from .shell.client_env import apply, client_changes
from .shell.decks import DEFAULT, Player
from .shell.keyring import development_region
from .shell.setting_kinds import sentence, suggestion

__all__ = ["DeckView", "Emulator", "EmulatorFailed", "settings_from"]

T = TypeVar("T")

SERVERS: Final = ("thread", "process")


class EmulatorFailed(SagetapeError):
    """Something went wrong inside an emulator that its callers could not see."""


class DeckView:
    """One deck of an emulator: what happened on it, and what shall."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self._emulator = emulator
        self.name = name

    @property
    def url(self) -> str:
        """As `endpoint_url`: with the deck's prefix unless it is the default one."""
        base = self._emulator.base_url
        if self.name == DEFAULT:
            return base
        self._emulator.control("announce", self.name)
        return f"{base}/deck/{self.name}"

    @property
    def environ(self) -> dict[str, str]:
        """This process's environment, changed so that a program started with it calls this deck."""
        emulator = self._emulator
        changes = client_changes(self.url, os.environ, emulator.files, key=emulator.key, region=emulator.region)
        return apply(changes, os.environ)

    def client(self, **options: Any) -> Any:
        """A boto3 client bound to it; `options` go to `boto3.client`."""
        key = self._emulator.key
        given = {
            "endpoint_url": self.url,
            "region_name": self._emulator.region,
            "aws_access_key_id": key.access_key_id,
            "aws_secret_access_key": key.secret_access_key,
            **options,
        }
        return make_client(**given)

    @property
    def journal(self) -> list[Entry]:
        """What happened to each request, oldest first."""
        return [entry_from(values) for values in self._emulator.control("journal", self.name) or ()]

    @property
    def misses(self) -> list[Entry]:
        """The requests that nothing answered; `detail` is the whole explanation."""
        return [entry_from(values) for values in self._emulator.control("misses", self.name) or ()]

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests themselves. Only an emulator in a process of its own remembers them, on its default deck."""
        return [SeenRequest.from_dict(values) for values in self._emulator.control("requests", self.name) or ()]

    @property
    def forgotten_count(self) -> int:
        """Requests that were asked before those that `requests` gives: the last 10,000, with 128 MiB of bodies."""
        return int(self._emulator.control("forgotten_count", self.name) or 0)

    def advance(self, seconds: float) -> float:
        """Moves a virtual clock ahead; the new Unix time. Raises ConfigError when the clock is real."""
        return float(self._emulator.control("advance", self.name, seconds=seconds_from(seconds)))

    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> dict[str, Any]:
        """Adds a fault, `"throttle:endpoint=churn,count=2"` or a name with keywords; the rule. Raises ConfigError."""
        rule: dict[str, Any] = self._emulator.control("fault", self.name, fault=fault, parameters=parameters)
        return rule

    def clear_faults(self) -> None:
        """Takes every fault back."""
        self._emulator.control("clear_faults", self.name)

    def verdict(self, prices: Prices | None = None) -> Verdict:
        """What the calls so far amount to."""
        costs = prices or Prices()
        found = self._emulator.control("verdict", self.name, prices=dict(costs.by_endpoint), price=costs.default)
        return Verdict.from_dict(found or {})  # of a process that died nothing is known

    def reset(self) -> None:
        """As if nothing had been asked yet."""
        self._emulator.control("reset", self.name)

    @property
    def player(self) -> Player:
        """The player itself, of a server in a thread. Touch it through `on_loop` only."""
        emulator = self._emulator
        return emulator.on_loop(lambda: emulator.thread.running.assembly.decks.get(self.name))


class Emulator(DeckView):
    """A running server, and its default deck. Use it in a `with` or `async with` block; `url` is where it listens.

    `cassettes` are played. Keywords are the settings of `sagetape serve`, by the names of the configuration file
    (`record_to`, `mode`, `upstream`, `endpoints`, `faults`, `match`, `scrub`, `seed`, `clock`, `auth`, ...); tables are
    dicts. `server` is `thread` or `process`. Raises ConfigError or CassetteError on entering, with everything that is
    wrong, and EmulatorFailed on leaving when something went wrong inside (a defect, an answer that could not be
    recorded, a secret that was kept off the disk) and no other exception is on its way.
    """

    def __init__(
        self, *cassettes: str | os.PathLike[str], port: int = 0, server: str = "thread", **settings: Any
    ) -> None:
        super().__init__(self, DEFAULT)
        if server not in SERVERS:
            near = sentence(f"{server!r} is no way to run a server{suggestion(str(server), SERVERS)}")
            raise ConfigError(f'{near} Write server="thread" or server="process".')
        more = settings.pop("cassettes", ())
        played = (*cassettes, *(more if isinstance(more, list | tuple) else (more,)))
        given = {"cassettes": tuple(map(cassette_path, played)), "port": port, **settings}
        self.settings = settings_from(given)
        self.files: AwsFiles = read_aws_files(os.environ, home=Path.home())
        self._server = ThreadServer(self.settings) if server == "thread" else ProcessServer(given)
        self.write_failures: list[str] = []
        """After the end: what went wrong inside."""

    # --- life ---

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            with contextlib.suppress(SagetapeError):  # a server that is gone replaces nothing
                self.control("abandon", DEFAULT)
        self.close()
        if error is None:
            self.check()

    async def __aenter__(self) -> Self:
        return await asyncio.get_running_loop().run_in_executor(None, self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.__exit__, kind, error, traceback)

    def close(self) -> None:
        """Drains, writes, stops. Closing twice does no harm."""
        self.write_failures = self._server.stop()

    def check(self) -> None:
        """Raises EmulatorFailed when something went wrong inside."""
        if self.write_failures:
            listed = "\n".join(f"- {text}" for text in self.write_failures)
            raise EmulatorFailed(f"The emulator's answers went out, but not all is well inside:\n{listed}")

    # --- what it is ---

    @property
    def base_url(self) -> str:
        """Where it listens, without any deck's prefix."""
        return self._server.url

    @property
    def seed(self) -> int:
        """Of everything random; give it as `seed=` to have the same again."""
        return self._server.seed

    @property
    def key(self) -> Key:
        """A key that it accepts."""
        return self._server.key

    @property
    def region(self) -> str:
        """A region that it accepts."""
        return development_region(os.environ, self.files, self.settings.regions)

    def deck(self, name: str = DEFAULT) -> DeckView:
        """Another deck of this server, made on first use. Raises ConfigError for a name that no URL can have."""
        if not isinstance(name, str) or NAME.fullmatch(name) is None:
            raise ConfigError(f"{name!r} is no name for a deck: it is a part of its URL. {NAME_RULE}")
        return DeckView(self, name)

    # --- the server underneath ---

    @property
    def thread(self) -> ThreadServer:
        """The server, when it is in this process."""
        if not isinstance(self._server, ThreadServer):
            raise ConfigError('This emulator is a process of its own. Make it with server="thread" to reach into it.')
        return self._server

    def on_loop(self, call: Callable[[], T]) -> T:
        """Runs a function between two requests, on the server's loop, and gives its result."""
        return self.thread.on_loop(call)

    def control(self, name: str, deck: str, **arguments: Any) -> Any:
        """One row of `inprocess/controls.py`, on one deck."""
        return self._server.control(name, deck, **arguments)


def cassette_path(given: Any) -> Path:
    """A cassette as a path. Raises ConfigError for what is none."""
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        raise ConfigError(f'{given!r} is no cassette. Give its path: Emulator("cassettes/churn.tape").')
    return Path(given)


def entry_from(values: Mapping[str, Any]) -> Entry:
    """A line of the journal again."""
    return Entry(**{**values, "faults": tuple(values["faults"]), "warnings": tuple(values["warnings"])})
