"""`sagetape exec`: start a server, set the AWS variables, run a command, stop, print the verdict, pass on the code.

The server is a process of its own, out of reach of the terminal's Ctrl-C, which is meant for the command; both end when
this process is killed, and the server ends what the command has started (`shell/left_behind.py`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
from click.core import ParameterSource

from ..core.errors import CassetteDamaged, CredentialsMissing, ReplayError, UpstreamError
from ..core.keeping import lacks_credentials
from ..core.verdict import damage_text, struck_text, unreached_text, withheld_text
from ..shell.client_env import apply
from ..shell.exec_env import command_changes
from ..shell.host_os import bound_options, exit_status, forwarded_signals, shares_terminal, signals_named
from ..shell.left_behind import VARIABLE as MARK_VARIABLE
from ..shell.left_behind import new_mark
from ..shell.server_process import NotReady, ServerProcess, start_server
from ..shell.settings import ServerSettings
from ..shell.token import VARIABLE as TOKEN_VARIABLE
from ..shell.token import new_token
from .options import WRITTEN, SectionedCommand, setting_options, settings_from
from .terminal import complain, harmless, painted_verdict, tell, warn

NOT_FOUND: Final = 127  # POSIX sh, 2.8.2: the command was not found
NOT_RUNNABLE: Final = 126  # the same: it was found and cannot be run
OF_THE_SERVER: Final = ("json", "exit_with_parent", "parent_pid", "port")
OURS: Final = ("replay", "record", "command")


@click.command("exec", cls=SectionedCommand)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.option("--replay", multiple=True, metavar="CASSETTE", help="Replay this; the network is never touched.")
@click.option("--record", metavar="CASSETTE", help="Record into this what --upstream answers.")
@setting_options(without=OF_THE_SERVER)
@click.pass_context
def exec_(
    ctx: click.Context, /, command: tuple[str, ...], replay: tuple[str, ...], record: str | None, **flags: Any
) -> None:
    """Run COMMAND against a server of its own, on a free port.

    With --replay or --record as those commands do, else as serve does. Ends with COMMAND's exit code when it is not 0,
    else with 3 after a miss (with --strict after every finding of the verdict, such as an interaction that was never
    played), else with the server's.
    """
    if replay and record:
        raise click.UsageError("--replay and --record exclude each other: give one of them.")
    name, files = ("replay", replay) if replay else ("record", (record,)) if record else ("serve", ())
    check_flags(ctx, name)
    field = {"replay": "cassettes", "record": "record_to"}
    named = {field[name]: tuple(map(Path, files)) if replay else Path(files[0])} if files else {}
    settings = settings_from(
        name, flags | named, spelled={"record_to": "--record", "cassettes": "--replay"}
    )  # wrong settings are said here, before anything is started
    try:
        # The server and the command inherit it: so the command may steer its server through the admin API.
        os.environ.setdefault(TOKEN_VARIABLE, new_token())
        os.environ[MARK_VARIABLE] = new_mark(os.getpid())
        server = start_server([name, *passed_on(ctx), "--port=0", "--", *files], pass_on=tell)
    except NotReady as ended:
        ctx.exit(ended.code)
    ctx.exit(run_against(server, settings, command))


def check_flags(ctx: click.Context, name: str) -> None:
    """Raises UsageError for a flag of this command that means nothing to the server's command that it stands for."""
    if name != "replay":
        return
    from .replay import replay

    known = {option.name for option in replay.params}
    for option in ctx.command.params:
        is_given = ctx.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if is_given and option.name not in (*OURS, *known):
            raise click.UsageError(
                f"{option.opts[0]} does not go with --replay, which only plays and asks nobody. Leave it out, or "
                "record with --record CASSETTE."
            )


def run_against(server: ServerProcess, settings: ServerSettings, command: Sequence[str]) -> int:
    """Runs the command, stops the server, prints the verdict; the exit code of the whole."""
    code = NOT_FOUND
    try:
        changes, note = command_changes(settings, server.ready, os.environ, home=Path.home())
        note = note and f"{note} Use --auth lenient to keep yours."
        if note:
            warn(note)
        code = run_command(command, apply(changes, os.environ))
    finally:
        # Only a mode that replaces can lose anything: in every other one what was recorded is in the file already.
        abandons = settings.mode == "rewrite" and code != 0
        own = server.stop(abandons=abandons)
        if abandons:
            tell(
                f"  {settings.record_to} is as it was: the command ended with {code}, so the recording replaced nothing"
            )
        verdict = judge(server, code if abandons else own, is_strict=settings.strict)
    return code or verdict


