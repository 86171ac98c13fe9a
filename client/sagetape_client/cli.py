"""`sagetape invoke`: one call, a stream, an asynchronous inference, a pipeline or a batch, from a shell.

It turns options into a client and a request, picks the way, and turns every failure into a text on standard error and
an exit code: 0 clean, 1 unexpected, 2 usage, 3 a replay's miss, 4 the service answered an error, 5 cannot connect, 6 a
cassette that cannot be played, 7 credentials, 8 configuration, 9 time-out, 130 Ctrl-C, 141 a closed pipe.
Also `python -m sagetape_client`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import click

from .body import BodyInput, read_file
from .errors import AsyncCancelled, Declined, InvokeError, ParameterError, ServiceError
from .invoker import Client
from .options import SWITCHES, PowerShellCommand, make_options, read_config
from .parameters import ASYNC, INVOKE, STREAM, TABLE
from .printing import say
from .surroundings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, endpoint_url_of

CTRL_C, CLOSED_PIPE = 130, 141
Options = dict[str, Any]


def run(**options: Any) -> None:
    """The command's body: never returns normally with an error."""
    try:
        code = dispatch(options)
    except InvokeError as error:
        code = report(error)
    except KeyboardInterrupt:
        say("stopped by Ctrl-C")
        code = CTRL_C
    except BrokenPipeError:
        # Whoever read the answer has gone; nothing more may be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = CLOSED_PIPE
    except OSError as error:
        say(
            f"{error.strerror or error}: {error.filename or 'standard output'}. Check the path, its permissions and the disk."
        )
        code = 1
    click.get_current_context().exit(code)


invoke = PowerShellCommand(
    "invoke",
    callback=run,
    params=make_options(),
    short_help="Ask an endpoint: the real service, an emulator, or a cassette.",
    help="""Ask a SageMaker Runtime endpoint, with the parameters of Invoke-SMREndpoint.

    \b
    sagetape invoke churn --body '{"age": 41}' -c application/json
    sagetape invoke churn -b @row.csv -c text/csv --select '*'
    sagetape invoke chat -b 'Hi' --stream --as events
    sagetape invoke churn --cassette churn.tape -b @row.json
    sagetape invoke --batch rows.jsonl -o answers.jsonl --concurrency 16

    A body is text, @FILE, fileb://FILE, or - for standard input. ENDPOINT_NAME - reads endpoint names, or JSON
    objects of parameters, one per line from standard input, and asks them in order.
    """,
    context_settings={
        "auto_envvar_prefix": "SAGETAPE_INVOKE",
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
)


def dispatch(options: Options) -> int:
    """Choose the way and go it; the exit code."""
    from . import ways

    _check_combinations(options)
    with ExitStack() as stack:
        client = stack.enter_context(make_client(options, stack))
        way = ways.choose(options)
        return way(client, options)


def report(error: InvokeError) -> int:
    """Say what went wrong; the exit code."""
    say(error.message)
    for note in getattr(error, "__notes__", ()):
        say(note)
    if isinstance(error, ServiceError) and error.request_id:
        say(f"request id {error.request_id}")
    if isinstance(error, ServiceError) and error.members:
        for name, value in error.members.items():
            say(f"{name}: {value}")
    return error.exit_code


_ALONE = {"stream": "--stream", "is_async": "--async", "batch": "--batch"}


def _check_combinations(options: Options) -> None:
    """Options that contradict one another, before anything is opened."""
    chosen = [flag for name, flag in _ALONE.items() if options[name]]
    if len(chosen) > 1:
        raise ParameterError(f"{' and '.join(chosen)} exclude one another. Choose one.")
    needs = (
        ("reading", "--as", "stream", "--stream"),
        ("wait_s", "--wait", "is_async", "--async"),
        ("resume", "--resume", "batch", "--batch"),
    )
    for name, flag, other, other_flag in (*needs, ("at_most_once", "--at-most-once", "resume", "--resume")):
        if options[name] and not options[other]:
            raise ParameterError(f"{flag} means nothing without {other_flag}. Add {other_flag}, or leave {flag} out.")
    if options["resume"] and not options["output"]:
        raise ParameterError("--resume needs --output: the file that the stopped run wrote.")
    shapes = [
        flag
        for name, flag in (
            ("select", "--select"),
            ("query", "--query"),
            ("as_json", "--json"),
            ("pass_thru", "--pass-thru"),
        )
        if options[name]
    ]
    if len(shapes) > 1:
        raise ParameterError(f"{' and '.join(shapes)} both shape the answer. Choose one.")


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
    player: AbstractContextManager[Any] = embedded.open_cassette(path)
    try:
        opened = stack.enter_context(player)
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
    source = click.get_current_context().get_parameter_source("secret_key")
    if value and source is click.core.ParameterSource.COMMANDLINE:
        say(
            "warning: a secret in the arguments shows in the process list and the shell's history; use --secret-key-file."
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
    return text


def members_of(options: Options) -> Options:
    """The members given as options, under their Python names; EndpointName from the argument or the option."""
    members = {p.python: options[p.python] for p in TABLE if p.kind == "member" and p.name != "Body"}
    name, option = options["name"], members.pop("endpoint_name")
    if name and option and name != option:
        raise ParameterError(f"The endpoint is {name!r} by position and {option!r} by --endpoint-name. Give one.")
    given = {key: value for key, value in members.items() if value is not None}
    if (name or option) not in (None, "-"):
        given["endpoint_name"] = name or option
    return given


OPERATION_OF = {"stream": STREAM, "is_async": ASYNC}


def operation_of(options: Options) -> str:
    """The operation that the options ask for."""
    return next((operation for name, operation in OPERATION_OF.items() if options[name]), INVOKE)


def where(client: Client) -> str:
    """Where a client sends, for `--verbose`."""
    return endpoint_url_of(client.settings) or "the endpoint of the profile, else the real service"


def input_lines() -> Iterator[str]:
    """Standard input's lines that are not empty."""
    return (line.strip() for line in sys.stdin if line.strip())


def confirm(question: str) -> None:
    """Ask a person on the terminal. Raises Declined, or ParameterError where nobody can answer."""
    if not sys.stdin.isatty():
        raise ParameterError(
            "--confirm asks on a terminal, and standard input is none. Use --force to go on without asking."
        )
    if not click.confirm(question, err=True):
        raise Declined("Nothing was sent.")


def main() -> None:
    """`python -m sagetape_client`."""
    from . import completion

    completion.enable()
    invoke(prog_name="python -m sagetape_client", complete_var=completion.variable_of("sagetape_client"))


__all__ = ["CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "SWITCHES", "AsyncCancelled", "invoke", "main"]
