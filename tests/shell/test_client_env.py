"""The environment of a program that shall reach a server: set, removed, and left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sagetape.core.signing import Key
from sagetape.shell.aws_files import read_aws_files
from sagetape.shell.client_env import SHELL_LINES, apply, client_changes
from sagetape.shell.exec_env import command_changes
from sagetape.shell.keyring import DEVELOPMENT_KEY
from sagetape.shell.settings import ServerSettings

URL = "http://127.0.0.1:7243"
KEY = Key("AKID", "secret", "token")
READY = {"url": URL}
READY_WITH_PAIR = {"url": URL, "access_key_id": "SAGETAPEMADE", "secret_access_key": "made"}
RECORDING = ServerSettings(mode="new_episodes", record_to=Path("a.tape"), upstream=("aws",))


def changed(
    environ: dict[str, str], home: Path, key: Key | None = KEY, platform: str = "linux"
) -> dict[str, str | None]:
    """What changes for a program under these variables and files."""
    files = read_aws_files(environ, home=home)
    return client_changes(URL, environ, files, key=key, region="us-east-1", platform=platform)


def test_program_is_pointed_at_the_server_and_away_from_the_metadata_service(tmp_path: Path) -> None:
    """Always, whatever else there is."""
    changes = changed({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, tmp_path, key=None)
    assert changes["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == URL
    assert changes["AWS_EC2_METADATA_DISABLED"] == "true"
    assert changes["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] is None


def test_profile_that_ignores_addresses_is_overruled(tmp_path: Path) -> None:
    """Removing the variable would leave the profile's `true` in force, silently."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nignore_configured_endpoint_urls = true\n")
    assert changed({}, tmp_path)["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] == "false"


def test_key_leaves_nothing_else_that_could_sign(tmp_path: Path) -> None:
    """A stray call must fail: no token of another key, no profile."""
    changes = changed({"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "x"}, tmp_path, key=DEVELOPMENT_KEY)
    assert changes["AWS_ACCESS_KEY_ID"] == "SAGETAPEDEVELOPMENT0"
    for name in ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        assert changes[name] is None


def test_own_credentials_are_left_alone(tmp_path: Path) -> None:
    """No variable about keys or profiles is touched."""
    touched = set(changed({"AWS_PROFILE": "prod"}, tmp_path, key=None))
    assert not touched & {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"}


@pytest.mark.parametrize(
    ("environ", "config", "key", "expected"),
    [
        ({}, "", KEY, {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}),
        ({"AWS_REGION": "eu-west-1"}, "", KEY, {"AWS_DEFAULT_REGION": "eu-west-1"}),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "", KEY, {"AWS_REGION": "eu-west-1"}),
        ({"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, "", KEY, {}),
        ({}, "[default]\nregion = eu-west-1\n", None, {}),
        ({}, "[default]\nregion = eu-west-1\n", KEY, {"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"}),
    ],
)
def test_region_is_set_only_where_there_is_none(
    environ: dict[str, str], config: str, key: Key | None, expected: dict[str, str], tmp_path: Path
) -> None:
    """A profile that is kept keeps its region; one that is taken away has it put in its place by the caller."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(config)
    changes = changed(environ, tmp_path, key=key)
    assert {name: value for name, value in changes.items() if name.endswith("REGION")} == expected


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", {"NO_PROXY": "127.0.0.1,localhost,::1", "no_proxy": "127.0.0.1,localhost,::1"}),
        ({"NO_PROXY": "corp"}, "win32", {"NO_PROXY": "corp,127.0.0.1,localhost,::1"}),
        (
            {"NO_PROXY": "corp, localhost", "no_proxy": "other"},
            "darwin",
            {"NO_PROXY": "corp,localhost,other,127.0.0.1,::1", "no_proxy": "corp,localhost,other,127.0.0.1,::1"},
        ),
    ],
)
def test_no_proxy_is_extended(environ: dict[str, str], platform: str, expected: dict[str, str], tmp_path: Path) -> None:
    """Nothing that stood there is lost; both spellings say the same where case counts."""
    changes = changed(environ, tmp_path, platform=platform)
    assert {name: value for name, value in changes.items() if name.lower() == "no_proxy"} == expected


def test_changes_are_applied_to_a_copy() -> None:
    """None removes, a value sets, the rest stays."""
    before = {"A": "1", "B": "2"}
    assert apply({"A": None, "C": "3"}, before) == {"B": "2", "C": "3"}
    assert before == {"A": "1", "B": "2"}


# --- which credentials a command gets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "ready", "environ", "config", "key"),
    [
        (
            ServerSettings(is_replay=True),
            READY,
            {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"},
            "",
            "SAGETAPEDEVELOPMENT0",
        ),
        (ServerSettings(upstream=("aws",)), READY_WITH_PAIR, {}, "", "SAGETAPEMADE"),
        (RECORDING, READY_WITH_PAIR, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}, "", None),
        (RECORDING, READY_WITH_PAIR, {}, "", "SAGETAPEMADE"),
        (RECORDING, READY, {}, "", "SAGETAPEDEVELOPMENT0"),
        (RECORDING, READY_WITH_PAIR, {}, "[default]\nsso_session = corp\n", "SAGETAPEMADE"),
        (
            ServerSettings(mode="verify", upstream=("aws",)),
            READY_WITH_PAIR,
            {},
            "[default]\naws_access_key_id=A\naws_secret_access_key=s\n",
            None,
        ),
        (
            ServerSettings(mode="all", record_to=Path("a"), upstream=("aws",), auth="lenient"),
            READY_WITH_PAIR,
            {},
            "[default]\nsso_session = corp\n",
            None,
        ),
    ],
    ids=["replay", "miss forwarded", "record", "record, no key", "record a container", "sso", "verify", "sso, lenient"],
)
def test_command_gets_the_credentials_that_its_run_needs(
    settings: ServerSettings,
    ready: dict[str, str],
    environ: dict[str, str],
    config: str,
    key: str | None,
    tmp_path: Path,
) -> None:
    """A public pair replaying, the user's own recording, the run's where the own cannot be known."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(config)
    changes, note = command_changes(settings, ready, environ, home=tmp_path)
    assert changes.get("AWS_ACCESS_KEY_ID") == key
    assert bool(note) is ("sso_session" in config and key is not None)


# --- lines for shells ---------------------------------------------------------------------------------------------

NASTY = 'it\'s $HOME \\ "quoted" `id`'


@pytest.mark.parametrize(
    ("shell", "set_line", "unset_line"),
    [
        ("sh", "export A='it'\\''s'", "unset A"),
        ("fish", "set -gx A 'it\\'s'", "set -e A"),
        ("powershell", "$Env:A = 'it''s'", "Remove-Item Env:A -ErrorAction SilentlyContinue"),
        ("cmd", 'set "A=it\'s"', 'set "A="'),
    ],
)
def test_line_is_the_shells_own(shell: str, set_line: str, unset_line: str) -> None:
    """Set and removed."""
    assert SHELL_LINES[shell]("A", "it's") == set_line
    assert SHELL_LINES[shell]("A", None) == unset_line


def test_every_shell_of_the_documentation_has_lines() -> None:
    """`sagetape env --shell`."""
    assert list(SHELL_LINES) == ["sh", "fish", "powershell", "cmd"]


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh", "fish"])
def test_line_survives_a_real_shell(shell: str) -> None:
    """Nothing in a value is expanded, and a removed variable is gone."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    lines = SHELL_LINES["fish" if shell == "fish" else "sh"]
    script = f"{lines('A', NASTY)}\n{lines('B', None)}\nenv"
    done = subprocess.run(
        [program, "-c", script], env={"PATH": os.environ["PATH"], "B": "x"}, capture_output=True, text=True, check=True
    )
    assert f"A={NASTY}" in done.stdout.splitlines()
    assert not [line for line in done.stdout.splitlines() if line.startswith("B=")]
