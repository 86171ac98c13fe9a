"""`sagetape.attach`: a boto3 client, or every client of a session, answered inside the process.

    with sagetape.attach(client, cassette="cassettes/churn.tape"):
        client.invoke_endpoint(EndpointName="churn", Body=b"{}", ContentType="application/json")

No socket, no server, no patched library: botocore's public events carry the requests to a deck and the answers back.
Signatures are not verified here, so no credentials are needed; everything else is as on a socket.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..shell.cassette_paths import KEEPING, check_present, recorded_apart
from ..shell.keyring import keyring_for
from ..shell.settings import ServerSettings
from .attachment import Attachment
from .keywords import settings_from
from .opened import OpenDeck

__all__ = ["Attachment", "attach"]


def attach(
    target: Any,
    cassette: str | os.PathLike[str] | None = None,
    *,
    mode: str = "none",
    deck: OpenDeck | None = None,
    **settings: Any,
) -> Attachment:
    """Answers a boto3 client or session (or aiobotocore's) from a cassette; `detach()` or leaving `with` undoes it.

    `mode` is `none`, `once`, `new_episodes`, `all` or `rewrite`; a mode that records asks `upstream` (default `aws`:
    botocore itself makes the real call with the client's own credentials). Further keywords are the settings of
    `sagetape serve` by the names of the configuration file: `upstream`, `endpoints`, `faults`, `match`, `scrub`,
    `seed`, `clock` (default `virtual`), `speed`, `exhausted`. `deck` is an open one to use instead of making one.
    Raises ConfigError or CassetteError, with everything that is wrong.
    """
    if deck is not None:
        if cassette is not None or settings:
            raise ConfigError("attach() takes either deck= or a cassette with its settings. Leave one of them out.")
        return Attachment(target, deck, closes=False)
    made = deck_settings(cassette, mode=mode, **settings)
    opened = OpenDeck(made, live_secrets=live_secrets(made))
    try:
        return Attachment(target, opened)
    except BaseException:
        opened.close()
        raise


def deck_settings(cassette: str | os.PathLike[str] | None, *, mode: str = "none", **settings: Any) -> ServerSettings:
    """The settings of a deck on one cassette, with the defaults of tests: a virtual clock, `aws` where it records."""
    given: dict[str, Any] = {"clock": "virtual", "mode": mode, **settings}
    if cassette is not None:
        if not isinstance(cassette, str | os.PathLike) or not os.fspath(cassette):
            raise ConfigError(f'{cassette!r} is no cassette. Give its path: attach(client, "cassettes/churn.tape").')
        given["cassettes"] = (*map(Path, given.get("cassettes", ())), Path(cassette).absolute())
    if mode in KEEPING and not given.get("upstream"):
        given["upstream"] = ("aws",)
    made = recorded_apart(settings_from(given, owner="attach"))
    check_present(made)
    return made


def live_secrets(settings: ServerSettings) -> tuple[str, ...]:
    """This user's static secrets, which must not reach a cassette."""
    return keyring_for(settings, os.environ, home=Path.home()).live_secrets()
