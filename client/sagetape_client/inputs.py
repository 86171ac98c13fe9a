"""From the command line's options to a client and to one call's parameters.

It decides which options contradict one another, where a body's text comes from (`@file`, `fileb://`, standard input),
and how a secret may be given. It sends nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from .body import BodyInput, read_file
from .cli import say
from .errors import CassetteError, Declined, ParameterError
from .invoker import Client
from .options import read_config
from .parameters import TABLE
from .surroundings import endpoint_url_of

Options = dict[str, Any]

_WAYS = {"stream": "--stream", "is_async": "--async", "batch": "--batch"}
_SHAPES = {"select": "--select", "query": "--query", "as_json": "--json", "pass_thru": "--pass-thru"}
_NEEDS = (
    ("reading", "--as", "stream", "--stream"),
    ("wait_s", "--wait", "is_async", "--async"),
    ("resume", "--resume", "batch", "--batch"),
    ("at_most_once", "--at-most-once", "resume", "--resume"),
)


def check_combinations(options: Options) -> None:
    """Options that contradict one another, before anything is opened. Raises ParameterError."""
    chosen = [flag for name, flag in _WAYS.items() if options[name]]
    chosen += ["- (a pipeline)"] if options["name"] == "-" else []
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude one another. Choose one.")
    for name, flag, other, other_flag in _NEEDS:
        if options[name] and not options[other]:
            raise ParameterError(f"{flag} means nothing without {other_flag}. Add {other_flag}, or leave {flag} out.")
    if options["resume"] and not options["output"]:
        raise ParameterError("--resume needs --output: the file that the stopped run wrote.")
    if not options["batch"] and is_typed("concurrency"):
        raise ParameterError("--concurrency means nothing without --batch. Add --batch, or leave --concurrency out.")
    shapes = [flag for name, flag in _SHAPES.items() if options[name]]
    if len(shapes) > 1:
        raise ParameterError(f"{' and '.join(shapes)} both shape the answer. Choose one.")
    _check_many(options)


def check_output(path: str | None) -> None:
    """Raises ParameterError for an output that cannot be written, before a call is paid for. Creates nothing."""
    if path is None:
        return
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        wrong = f"there is no folder {folder!r}"
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        wrong = "no permission"
    else:
        return
    raise ParameterError(f"--output {path!r} cannot be written: {wrong}. Nothing was sent; name another file.")


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Gives an error of the system that names no file the name of this one: a full disk says only that it is full."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def _check_many(options: Options) -> None:
    """What a batch or a pipeline cannot be asked for."""
    alone = {"select": "--select", "query": "--query", "pass_thru": "--pass-thru", "what_if": "--what-if"}
    given = [flag for name, flag in alone.items() if options[name]]
    if options["batch"] and given:
        raise ParameterError(f"{given[0]} is for one call, and --batch makes many. Leave it out, or ask one line.")
    if options["confirm"] and not options["force"] and (options["batch"] or options["name"] == "-"):
        raise ParameterError("--confirm asks about one call, and this makes many. Look with --what-if, or use --force.")


def is_typed(name: str) -> bool:
    """Whether an option stands in the arguments, not only in its default or a variable."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def make_client(options: Options, stack: ExitStack) -> Client:
    """A client from the options; with `--cassette` one of the embedded emulator, open as long as the stack."""
    given = {p.python: options[p.python] for p in TABLE if p.kind == "client"}
    given["client_config"] = read_config(given["client_config"])
    given["secret_key"] = secret_key(options)
    given |= {name: options[name] for name in ("read_timeout_s", "connect_timeout_s", "ready_timeout_s")}
    given["connections"] = options["concurrency"] if options["batch"] else 10
    given["retries"] = int(options["retries"]) if (options["retries"] or "").isdigit() else options["retries"]
    if options["cassette"]:
        given |= _cassette_client(options, stack, given)
    return Client(**given)


def _cassette_client(options: Options, stack: ExitStack, given: Mapping[str, Any]) -> Options:
    from . import embedded

    elsewhere = [
        p.flags[-1]
        for p in TABLE
        if p.kind == "client" and p.name not in ("Region", "ClientConfig") and given[p.python]
    ]
    if elsewhere:
        raise ParameterError(
            f"{elsewhere[0]} and --cassette exclude one another: a cassette answers by itself. Leave one out."
        )
    path = options["cassette"]
    try:
        opened = stack.enter_context(embedded.open_cassette(path))
    except CassetteError:
        raise
    except Exception as error:  # whatever the emulator says about its file, with its own exit code
        raise embedded.translate(error, path) from error
    environ = {
        k: v for k, v in os.environ.items() if k not in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")
    }
    environ |= {"NO_PROXY": "*", **opened.environ}
    known = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return {"endpoint_url": opened.url, "environ": environ, "region": given["region"] or known}


def secret_key(options: Options) -> str | None:
    """The secret key from a file, from standard input, or (with a warning) from the arguments."""
    path, value = options["secret_key_file"], options["secret_key"]
    if path and value:
        raise ParameterError("--secret-key and --secret-key-file exclude one another. Prefer the file.")
    if path:
        return read_file(path).decode("utf-8").strip()
    if value == "-":
        return sys.stdin.readline().strip()
    if value and is_typed("secret_key"):
        say(
            "warning: a secret in the arguments shows in the process list and the shell's history;"
            " use --secret-key-file."
        )
    return str(value) if value else None


def body_of(options: Options) -> BodyInput:
    """The body as the options give it: nothing, one value, or lines."""
    given: tuple[str, ...] = options["body"]
    if not given:
        return None
    values = [_body_value(text) for text in given]
    if len(values) == 1:
        return values[0]
    return [value if isinstance(value, str) else value.decode("utf-8", "surrogateescape") for value in values]


def _body_value(text: str) -> str | bytes:
    if text in ("-", "@-"):
        return sys.stdin.buffer.read()
    if text.startswith("fileb://"):
        return read_file(text.removeprefix("fileb://"))
    if text.startswith("@"):
        return read_file(text.removeprefix("@"))
    if text.startswith("file://"):  # the AWS CLI's spelling for text
        return _text_file(text.removeprefix("file://"))
    return text


def _text_file(path: str) -> str:
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"The body's file {path!r} is no text: byte {error.start} is not UTF-8."
            f" Give it as fileb://{path} or @{path}."
        ) from error


def members_of(options: Options) -> Options:
    """The members given as options, under their Python names; EndpointName from the argument or the option."""
    members = {p.python: options[p.python] for p in TABLE if p.kind == "member" and p.name != "Body"}
    name, option = options["name"], members.pop("endpoint_name")
    name = None if name == "-" else name
    if name and option and name != option:
        raise ParameterError(f"The endpoint is {name!r} by position and {option!r} by --endpoint-name. Give one.")
    given = {key: value for key, value in members.items() if value is not None}
    if name or option:
        given["endpoint_name"] = name or option
    return given


def where(client: Client) -> str:
    """Where a client sends, for `--verbose`."""
    return endpoint_url_of(client.settings) or "the endpoint of the profile, else the real service"


def input_lines() -> Iterator[str]:
    """Standard input's lines that are not empty."""
    return (line.strip() for line in sys.stdin if line.strip())


def confirm(question: str) -> None:
    """Ask a person on the terminal. Raises Declined, or ParameterError where nobody can answer."""
    if not sys.stdin.isatty():
        raise ParameterError("--confirm asks on a terminal, and standard input is none. Use --force to send unasked.")
    if not click.confirm(question, err=True):
        raise Declined("Nothing was sent.")
