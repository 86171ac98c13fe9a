"""Small mistakes of whoever starts a server: each is told in the user's own words, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import click
import pytest
from tests.cli.command_line import sagetape
from tests.shell.test_server_life import running

from sagetape.cli import main
from sagetape.cli.lazy import LazyGroup
from sagetape.shell.setting_rows import ROWS
from sagetape.shell.variables import KNOWN, own_variables, unknown_variables

LONG = "a" * 300 + ".tape"
UPSTREAM = ("--upstream", "http://127.0.0.1:1", "--no-config")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("record", LONG, *UPSTREAM), 6, "its name is too long. Shorten it."),
        (("replay", LONG, "--no-config"), 6, "longer than its file system takes"),
        (("cassette", "ls", LONG), 6, "longer than its file system takes"),
        (("verify", LONG, *UPSTREAM[:2]), 6, "longer than its file system takes"),
        (("replay", os.devnull, "--no-config"), 6, "is not a plain file"),
        (("exec", "--replay", "fifo", "--no-config", "--", "true"), 6, "fifo is not a plain file"),
        (("exec", "--record", "a.tape", "--mode", "none", "--no-config", "--", "true"), 8, "error: --record:"),
        (("record", "a.tape", "--mode", "none", *UPSTREAM), 8, "error: CASSETTE:"),
        (("recrod",), 2, "did you mean 'record'?"),
        (("cassette", "meerge"), 2, "did you mean 'merge'?"),
        (("serve", "-Casette", "x"), 2, "No such option '-Casette'; did you mean --cassette?"),
        (("replay", "-qx"), 2, "No such option '-qx'."),
        (("serve", "--clock-window-s", "1.5"), 2, "must be a whole number from 1 to 86400, not '1.5'"),
        (("replay", ".", "--no-config"), 6, "no cassette but a folder. There is no cassette in it either"),
        (("record", "fifo/churn.tape", *UPSTREAM), 6, "fifo is a file, not a folder. Name a cassette in a folder."),
        (("serve", "--upstream", "http://u:secret@h:1"), 2, "not 'http://***@h:1'; did you mean 'http://h:1'?"),
        (("serve", "--upstream", "http://h:1/?key=secret"), 2, "not 'http://h:1/?***'"),
        (("serve", "--upstream", "htp://h:1/?key=secret"), 2, "did you mean 'http://h:1/?***'?"),
        (("env", "--url", "http://h:1/#secret"), 2, "not 'http://h:1/#***'"),
        (("env", "--url", "notaurl"), 2, "must be http://host:port, as in the server's ready line, not 'notaurl'"),
        (("env", "--url", "localhost:80"), 2, "did you mean 'http://localhost:80'?"),
        (("env", "--deck", "a/b c"), 2, "'a/b c' is no name for a deck: it is a part of its URL."),
        (("exec", "--no-config", "--", "/"), 126, "/ is a folder, not a command. Nothing was run."),
        (("exec", "--no-config", "--", "./fifo"), 126, "./fifo is not executable. Nothing was run."),
        (("exec", "--no-config", "--", "./none"), 127, "./none: no such command. Nothing was run."),
        (("serve", "--port", "70000"), 2, "Invalid value for '--port': must be"),
    ],
)
def test_mistake_is_told_in_the_users_words(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    """Never as a defect of ours, and never by a flag that nobody wrote."""
    os.mkfifo(tmp_path / "fifo")
    found = sagetape(tmp_path, *words)
    assert found.returncode == code
    assert said in found.stderr
    assert "defect" not in found.stderr
    assert "secret" not in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a folder that takes no files even from root")
def test_folder_that_takes_no_cassette_is_named(tmp_path: Path) -> None:
    """Not a lock file that is missing, nor a command that would record into it."""
    found = sagetape(tmp_path, "record", "/proc/x.tape", *UPSTREAM)
    assert found.returncode == 6
    assert "the folder /proc takes no new files" in found.stderr
    assert "sagetape record" not in found.stderr


def test_taken_port_leaves_no_cassette_behind(tmp_path: Path) -> None:
    """The port is bound before anything is made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = sagetape(tmp_path, "record", "a.tape", *UPSTREAM, "--port", str(taken.getsockname()[1]))
    assert found.returncode == 8
    assert not list(tmp_path.iterdir())


