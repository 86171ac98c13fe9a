"""The root of the command line: what it imports, what it says, and the code it ends with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from command_line import environment, sagetape

from sagetape.cli import main
from sagetape.cli.commands import CASSETTE_COMMANDS, COMMANDS, Entry
from sagetape.cli.installed import own_target
from sagetape.cli.lazy import load
from sagetape.core.errors import (
    CassetteDamaged,
    CassetteForeign,
    CassetteMissing,
    ConfigError,
    ReplayError,
    SecretFound,
    UpstreamError,
)
from sagetape.version import __version__

HEAVY = ("aiohttp", "asyncio", "boto3", "botocore", "msgpack", "urllib3", "uvloop", "yarl")
LIGHT_COMMANDS = [
    ["--help"],
    ["--version"],
    ["completion", "bash"],
    ["env"],
    *([name, "--help"] for name in ("serve", "replay", "record", "exec", "env", "doctor", "completion")),
]


def imported_by(folder: Path, words: list[str], **environ: str) -> set[str]:
    """The heavy packages that a command line imported."""
    script = (
        "import sys, atexit\n"
        f"found = lambda: [name for name in {HEAVY!r} if name in sys.modules]\n"
        "atexit.register(lambda: print('HEAVY', *found(), file=sys.stderr))\n"
        f"sys.argv = ['sagetape', *{words!r}]\n"
        "from sagetape.cli import main\n"
        "main(prog_name='sagetape')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment(folder, environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stderr.rpartition("HEAVY")[2].split())


@pytest.mark.parametrize("words", LIGHT_COMMANDS, ids=" ".join)
def test_command_that_answers_at_once_imports_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    """No event loop, no SDK, no server: a second of imports would be felt at every prompt."""
    assert imported_by(tmp_path, words) == set()


@pytest.mark.parametrize("typed", ["sagetape ", "sagetape serve --mo", "sagetape cassette "])
def test_completion_imports_nothing_heavy(typed: str, tmp_path: Path) -> None:
    """Completion runs at every press of the key."""
    environ = {"_SAGETAPE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)}
    assert imported_by(tmp_path, [], **environ) == set()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("sagetape re", {"replay", "record"}),
        ("sagetape serve --mode ", {"none", "once", "new_episodes", "all", "rewrite", "verify"}),
        ("sagetape cassette sh", {"show"}),
        ("sagetape completion f", {"fish"}),
    ],
)
def test_completion_offers_commands_and_choices(typed: str, expected: set[str], tmp_path: Path) -> None:
    """As bash asks for it."""
    environ = {"_SAGETAPE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)}
    done = sagetape(tmp_path, environ=environ)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_script_is_the_shells(shell: str) -> None:
    """It asks for completions under the name that click answers to."""
    done = CliRunner().invoke(main, ["completion", shell], prog_name="sagetape")
    assert done.exit_code == 0
    assert "_SAGETAPE_COMPLETE" in done.stdout
    assert f"{shell}_complete" in done.stdout


def test_version_is_one_line() -> None:
    """Name and version, for scripts."""
    assert CliRunner().invoke(main, ["--version"], prog_name="sagetape").stdout == f"sagetape {__version__}\n"


def test_help_names_every_command() -> None:
    """With its line, without loading it."""
    text = CliRunner().invoke(main, ["--help"], prog_name="sagetape").stdout
    for name, entry in COMMANDS.items():
        assert name in text
        assert entry.help.split()[0] in text


@pytest.mark.parametrize("name", [*COMMANDS, *(f"cassette {name}" for name in CASSETTE_COMMANDS)])
def test_command_of_the_table_has_a_help_text(name: str) -> None:
    """Every row of the tables loads."""
    done = CliRunner().invoke(main, [*name.split(), "--help"], prog_name="sagetape")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: sagetape {name}")


# --- exit codes -------------------------------------------------------------------------------------------------


def run_raising(error: BaseException, *words: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Runs the root with a command that raises."""

    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setitem(sys.modules, "broken_command", type("Module", (), {"broken": broken}))  # type: ignore[arg-type]
    monkeypatch.setitem(main.table, "broken", Entry("broken_command:broken", "Breaks."))  # type: ignore[attr-defined]
    return CliRunner().invoke(main, [*words, "broken"], prog_name="sagetape")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("defect"), 1),
        (click.UsageError("usage"), 2),
        (ReplayError("a miss"), 3),
        (UpstreamError("cannot connect"), 5),
        (CassetteDamaged("damaged"), 6),
        (CassetteForeign("of another version"), 6),
        (CassetteMissing("missing"), 6),
        (SecretFound("a secret"), 7),
        (ConfigError("configuration"), 8),
        (TimeoutError("too slow"), 9),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_error_ends_with_its_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One table for the whole command line, and never a traceback."""
    monkeypatch.setattr("sagetape.cli.root.close_output", lambda: None)  # the runner has no standard output to lose
    done = run_raising(error, monkeypatch=monkeypatch)
    assert done.exit_code == code
    assert "Traceback" not in done.output
    assert done.stdout == ""
    if str(error):
        assert str(error) in done.stderr


def test_error_that_is_a_defect_says_how_to_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with --debug the traceback is there."""
    assert "--debug" in run_raising(RuntimeError("defect"), monkeypatch=monkeypatch).stderr
    assert "Traceback" in run_raising(RuntimeError("defect"), "--debug", monkeypatch=monkeypatch).stderr


