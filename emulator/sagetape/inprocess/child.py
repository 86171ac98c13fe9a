"""The process behind `Emulator(server="process")`: settings and controls come on standard input, one JSON line each."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import Any, TextIO

from ..core.errors import CassetteError, CassetteMissing, ConfigError, SagetapeError
from ..shell import connections
from ..shell.decks import DEFAULT
from ..shell.host_os import die_with_parent
from .keywords import settings_from
from .threaded import ThreadServer

log = logging.getLogger("sagetape")

LOGGED = "logged"
"""The control that takes what was logged; of the process, and not of one of its decks."""
LASTING = ("journal", "misses", "requests", "forgotten_count", "verdict")
"""Controls that are answered after the end too."""


class Logged(logging.Handler):
    """Exceptions that the client sees as a 500 or a 424 alone: the server's defects, and those of a model function."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: list[list[Any]] = []
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.pathname != connections.__file__:
            self._found.append([self.format(record), False])

    def take(self, defects: list[str]) -> list[list[Any]]:
        """The texts since the last look, each with whether it is a defect. The server tells its defects itself."""
        found, self._found = self._found, []
        found += [[text, True] for text in defects[self._told :]]
        self._told = len(defects)
        return found


def main() -> None:
    """Serves until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes our input
    die_with_parent()
    replies, sys.stdout = sys.stdout, sys.stderr  # a function that prints must not write among the replies
    logged = Logged()
    logging.getLogger("sagetape").addHandler(logged)
    try:
        server = ThreadServer(settings_from(json.loads(sys.stdin.readline())), remembers=True)
        server.start()
    except SagetapeError as error:
        say(replies, refusal(error))
        return
    say(replies, ready(server))
    for line in sys.stdin:
        asked = json.loads(line)
        say(replies, {"result": logged.take(server.defects)} if asked["control"] == LOGGED else answer(server, asked))
    failures = server.stop()
    say(replies, {"failures": failures, "decks": last_words(server)})


def ready(server: ThreadServer) -> dict[str, Any]:
    """What the parent must know."""
    key = server.key
    return {
        "pid": os.getpid(),
        "url": server.url,
        "seed": server.seed,
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
    }


def answer(server: ThreadServer, asked: dict[str, Any]) -> dict[str, Any]:
    """One control's result, or why there is none."""
    try:
        return {"result": server.control(asked["control"], asked["deck"], **asked["arguments"])}
    except SagetapeError as error:
        return refusal(error)
    except Exception as error:  # one wrong question ends neither the process nor the other tests
        log.exception("the control %s raised", asked["control"])
        return {"error": f"{asked['control']}: {type(error).__name__}: {error}", "kind": ""}


def last_words(server: ThreadServer) -> dict[str, Any]:
    """What stays known of the default deck."""
    asked: dict[str, dict[str, Any]] = {"verdict": {"prices": {}, "price": 0.0}}
    return {DEFAULT: {what: server.control(what, DEFAULT, **asked.get(what, {})) for what in LASTING}}


def refusal(error: SagetapeError) -> dict[str, Any]:
    """An error as the parent raises it again."""
    kind = type(error).__name__ if isinstance(error, ConfigError) else ""
    if isinstance(error, CassetteError):
        kind = "CassetteMissing" if isinstance(error, CassetteMissing) else "CassetteError"
    return {"error": str(error), "kind": kind}


def say(replies: TextIO, value: dict[str, Any]) -> None:
    """One line."""
    replies.write(json.dumps(value) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
