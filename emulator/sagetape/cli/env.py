"""`sagetape env`: the lines that point AWS SDKs at a server, for the shell that will read them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..core.deck_names import NAME, NAME_RULE
from ..core.errors import ConfigError
from ..shell.aws_files import read_aws_files
from ..shell.client_env import SHELL_LINES, client_changes
from ..shell.host_os import default_shell
from ..shell.keyring import DEVELOPMENT_KEY, development_region
from ..shell.masking import masked
from ..shell.setting_rows import BY_NAME
from ..shell.settings import PORT
from ..shell.upstream_kind import is_address, upstream_suggestion
from .options import KindType
from .terminal import emit, emit_json

DEFAULT_SHELL = default_shell()


@click.command()
@click.option(
    "--shell",
    type=click.Choice(tuple(SHELL_LINES)),
    default=DEFAULT_SHELL,
    envvar="SAGETAPE_SHELL",
    show_default=True,
    show_envvar=True,
    help="The shell that reads the lines; sh stands for bash and zsh too.",
)
@click.option("--url", envvar="SAGETAPE_URL", show_envvar=True, help="Of the server; else made from its port.")
@click.option(
    "--port",
    type=KindType(BY_NAME["port"].kind),
    default=None,
    envvar="SAGETAPE_PORT",
    show_envvar=True,
    help=f"Of the server on this machine.  [default: {PORT}]",
)
@click.option(
    "--port-file",
    type=click.Path(path_type=Path),
    envvar="SAGETAPE_PORT_FILE",
    show_envvar=True,
    help="Read the port from the file that serve --port-file wrote.",
)
@click.option("--deck", envvar="SAGETAPE_DECK", show_envvar=True, help="Use this deck of the server.")
@click.option(
    "--recording/--replaying",
    default=False,
    envvar="SAGETAPE_RECORDING",
    show_envvar=True,
    help="Recording leaves your credentials alone; replaying sets a public pair, so that a stray call to AWS fails.",
)
@click.option(
    "--json", "as_json", is_flag=True, envvar="SAGETAPE_JSON", show_envvar=True, help="Print JSON: null removes."
)
def env(
    shell: str,
    url: str | None,
    port: int | None,
    port_file: Path | None,
    deck: str | None,
    recording: bool,
    as_json: bool,
) -> None:
    """Print the lines that point AWS SDKs at a server.

    \b
    bash, zsh   eval "$(sagetape env)"
    fish        sagetape env --shell fish | source
    powershell  sagetape env --shell powershell | Out-String | Invoke-Expression
    cmd         for /f "delims=" %i in ('sagetape env --shell cmd') do @%i
    """
    check_address(url, deck)
    base = (url or f"http://127.0.0.1:{port_from(port, port_file)}").rstrip("/")
    files = read_aws_files(os.environ, home=Path.home())
    changes = client_changes(
        f"{base}/deck/{deck}" if deck else base,
        os.environ,
        files,
        key=None if recording else DEVELOPMENT_KEY,
        region=development_region(os.environ, files, ()),
    )
    if as_json:
        emit_json(changes)
        return
    for name, value in changes.items():
        if value is not None or name in os.environ:
            emit(SHELL_LINES[shell](name, value))


def check_address(url: str | None, deck: str | None) -> None:
    """Raises BadParameter for what cannot become a server's address."""
    if url and not (url.startswith(("http://", "https://")) and is_address(url)):
        raise click.BadParameter(
            f"must be http://host:port, as in the server's ready line, not {masked(url)!r}{upstream_suggestion(url)}",
            param_hint="'--url'",
        )
    if deck and NAME.fullmatch(deck) is None:
        raise click.BadParameter(
            f"{deck!r} is no name for a deck: it is a part of its URL. {NAME_RULE}",
            param_hint="'--deck'",
        )


def port_from(port: int | None, file: Path | None) -> int:
    """The port that was given, or stands in a port file, or the default."""
    if port is not None or file is None:
        return PORT if port is None else port
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file}: no port can be read from it ({error}). A server that is ready writes one with --port-file. "
            "Is it running?"
        ) from error
