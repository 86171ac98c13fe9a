"""What answers when a cassette does not: the real service, a container, a Python function, or a chain of them.

One table from the beginning of a specification to the function that opens it. Specifications:

    aws                          SageMaker Runtime, with the default credentials
    aws:<profile>                the same, with a profile's
    aws+http(s)://host:port      anything shaped like it: a mock, another Sagetape
    http(s)://host:port          a model container
    function:<module>:<name>     a Python function
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from yarl import URL

from ...core.errors import ConfigError
from ...core.platform import ANSWER_MAX_BYTES
from ...core.signing import Key
from ...core.values import valueclass
from .upstream import Clock, NothingHere, Upstream

__all__ = ["KINDS", "Clock", "NothingHere", "Settings", "Upstream", "parse_upstream"]


@valueclass(frozen=True, slots=True)
class Settings:
    """What the opening of an upstream depends on besides its specification."""

    folder: Path = Path(".")
    """Of the configuration file: first on the path for functions."""
    key: Key | None = None
    """For `aws` kinds: sign with this instead of what botocore finds."""
    allowed_hosts: frozenset[str] = frozenset()
    """Hosts off this machine that `aws+http://` may speak to without TLS."""
    ca_file: str | None = None
    """A PEM file of authorities instead of the system's."""
    answer_max_bytes: int = ANSWER_MAX_BYTES


def parse_upstream(spec: str | Sequence[str], settings: Settings | None = None) -> Upstream:
    """Open the upstream that a specification describes; a list is a chain.

    Connects to nothing; imports the module of a function. Raises ConfigError that says what would have worked.
    """
    settings = settings or Settings()
    if not isinstance(spec, str):
        from .chain import Chain

        if not spec:
            raise ConfigError("an upstream list is empty; name at least one upstream, or leave the setting out")
        return Chain([parse_upstream(one, settings) for one in spec])
    return KINDS[kind_of(spec)](spec.strip(), settings)


def kind_of(spec: str) -> str:
    """The row of the table that opens this specification."""
    word = spec.strip().split(":", 1)[0]
    if word in KINDS:
        return word
    close = difflib.get_close_matches(word, KINDS, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else "Is the kind missing?"
    raise ConfigError(
        f"unknown upstream {without_secrets(spec)!r}. {hint} Write aws, aws:<profile>, aws+http(s)://host:port, "
        "http(s)://host:port or function:<module>:<name>."
    )


def open_aws(spec: str, settings: Settings) -> Upstream:
    """`aws` and `aws:<profile>`."""
    from .aws import Aws
    from .credentials import Botocore, Given

    _, colon, profile = spec.partition(":")
    if colon and not profile:
        raise ConfigError("upstream 'aws:' names no profile. Write aws for the default one, or aws:<profile>.")
    credentials = Given(settings.key) if settings.key else Botocore(profile or None)
    return Aws(None, credentials, source=spec, ca_file=settings.ca_file, answer_max_bytes=settings.answer_max_bytes)


def open_aws_shaped(spec: str, settings: Settings) -> Upstream:
    """`aws+http://...` and `aws+https://...`."""
    from .aws import Aws
    from .connection import is_loopback
    from .credentials import Botocore, Given

    url = parse_url(spec.removeprefix("aws+"), spec)
    host = url.host or ""
    if url.scheme == "http" and not is_loopback(host) and host not in settings.allowed_hosts:
        raise ConfigError(
            f"upstream {spec!r} would send signed requests without TLS to another machine. "
            f"Write aws+https://{host}, or allow the host: --allow-upstream {host}."
        )
    credentials = Given(settings.key) if settings.key else Botocore(None)
    return Aws(url, credentials, source=spec, ca_file=settings.ca_file, answer_max_bytes=settings.answer_max_bytes)


def open_container(spec: str, settings: Settings) -> Upstream:
    """`http://...` and `https://...`."""
    from .container import Container

    url = parse_url(spec, spec)
    return Container(url, answer_max_bytes=settings.answer_max_bytes, ca_file=settings.ca_file)


def open_function(spec: str, settings: Settings) -> Upstream:
    """`function:<module>:<name>`."""
    from .function import Function
    from .modules import Loaded

    parts = spec.split(":")
    if len(parts) != 3 or not all(parts):
        raise ConfigError(f"upstream {spec!r} does not name a function. Write function:<module>:<name>.")
    loaded = Loaded(parts[1], parts[2], folder=settings.folder.resolve())
    return Function(loaded, source=spec, answer_max_bytes=settings.answer_max_bytes)


KINDS: Final[dict[str, Callable[[str, Settings], Upstream]]] = {
    "aws": open_aws,
    "aws+http": open_aws_shaped,
    "aws+https": open_aws_shaped,
    "http": open_container,
    "https": open_container,
    "function": open_function,
}


def parse_url(text: str, spec: str) -> URL:
    """The base URL of a server. Refuses user names, queries and fragments, and addresses no upstream may have."""
    try:
        url = URL(text)
        is_whole = bool(url.host) and url.port is not None
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ConfigError(
            f"upstream {without_secrets(spec)!r} is no URL of a server. Write it as http://127.0.0.1:8080."
        )
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ConfigError(
            f"upstream {without_secrets(spec)!r} holds more than a server's address. Write scheme, host and port, "
            "with a path before AWS's own at most; credentials come from the environment, a profile or [[credentials]]."
        )
    refuse_forbidden(url.host or "", spec)
    return url


def refuse_forbidden(host: str, spec: str) -> None:
    """Refuses link-local and metadata addresses written as numbers; names are checked when they are resolved."""
    from .connection import is_forbidden

    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return
    if is_forbidden(host):
        raise ConfigError(
            f"upstream {spec!r} is a link-local or metadata address, which Sagetape never connects to. "
            "Write the address of the model's server."
        )


def without_secrets(spec: str) -> str:
    """A specification as it may be shown: without what stands before an @ or behind a ?."""
    head, at, tail = spec.partition("://")
    tail = tail.split("?")[0].rpartition("@")[2]
    return f"{head}{at}{tail}" if at else spec
