"""A server in a thread of this process."""

from __future__ import annotations

import asyncio
import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from ..core.errors import SagetapeError
from ..core.signing import Key
from ..shell.decks import DEFAULT
from ..shell.keyring import DEVELOPMENT_KEY
from ..shell.server import Running, start, stop
from ..shell.settings import ServerSettings
from .controls import perform
from .loops import GivenLoop
from .refusals import note_refusal
from .shared import share

T = TypeVar("T")

START_LIMIT_S: Final = 60.0  # a cassette of gigabytes without an index is walked in less


class ThreadServer:
    """Starts and stops a server, and runs what is asked of it on its loop.

    With `remembers` its default deck keeps the requests, bodies and all.
    """

    def __init__(self, settings: ServerSettings, *, remembers: bool = False) -> None:
        self._settings = settings
        self._remembers = remembers
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: Running | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._ending: asyncio.Event | None = None
        self.defects: list[str] = []
        """What went wrong in the server itself, with tracebacks, oldest first: a test must not pass over it."""
        self._failures: list[str] = []

    def start(self) -> None:
        """Waits until it listens. Raises what it failed with."""
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="sagetape", daemon=True)
        self._thread.start()
        if not self._started.wait(START_LIMIT_S):
            text = f"The emulator did not start within {START_LIMIT_S:.0f} seconds. Start it by itself to see why: "
            raise SagetapeError(text + "sagetape serve")
        if self._failure is not None:
            self._thread.join()
            self._thread = None
            raise self._failure

    def stop(self) -> list[str]:
        """Drains, writes, stops; what went wrong inside. Stopping twice does no harm."""
        if self._thread is None or self._loop is None or self._ending is None:
            return self._failures
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        self._thread = None
        self._failures += self.defects
        return self._failures

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                runner.run(self._serve())
        except BaseException as error:
            if self._started.is_set():
                self._failures.append(f"the server ended with {type(error).__name__}: {error}")
            else:
                error.add_note("So the emulator's server, a thread of this process, could not start.")
                # Its frames hold a loop that is half made, whose end, whenever it is collected, would disturb others.
                self._failure = error.with_traceback(None)
        finally:
            self._started.set()  # whatever happened: nobody waits for a thread that has ended

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        try:
            # What a test's code signs for is the code's: a developer's own region makes no test fail.
            self._running = await start(self._settings, environ=os.environ, home=Path.home(), narrows_region=False)
            self._running.app.told = note_refusal
            self._running.server.on_defect = self._note_defect
            if self._remembers:
                decks = self._running.assembly.decks
                decks.add(DEFAULT, share(decks.get(DEFAULT)))
        except BaseException as error:
            self._failure = error
            return
        finally:
            self._started.set()
        await self._ending.wait()
        self._failures = await stop(self._running)
        for player in self._running.assembly.decks:
            self._failures += [*player.secrets, *player.failures]

    def _note_defect(self, method: str, error: BaseException | None) -> None:
        told = "".join(traceback.format_exception(error)).rstrip("\n")
        self.defects.append(f"internal error while answering {method}: {error!r}\n{told}")

    # --- what it is ---

    @property
    def running(self) -> Running:
        """The server itself; touch it through `on_loop` only."""
        if self._running is None:
            raise SagetapeError("The emulator is not running. Use it in a `with` block.")
        return self._running

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def seed(self) -> int:
        return self.running.assembly.seed

    @property
    def key(self) -> Key:
        return self.running.keyring.run_key or DEVELOPMENT_KEY

    @property
    def loop(self) -> GivenLoop:
        """Where upstreams of decks that this server shows are waited for."""
        assert self._loop is not None
        return GivenLoop(self._loop)

    def on_loop(self, call: Callable[[], T]) -> T:
        """Runs a function between two requests, and gives its result."""

        async def run() -> T:
            return call()

        if os.getpid() != self._pid:
            raise SagetapeError(
                f"This emulator was started by process {self._pid}, and its server is a thread there; this is process "
                f"{os.getpid()}, forked from it. Its URL can be called from here; read its journal, advance its clock "
                'and add its faults in the parent, or make it with server="process".'
            )
        if self._thread is None:
            return call()  # it has ended: nothing else touches its state any more
        return self.loop.run(run())

    def control(self, name: str, deck: str, **arguments: Any) -> Any:
        """One row of `controls.CONTROLS`."""
        return self.on_loop(lambda: perform(self.running, name, deck, arguments))