def test_folder_that_a_recording_makes_is_told(tmp_path: Path) -> None:
    """A path with a typo is seen at once."""
    with running(tmp_path, "record", str(tmp_path / "new" / "a.tape"), *UPSTREAM, "--port", "0") as server:
        assert server.end(signal.SIGTERM) == 0
        assert f"the folder {tmp_path / 'new'} was not there; it was made for a.tape" in server.errors()


def test_variable_that_is_misspelt_is_an_error(tmp_path: Path) -> None:
    """It would be passed by in silence; each is told with the nearest name."""
    found = sagetape(tmp_path, "serve", "--no-config", environ={"SAGETAPE_PROT": "1", "SAGETAPE_STRCT": "1"})
    assert found.returncode == 8
    assert "SAGETAPE_PROT: no setting has this variable; did you mean SAGETAPE_PORT?" in found.stderr
    assert "did you mean SAGETAPE_STRICT?" in found.stderr


def test_service_links_of_a_cluster_are_not_settings(tmp_path: Path) -> None:
    """Kubernetes describes a service named `sagetape` to every pod, by names of which one is ours."""
    links = {
        "SAGETAPE_SERVICE_HOST": "10.0.0.1",
        "SAGETAPE_SERVICE_PORT": "7243",
        "SAGETAPE_SERVICE_PORT_HTTP": "7243",
        "SAGETAPE_PORT": "tcp://10.0.0.1:7243",
        "SAGETAPE_PORT_7243_TCP": "tcp://10.0.0.1:7243",
        "SAGETAPE_PORT_7243_TCP_PROTO": "tcp",
        "SAGETAPE_PORT_7243_TCP_PORT": "7243",
        "SAGETAPE_PORT_7243_TCP_ADDR": "10.0.0.1",
    }
    assert own_variables({**links, "SAGETAPE_SEED": "7", "PATH": "x"}) == {"SAGETAPE_SEED": "7", "PATH": "x"}
    assert own_variables({"SAGETAPE_PORT": "7243"}) == {"SAGETAPE_PORT": "7243"}
    found = sagetape(tmp_path, "exec", "--no-config", "--", "true", environ=links)
    assert found.returncode == 0, found.stderr
    found = sagetape(tmp_path, "serve", "--no-config", environ={**links, "SAGETAPE_PORT": "http://10.0.0.1:7243"})
    assert found.returncode == 8
    assert "SAGETAPE_PORT: must be a whole number" in found.stderr


def test_variables_of_others_are_left_alone() -> None:
    """Those of the client, and whatever does not look like ours."""
    assert not unknown_variables({"SAGETAPE_INVOKE_REGION": "x", "PATH": "x", "_SAGETAPE_COMPLETE": "x"})
    assert unknown_variables({"SAGETAPE_XYZZY": ""}) == [
        "SAGETAPE_XYZZY: no setting has this variable. Correct its name or unset it."
    ]


def test_every_variable_of_every_command_is_known() -> None:
    """A new option names its variable in its help; a user who sets it is not refused."""
    named = {name for name in variables_of(main) if not name.startswith("SAGETAPE_INVOKE_")}
    assert named | {row.variable for row in ROWS if "variable" in row.sources} <= KNOWN
    assert "SAGETAPE_TEXT_SIMILARITY" in named


def variables_of(command: click.Command) -> set[str]:
    """The variables of a command and of all below it, but for those that come from other packages."""
    found = {str(one.envvar) for one in command.params if one.envvar}
    if isinstance(command, LazyGroup):
        for name in command.table:
            below = command.get_command(click.Context(command), name)
            assert below is not None
            found |= variables_of(below)
    return found
