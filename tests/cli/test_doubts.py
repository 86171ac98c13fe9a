"""What a server's settings say that may not be meant so: told once at start, and under --strict a mistake."""

from __future__ import annotations

from pathlib import Path

from command_line import ROOT, sagetape

SHORT = ("--port", "0", "--idle-timeout-s", "0.05")
TEXT = f"{ROOT / 'cassettes'}/te*.tape"


def warnings(stderr: str) -> list[str]:
    """The warnings among the lines."""
    return [line for line in stderr.splitlines() if line.startswith("sagetape: warning:")]


def test_pattern_that_finds_nothing_is_a_warning(tmp_path: Path) -> None:
    """With its place; the patterns that find something are not named."""
    (tmp_path / "sagetape.toml").write_text(f'cassettes = ["{TEXT}", "nope/*.tape"]\n')
    done = sagetape(tmp_path, "serve", *SHORT)
    assert done.returncode == 0
    (warning,) = warnings(done.stderr)
    assert "sagetape.toml:1: the pattern nope/*.tape finds no cassette below" in warning


def test_pattern_that_finds_nothing_is_a_mistake_under_strict(tmp_path: Path) -> None:
    """Nothing is started."""
    (tmp_path / "sagetape.toml").write_text(f'cassettes = ["{TEXT}", "nope/*.tape"]\n')
    done = sagetape(tmp_path, "serve", *SHORT, "--strict")
    assert done.returncode == 8
    assert "sagetape: error: sagetape.toml:1: the pattern nope/*.tape finds no cassette below" in done.stderr
    assert done.stdout == ""


def test_server_of_exec_tells_them_once(tmp_path: Path) -> None:
    """By way of the server's own lines."""
    (tmp_path / "sagetape.toml").write_text('cassettes = ["nope/*.tape"]\n')
    done = sagetape(tmp_path, "exec", "--", "true")
    assert done.returncode == 0
    assert len(warnings(done.stderr)) == 1