def passed_on(ctx: click.Context) -> list[str]:
    """The flags of the command line that are the server's, as words. Variables reach it by themselves."""
    words: list[str] = []
    for option in ctx.command.params:
        name = option.name or ""
        if name not in OURS and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            words += spelled(option, ctx.meta.get(WRITTEN, {}).get(name, ctx.params[name]))
    return words


def spelled(option: click.Parameter, value: Any) -> Iterator[str]:
    """An option and its value as words."""
    if isinstance(value, bool):
        yield option.opts[0] if value else option.secondary_opts[0]
        return
    for one in value if isinstance(value, (tuple, list)) else (value,):
        yield f"{option.opts[0]}={one}"


def run_command(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs a command to its end, passing signals on; its exit code as a shell counts it."""
    program = shutil.which(command[0], path=environ.get("PATH"))
    if program is None:
        if (flaw := flaw_of(command[0], environ)) is not None:
            complain(flaw)
            return NOT_RUNNABLE
        complain(f"{command[0]}: no such command. Nothing was run. Write what follows -- as you would in a shell.")
        return NOT_FOUND
    try:
        child = subprocess.Popen([program, *command[1:]], env=dict(environ), **bound_options())
    except OSError as error:
        complain(f"{command[0]} cannot be run: {error.strerror}. Nothing was run. Is it a program for this machine?")
        return NOT_RUNNABLE
    with passing_signals(child):
        return exit_status(child.wait())


def flaw_of(name: str, environ: Mapping[str, str]) -> str | None:
    """Why the command that was found cannot be run; None when none was found."""
    if os.path.dirname(name) and os.path.isdir(name):
        return f"{name} is a folder, not a command. Nothing was run. Name the program in it that is meant."
    found = shutil.which(name, mode=os.F_OK, path=environ.get("PATH"))
    if found is None:
        return None
    return f"{found} is not executable. Nothing was run. Allow it with chmod +x, or name the program that reads it."


@contextmanager
def passing_signals(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Passes signals on to a child. A Ctrl-C on a terminal that it shares with us has reached it already."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT or not shares_terminal():
            child.send_signal(number)

    numbers = (signal.SIGINT, *signals_named(forwarded_signals()))
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def amounts_to(counts: Mapping[str, int], *, unreached: Sequence[str]) -> int:
    """The exit code that a summary stands for, the worst first: damage, misses, upstreams that gave no answer, those
    first that could not be signed for."""
    if counts.get("damaged"):
        return CassetteDamaged.exit_code
    if counts.get("miss"):
        return ReplayError.exit_code
    if any(map(lacks_credentials, unreached)):
        return CredentialsMissing.exit_code
    return UpstreamError.exit_code if unreached else 0


def judge(server: ServerProcess, own: int, *, is_strict: bool = False) -> int:
    """Prints the verdict on standard error; the exit code it stands for."""
    counts = {name: count for name, count in server.summary.items() if isinstance(count, int) and count}
    requests, damage = counts.pop("requests", 0), counts.pop("damage", 0)
    withheld, warned = counts.pop("withheld", 0), counts.pop("warned", 0)
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    text = f"{requests} request{'' if requests == 1 else 's'}{f' ({parts})' if parts else ''}"
    struck, unreached = server.summary.get("struck"), server.summary.get("unreached") or {}
    if withheld:
        text += f"; {withheld_text(withheld)}"
    if struck:
        text += f"; {struck_text(struck)}"
    if damage:
        text += f"; {damage_text(damage)}"
    code = own or amounts_to(counts, unreached=list(unreached))
    if is_strict and server.summary.get("findings"):
        code = code or ReplayError.exit_code
    for place in server.summary.get("damaged_places", ()):
        tell(f"  {harmless(str(place))}")
    for failure, count in unreached.items():
        tell(f"  {harmless(unreached_text(failure, count))}")
    for failure, count in Counter(map(str, server.summary.get("failures", ()))).items():
        tell(f"  {harmless(failure)}{f' ({count} times)' if count > 1 else ''}")
    for finding in server.summary.get("findings", ()):
        tell(f"  {harmless(str(finding))}")
    for name in server.summary.get("unexpected_decks", ()):
        tell(f"  deck {harmless(str(name))} was made by a request's path alone; was its name meant?")
    word = f"failed with {code}" if code else "not clean" if damage or warned else "clean"
    tell(painted_verdict(f"{text}, {word}", is_good=word == "clean"))
    return code
