"""Which environment variables mean something: a misspelt one would be passed by in silence, so it is an error.

The settings name theirs (`setting_rows.py`); those of other commands, of the pytest plugin and of the client are here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

from .setting_kinds import sentence
from .setting_rows import ROWS, VARIABLE
from .token import VARIABLE as TOKEN_VARIABLE

PREFIX: Final = "SAGETAPE_"
FOREIGN_PREFIXES: Final = ("SAGETAPE_INVOKE_", "SAGETAPE_CLIENT_")
"""The invoke client's, which knows its own."""
OF_EVERY_COMMAND: Final = ("CONFIG", "NO_CONFIG", "DEBUG")
OF_THE_PLUGIN: Final = ("RECORD",)
OF_TOOLS: Final = (
    *("ABSOLUTE", "ALLOW", "ALLOW_UPSTREAM", "AT_ONCE", "DECK", "ENDPOINT", "FAVOR", "FORMAT", "HEADER", "JSON_PATH"),
    *(
        "LABEL",
        "LATENCY",
        "MATCH",
        "MAX_AGE",
        "MAX_SIZE",
        "MEMBER",
        "OUTPUT",
        "PATTERN",
        "RECORDING",
        "RELATIVE",
        "SALVAGE",
    ),
    *("SHELL", "SIZES", "TEXTCONV", "TEXT_SIMILARITY", "URL", "WHOLE"),
)
"""`verify`, `env` and the commands of `cassette`."""
KNOWN: Final = frozenset(
    {
        TOKEN_VARIABLE,
        *(row.variable for row in ROWS if VARIABLE in row.sources),
        *(PREFIX + name for name in (*OF_EVERY_COMMAND, *OF_THE_PLUGIN, *OF_TOOLS)),
    }
)
SERVICE_LINK: Final = re.compile(
    r"SAGETAPE_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""What Kubernetes puts into every pod beside a service named `sagetape`
(kubernetes.io/docs/concepts/services-networking/service/#environment-variables), and Docker's links before it."""
LINKED_PORT: Final = re.compile(r"(tcp|udp|sctp)://")
"""How its variable SAGETAPE_PORT begins, which is ours too; a port of ours never does."""


def own_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The environment without what a cluster says of a service with our name: nobody set it for this process."""
    port = environ.get(PREFIX + "PORT", "")
    links = {name for name in environ if SERVICE_LINK.fullmatch(name)}
    if LINKED_PORT.match(port):
        links.add(PREFIX + "PORT")
    return {name: value for name, value in environ.items() if name not in links} if links else environ


def nearest(name: str) -> str:
    """`; did you mean ...?`, judged by what follows the prefix that all have in common."""
    rests = sorted(one.removeprefix(PREFIX) for one in KNOWN)
    near = difflib.get_close_matches(name.removeprefix(PREFIX), rests, n=1, cutoff=0.6)
    return f"; did you mean {PREFIX}{near[0]}?" if near else ""


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for every variable that looks like ours and means nothing."""
    found = sorted(name for name in environ if name.startswith(PREFIX) and name not in KNOWN)
    return [
        f"{name}: no setting has this variable{sentence(nearest(name))} Correct its name or unset it."
        for name in found
        if not name.startswith(FOREIGN_PREFIXES)
    ]
