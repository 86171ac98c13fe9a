"""Every setting from every layer: a flag beats a variable, a variable the file, the file the default."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sagetape.cli.options import given, setting_options
from sagetape.core.faults.parsing import parse_text
from sagetape.shell.resolution import settings_for
from sagetape.shell.setting_rows import FILE, FLAG, ROWS, VARIABLE, Row
from sagetape.shell.settings import STRICT_BODY_BYTES_MAX, ServerSettings

# For each setting a flag's words, a variable's text and a TOML value, with what each must become. Neighbours differ,
# and the last differs from the default, so that a wrong order cannot pass. Paths are relative to the test's folder.
SAMPLES: dict[str, tuple[tuple[str, Any], tuple[str, Any], tuple[str, Any]]] = {
    "host": (("localhost", ("localhost",)), ("::1", ("::1",)), ('["127.0.0.2"]', ("127.0.0.2",))),
    "port": (("1", 1), ("2", 2), ("3", 3)),
    "allowed_hosts": (("a", ("a",)), ("b,c", ("b", "c")), ('["d"]', ("d",))),
    "token_file": (("a", Path("a")), ("b", Path("b")), ('"c"', Path("c"))),
    "skew_s": (("1", 1.0), ("-2", -2.0), ("3.5", 3.5)),
    "port_file": (("a", Path("a")), ("b", Path("b")), ('"c"', Path("c"))),
    "mode": (("verify", "verify"), ("none", "none"), ('"verify"', "verify")),
    "cassettes": (("a.tape", (Path("a.tape"),)), ("b.tape", (Path("b.tape"),)), ('"c.tape"', (Path("c.tape"),))),
    "max_age_s": (("90d", 7_776_000.0), ("12h", 43_200.0), ('"30m"', 1800.0)),
    "record_to": (("a.tape", Path("a.tape")), ("b.tape", Path("b.tape")), ('"c.tape"', Path("c.tape"))),
    "upstream": (
        ("aws", ("aws",)),
        ("aws:dev, http://127.0.0.1:1", ("aws:dev", "http://127.0.0.1:1")),
        ('["function:m:f", "aws+https://h"]', ("function:m:f", "aws+https://h")),
    ),
    "allowed_custom": (("m:f", ("m:f",)), ("m:f,n.o:g", ("m:f", "n.o:g")), ('"p:h"', ("p:h",))),
    "allowed_upstreams": (("a", ("a",)), ("b,c", ("b", "c")), ('"d"', ("d",))),
    "upstream_ca": (("a", Path("a")), ("b", Path("b")), ('"c"', Path("c"))),
    "miss_policy": (("forward", "forward"), ("fail", "fail"), ('"forward"', "forward")),
    "miss_function": (("m:a", "m:a"), ("m:b", "m:b"), ('"m.n:c"', "m.n:c")),
    "exhausted": (("cycle", "cycle"), ("miss", "miss"), ('"cycle"', "cycle")),
    "durability": (("sync", "sync"), ("cache", "cache"), ('"sync"', "sync")),
    "record_errors": (("", True), ("no", False), ("true", True)),
    "shared": (("", True), ("no", False), ("true", True)),
    "strict": (("", True), ("0", False), ("true", True)),
    "explain": (("", True), ("off", False), ("true", True)),
    "auth": (("off", "off"), ("lenient", "lenient"), ('"off"', "off")),
    "mismatch_text": (("short", "short"), ("long", "long"), ('"short"', "short")),
    "allow_well_known_keys": (("", True), ("false", False), ("true", True)),
    "regions": (
        ("eu-west-1", ("eu-west-1",)),
        ("us-east-2,us-west-2", ("us-east-2", "us-west-2")),
        ('["sa-east-1"]', ("sa-east-1",)),
    ),
    "account": (("000000000001",) * 2, ("000000000002",) * 2, ('"000000000003"', "000000000003")),
    "clock_window_s": (("1", 1), ("2", 2), ("3", 3)),
    "speed": (("1", 1.0), ("0.5", 0.5), ("2.0", 2.0)),
    "seed": (("1", 1), ("2", 2), ("3", 3)),
    "clock": (
        ("virtual", "virtual"),
        ("2026-01-15T12:00:00Z", "2026-01-15T12:00:00Z"),
        ("2026-01-15T12:00:00Z", "2026-01-15T12:00:00+00:00"),
    ),
    "faults": (
        ("throttle:count=1", (parse_text("throttle:count=1"),)),
        ("reset;throttle:count=2", (parse_text("reset"), parse_text("throttle:count=2"))),
        ('[{fault = "throttle", count = 3}]', (parse_text("throttle:count=3"),)),
    ),
    "body_bytes_max": (("1", 1), ("2", 2), ("3", 3)),
    "keep_alive_s": (("1", 1.0), ("2", 2.0), ("3", 3.0)),
    "body_idle_s": (("1", 1.0), ("2", 2.0), ("3", 3.0)),
    "send_idle_s": (("1", 1.0), ("2", 2.0), ("3", 3.0)),
    "drain_s": (("0", 0.0), ("2", 2.0), ("3", 3.0)),
    "connections_max": (("1", 1), ("2", 2), ("3", 3)),
    "allow_python_parser": (("", True), ("false", False), ("true", True)),
    "idle_timeout_s": (("1", 1.0), ("2", 2.0), ("3", 3.0)),
    "strict_limits": (("", True), ("false", False), ("true", True)),
    "json": (("", True), ("false", False), ("", True)),
    "exit_with_parent": (("", True), ("false", False), ("", True)),
    "parent_pid": (("1", 1), ("2", 2), ("", 3)),
}

# What a value needs beside it so that the whole makes sense.
COMPANIONS: dict[str, dict[str, str]] = {
    "mode": {"upstream": "aws"},
    "record_to": {"mode": "all", "upstream": "aws"},
    "miss_policy": {"upstream": "aws"},
    "miss_function": {"miss_policy": "function"},
    "shared": {"record_to": "a.tape", "mode": "all", "upstream": "aws"},
}

LAYERED = [row for row in ROWS if FLAG in row.sources]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the cassettes of the samples, and an end to the search for a configuration."""
    for name in "abc":
        (tmp_path / f"{name}.tape").touch()
    (tmp_path / ".git").mkdir()
    return tmp_path