def test_error_with_several_problems_lists_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, one to a line."""
    text = run_raising(ConfigError(["first.", "second."]), monkeypatch=monkeypatch).stderr
    assert text == "sagetape: error: 2 problems\n  - first.\n  - second.\n"


def test_error_text_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cassette or a server says may be hostile."""
    text = run_raising(ConfigError("a\x1b]0;title\x07b"), monkeypatch=monkeypatch).stderr
    assert "\x1b" not in text
    assert "\\x1b]0;title\\x07b" in text


@pytest.mark.parametrize(
    ("environ", "is_terminal", "expected"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(environ: dict[str, str], is_terminal: bool, expected: bool) -> None:
    """https://no-color.org: present and not empty."""
    from sagetape.cli.terminal import wants_colour

    stream: Any = type("Stream", (), {"isatty": lambda self: is_terminal})()
    assert wants_colour(stream, environ) is expected


# --- commands of other packages -----------------------------------------------------------------------------------


def test_entry_point_becomes_a_command(tmp_path: Path) -> None:
    """The client's `invoke` comes in this way; nothing of it is imported for the list."""
    package = tmp_path / "guest-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1\n")
    (package / "entry_points.txt").write_text(
        "[sagetape.commands]\ngreet = guest_commands:greet\nlost = nowhere_at_all:lost\n"
    )
    (tmp_path / "guest_commands.py").write_text(
        "import click\nprint('loaded')\n\n@click.command()\ndef greet():\n    click.echo('hello')\n"
    )
    path = {"PYTHONPATH": f"{environment(tmp_path)['PYTHONPATH']}:{tmp_path}"}
    listed = sagetape(tmp_path, "--help", environ=path)
    assert "From guest_commands." in listed.stdout
    assert "loaded" not in listed.stdout
    assert sagetape(tmp_path, "greet", environ=path).stdout == "loaded\nhello\n"
    lost = sagetape(tmp_path, "lost", environ=path)
    assert lost.returncode == 8
    assert "The command lost cannot be loaded" in lost.stderr


def test_own_entry_point_is_found_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the group that was asked for; what is not there, or there twice, is left to the library."""
    monkeypatch.setattr("sys.path", [str(tmp_path / "gone.zip"), str(tmp_path)])
    for version in ("1", "2"):
        assert own_target("sagetape.commands", "invoke") == (None if version == "1" else "a.b:c")
        info = tmp_path / f"sagetape-{version}.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text("[other]\ninvoke = x:y\n\n[sagetape.commands]\ninvoke = a.b:c\n")
    assert own_target("sagetape.commands", "invoke") is None


def test_command_of_ours_that_cannot_be_loaded_is_a_defect() -> None:
    """It is not blamed on what is installed."""
    with pytest.raises(ModuleNotFoundError):
        load("gone", Entry(".gone:gone", ""))


def test_command_with_a_typo_is_a_usage_error(tmp_path: Path) -> None:
    """Code 2, and the help is named."""
    done = sagetape(tmp_path, "replya")
    assert done.returncode == 2
    assert "No such command 'replya'" in done.stderr
