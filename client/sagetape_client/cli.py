"""`sagetape invoke`: one call, a stream, an asynchronous inference, a pipeline or a batch, from a shell.

It turns options into a client and a request, picks the way, and turns every failure into a text on standard error and
an exit code: 0 clean, 1 unexpected, 2 usage, 3 a replay's miss, 4 the service answered an error, 5 cannot connect, 6 a
cassette that cannot be played, 7 credentials, 8 configuration, 9 time-out, 130 Ctrl-C, 141 a closed pipe.
Also `python -m sagetape_client`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from .errors import InvokeError, ServiceError
from .options import PowerShellCommand, make_options

CTRL_C, CLOSED_PIPE = 130, 141


def run(**options: Any) -> None:
    """The command's body: it ends the command with an exit code."""
    try:
        from . import ways  # loads the client: nothing that --help or completion should wait for

        code = ways.go(options)
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
        place = error.filename or "standard output"  # whoever opens a file names it
        say(f"{error.strerror or error}: {place}. Check the path, its permissions and the disk.")
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


def say(text: str) -> None:
    """A text on standard error, where a server's words must not drive the terminal."""
    from .printing import harmless  # with the client: nothing that --help or completion should wait for

    sys.stderr.write(f"sagetape invoke: {harmless(text)}\n")
    sys.stderr.flush()


def report(error: InvokeError) -> int:
    """Say what went wrong; the exit code."""
    say(error.message)
    for note in getattr(error, "__notes__", ()):
        say(note)
    if isinstance(error, ServiceError):
        for name, value in error.members.items():
            say(f"{name}: {value}")
        if step := next_step(error):
            say(step)
        if error.request_id:
            say(f"request id {error.request_id}")
    return error.exit_code


NEXT_STEPS = {
    "ValidationError": "Check the endpoint's name, the region and the account; the text above says what was refused.",
    "ModelError": "The model failed, not the call: look at the log that LogStreamArn names, and at OriginalMessage.",
    "ModelNotReadyException": "The model is being loaded: ask again with --wait-ready 360.",
    "ThrottlingException": "Ask less often, or with --retries adaptive.",
    "AccessDeniedException": "The caller needs sagemaker:InvokeEndpoint on this endpoint; check its policy.",
    "ExpiredTokenException": "Log in again (`aws sso login`), or take fresh keys.",
    "UnrecognizedClientException": "Check the keys; against an emulator `sagetape env` prints a pair it knows.",
    "InvalidSignatureException": "Check secret key, region and clock; against an emulator see `sagetape env`.",
}


def next_step(error: ServiceError) -> str:
    """What to do about an error of the service; an emulator's own word where it sent one.

    Empty for the emulator's own codes (`Sagetape*`), whose texts say it themselves.
    """
    if reason := error.headers.get("x-sagetape-reason"):
        return "" if reason in error.text else reason
    if error.code.startswith("Sagetape"):
        return ""
    if error.status >= 500:
        return "The service failed: ask again later, with the request id for AWS support."
    return NEXT_STEPS.get(error.code, "")


def main() -> None:
    """`python -m sagetape_client`. Completion is click's own, for bash, zsh, fish and PowerShell."""
    invoke(prog_name="python -m sagetape_client", complete_var="_SAGETAPE_CLIENT_COMPLETE")