def parsed(*words: str) -> dict[str, Any]:
    """The flags of a command line, read as the commands read them."""
    found: dict[str, Any] = {}

    @click.command()
    @setting_options()
    def command(**flags: Any) -> None:
        found.update(given(flags))

    outcome = CliRunner().invoke(command, words, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return found


def resolved(folder: Path, row: Row, *layers: str) -> Any:
    """The value of a setting when some layers say it."""
    flag, variable, toml = SAMPLES[row.name]
    words = ([row.option] if row.is_switch else [row.option, flag[0]]) if FLAG in layers else []
    environ = {f"SAGETAPE_{name.upper()}": text for name, text in COMPANIONS.get(row.name, {}).items()}
    if VARIABLE in layers:
        environ[row.variable] = variable[0]
    if FILE in layers:
        (folder / "sagetape.toml").write_text(f"{row.file_key} = {toml[0]}\n")
    settings = settings_for("serve", parsed(*words), environ=environ, folder=folder)
    if row.name == "strict_limits":
        return settings.body_bytes_max == STRICT_BODY_BYTES_MAX
    return relative(getattr(settings, row.name), folder)


def relative(value: Any, folder: Path) -> Any:
    """Paths as they were written."""
    if isinstance(value, tuple):
        return tuple(relative(one, folder) for one in value)
    return value.relative_to(folder) if isinstance(value, Path) else value


def test_samples_cover_every_setting_of_the_command_line() -> None:
    """A new row cannot be forgotten here, and no sample could hide a wrong order."""
    assert SAMPLES.keys() == {row.name for row in LAYERED}
    for flag, variable, toml in SAMPLES.values():
        assert flag[1] != variable[1] != toml[1]


@pytest.mark.parametrize("row", LAYERED, ids=lambda row: row.name)
def test_setting_flag_beats_variable_and_file(row: Row, folder: Path) -> None:
    """With all layers saying something else, the flag's value holds."""
    assert resolved(folder, row, *row.sources) == SAMPLES[row.name][0][1]


@pytest.mark.parametrize("row", LAYERED, ids=lambda row: row.name)
def test_setting_variable_beats_file(row: Row, folder: Path) -> None:
    """Without the flag, the variable's value holds."""
    assert resolved(folder, row, *(layer for layer in row.sources if layer != FLAG)) == SAMPLES[row.name][1][1]


@pytest.mark.parametrize("row", [row for row in LAYERED if FILE in row.sources], ids=lambda row: row.name)
def test_setting_file_beats_default(row: Row, folder: Path) -> None:
    """With the file alone, its value holds."""
    assert resolved(folder, row, FILE) == SAMPLES[row.name][2][1]


@pytest.mark.parametrize("row", [row for row in LAYERED if row.name not in COMPANIONS], ids=lambda row: row.name)
def test_setting_has_its_default_when_nothing_says_it(row: Row, folder: Path) -> None:
    """With no layer, the value is the dataclass's, and not the file's sample."""
    value = resolved(folder, row)
    assert value != SAMPLES[row.name][2][1]
    if row.name != "strict_limits":
        default = {item.name: item.default for item in dataclasses.fields(ServerSettings)}[row.name]
        assert value == default


@pytest.mark.parametrize("row", [row for row in LAYERED if row.is_switch], ids=lambda row: row.name)
def test_switch_can_be_turned_off_by_its_flag(row: Row, folder: Path) -> None:
    """A switch that a variable turned on is off again with --no-."""
    flags = parsed(f"--no-{row.option[2:]}")
    settings = settings_for("serve", flags, environ={row.variable: "true"}, folder=folder)
    if row.name == "strict_limits":
        assert settings.body_bytes_max != STRICT_BODY_BYTES_MAX
    else:
        assert getattr(settings, row.name) is False


def test_variable_that_is_empty_says_nothing(folder: Path) -> None:
    """An empty variable is how many CI systems write one that is not set."""
    assert settings_for("serve", {}, environ={"SAGETAPE_PORT": ""}, folder=folder).port == 7243


def test_every_field_is_a_setting_or_follows_from_one() -> None:
    """No field of the settings is out of reach."""
    derived = {"is_replay", "config_path", "python_path", "record_command", "doubts"}
    assert {item.name for item in dataclasses.fields(ServerSettings)} - derived == {row.name for row in ROWS} - {
        "strict_limits"
    }


def test_command_replay_overrules_every_layer_on_the_mode(folder: Path) -> None:
    """Whatever a variable or the file says, the replay command stays offline."""
    (folder / "sagetape.toml").write_text('record_mode = "all"\n')
    settings = settings_for(
        "replay", {"cassettes": (Path("a.tape"),)}, environ={"SAGETAPE_MODE": "rewrite"}, folder=folder
    )
    assert (settings.mode, settings.is_replay, settings.record_to) == ("none", True, None)


@pytest.mark.parametrize(
    ("flags", "environ", "file", "mode"),
    [
        ({}, {}, "", "new_episodes"),
        ({}, {}, "none", "new_episodes"),
        ({}, {}, "all", "all"),
        ({}, {"SAGETAPE_MODE": "once"}, "all", "once"),
        ({"mode": "rewrite"}, {"SAGETAPE_MODE": "once"}, "all", "rewrite"),
    ],
)
def test_command_record_keeps_unless_a_layer_says_how(
    flags: dict[str, Any], environ: dict[str, str], file: str, mode: str, folder: Path
) -> None:
    """The record command's own default is new_episodes, and a file made for replay does not undo it."""
    if file:
        (folder / "sagetape.toml").write_text(f'record_mode = "{file}"\n')
    settings = settings_for(
        "record", {"record_to": Path("new.tape"), "upstream": ("aws",)} | flags, environ=environ, folder=folder
    )
    assert settings.mode == mode
    assert settings.record_to == folder / "new.tape"
