"""What a test's deck stands on: a deck of this process that the hub's server shows, or a server of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import ConfigError
from ..core.journal import Entry
from ..core.verdict import Prices, Verdict
from ..emulator import Emulator
from ..inprocess.attachment import Attachment
from ..inprocess.child import LOGGED
from ..inprocess.clients import make_client
from ..inprocess.opened import OpenDeck
from ..inprocess.requests import SeenRequest
from ..shell.aws_files import read_aws_files
from ..shell.client_env import Changes
from ..shell.decks import DEFAULT
from ..shell.exec_env import command_changes
from ..shell.keyring import development_region
from ..shell.settings import ServerSettings
from .guard import remember_ended
from .hub import Hub


class Backing(Protocol):
    """A deck, wherever it is."""

    url: str

    @property
    def seed(self) -> int: ...
    def environ(self) -> dict[str, str]: ...
    def changes(self) -> tuple[Changes, str]: ...
    def http_client(self, **options: Any) -> Any: ...
    def runtime_client(self) -> Any: ...
    def attach(self, target: Any) -> Any: ...
    def journal(self) -> list[Entry]: ...
    def misses(self) -> list[Entry]: ...
    def requests(self) -> list[SeenRequest]: ...
    def forgotten_count(self) -> int: ...
    def verdict(self) -> Verdict: ...
    def advance(self, seconds: float) -> float: ...
    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> Any: ...
    def clear_faults(self) -> None: ...
    def logged(self) -> list[tuple[str, bool]]: ...
    def close(self) -> list[str]: ...


class Shown:
    """A deck of this process. HTTP reaches it through the hub; clients that are attached reach it at once."""

    def __init__(self, opened: OpenDeck, hub: Hub, prices: Prices, *, real_endpoint: str | None) -> None:
        self.opened = opened
        self._hub = hub
        self._real_endpoint = real_endpoint
        self._told = len(hub.emulator.thread.defects)
        opened.prices = prices
        self.url = hub.show(opened, opened.owner)

    @property
    def seed(self) -> int:
        return self.opened.seed

    def environ(self) -> dict[str, str]:
        return dict(os.environ)

    def changes(self) -> tuple[Changes, str]:
        key = self._hub.emulator.key
        ready = {"url": self.url, "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        return command_changes(self.opened.settings, ready, os.environ, home=Path.home())

    def http_client(self, **options: Any) -> Any:
        return self._hub.emulator.client(**{"endpoint_url": self.url, **options})

    def runtime_client(self) -> Any:
        client = bare_client(self._real_endpoint, self._region)
        # Never taken off: a client that outlives its test is told so, and does not reach the network.
        Attachment(client, self.opened, closes=False)
        return client

    def attach(self, target: Any) -> Any:
        return Attachment(target, self.opened, closes=False)

    @property
    def _region(self) -> str:
        files = read_aws_files(os.environ, home=Path.home())
        return development_region(os.environ, files, self.opened.settings.regions)

    def journal(self) -> list[Entry]:
        return self.opened.journal

    def misses(self) -> list[Entry]:
        return self.opened.misses

    def requests(self) -> list[SeenRequest]:
        return self.opened.requests

    def forgotten_count(self) -> int:
        return self.opened.forgotten_count

    def verdict(self) -> Verdict:
        return self.opened.verdict()

    def advance(self, seconds: float) -> float:
        return self.opened.advance(seconds)

    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> Any:
        return self.opened.fault(fault, **parameters)

    def clear_faults(self) -> None:
        self.opened.clear_faults()

    def logged(self) -> list[tuple[str, bool]]:
        # Models' exceptions are in this process's own log.
        defects = self._hub.emulator.thread.defects
        found, self._told = defects[self._told :], len(defects)
        return [(text, True) for text in found]

    def close(self) -> list[str]:
        self._hub.hide(self.url)
        return self.opened.close()


class Separate:
    """A server in a process of its own: nothing in the test's process can touch the deck, and it cannot be attached."""

    def __init__(self, keywords: dict[str, Any], settings: ServerSettings, owner: str, prices: Prices) -> None:
        self._settings = settings
        self._prices = prices
        self._owner = owner
        self.emulator = Emulator(server="process", **keywords)
        self.emulator.__enter__()
        self.url = self.emulator.url

    @property
    def seed(self) -> int:
        return self.emulator.seed

    def environ(self) -> dict[str, str]:
        return dict(os.environ)

    def changes(self) -> tuple[Changes, str]:
        key = self.emulator.key
        ready = {"url": self.url, "access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        return command_changes(self._settings, ready, os.environ, home=Path.home())

    def http_client(self, **options: Any) -> Any:
        return self.emulator.client(**options)

    def runtime_client(self) -> Any:
        return self.emulator.client()

    def attach(self, target: Any) -> Any:
        raise ConfigError(
            f'The deck of {self._owner} is a process of its own (server="process"), and cannot be attached to a '
            "client. Make the client inside the test, where the environment leads to it, or leave server= out."
        )

    def journal(self) -> list[Entry]:
        return self.emulator.journal

    def misses(self) -> list[Entry]:
        return self.emulator.misses

    def requests(self) -> list[SeenRequest]:
        return self.emulator.requests

    def forgotten_count(self) -> int:
        return self.emulator.forgotten_count

    def verdict(self) -> Verdict:
        return self.emulator.verdict(self._prices)

    def advance(self, seconds: float) -> float:
        return self.emulator.advance(seconds)

    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> Any:
        return self.emulator.fault(fault, **parameters)

    def clear_faults(self) -> None:
        self.emulator.clear_faults()

    def logged(self) -> list[tuple[str, bool]]:
        return [(text, is_defect) for text, is_defect in self.emulator.control(LOGGED, DEFAULT) or ()]

    def close(self) -> list[str]:
        self.emulator.close()
        remember_ended(self.url, self._owner)
        return self.emulator.write_failures


def bare_client(endpoint_url: str | None, region: str) -> Any:
    """A client of the real service: while a cassette plays it never gets there, while one is recorded it does."""
    from botocore.config import Config

    options: dict[str, Any] = {"ignore_configured_endpoint_urls": True}  # not in every stub
    return make_client(endpoint_url=endpoint_url, region_name=region, config=Config(**options))
