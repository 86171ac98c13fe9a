"""Match rules of a cassette that name code: none of it runs before the user allowed it by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tape_samples import interaction, key_of

import sagetape
from sagetape.cli.root import main
from sagetape.core.errors import ConfigError
from sagetape.core.matching import MatchRules
from sagetape.shell.custom import matcher_with
from sagetape.shell.renewal import matcher_for
from sagetape.shell.store import Cassette, CassetteSettings

CODE = """
from pathlib import Path

Path(__file__).with_suffix(".ran").touch()


def first_word(call):
    return bytes(call.body).split()[0]
"""
NAME = "taped_projection:first_word"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that leaves a mark when it is imported, and a cassette whose rules name it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "taped_projection", raising=False)
    (tmp_path / "taped_projection.py").write_text(CODE)
    settings = CassetteSettings(match=MatchRules(custom=(NAME,), body="ignore").as_dict())
    with Cassette.open(tmp_path / "a.tape", writable=True, settings=settings) as cassette:
        rules = MatchRules.from_dict(settings.match)
        one = interaction(b"one two")
        key = matcher_with(rules, tmp_path, allowed=[NAME]).key(one.call)
        cassette.append(one, key)
        cassette.append(interaction(b"two", b"other"), key_of("two"))
    (tmp_path / "taped_projection.ran").unlink()
    monkeypatch.delitem(sys.modules, "taped_projection")
    return tmp_path


def has_run(folder: Path) -> bool:
    return (folder / "taped_projection.ran").exists()


def opened(folder: Path, **options: Any) -> None:
    with sagetape.Emulator(folder / "a.tape", **options):
        pass


def test_replay_refuses_code_that_only_the_cassette_names(folder: Path) -> None:
    """A server over such a cassette does not start, imports nothing, and says how to allow it."""
    with pytest.raises(ConfigError, match=rf"--allow-custom {NAME}") as caught:
        opened(folder)
    assert "SAGETAPE_ALLOWED_CUSTOM" in str(caught.value)
    assert not has_run(folder)


@pytest.mark.parametrize(
    "options",
    [{"allowed_custom": (NAME,)}, {"match": {"custom": [NAME], "body": "ignore"}}],
    ids=["allowed", "own rules"],
)
def test_replay_runs_code_that_the_user_names_too(folder: Path, options: dict[str, object]) -> None:
    """Allowed by name, or in the user's own match rules, the function is imported."""
    opened(folder, python_path=folder, **options)
    assert has_run(folder)


def test_other_name_in_the_same_module_is_not_allowed(folder: Path) -> None:
    """Consent is for one function: another of the module stays refused."""
    with pytest.raises(ConfigError, match="taped_projection:first_word"):
        opened(folder, allowed_custom=("taped_projection:other",))
    assert not has_run(folder)


CODES = pytest.mark.parametrize(
    ("words", "code"),
    [
        (("verify", "--strict", "a.tape"), 0),
        (("scrub", "a.tape", "--json-path", "mail"), 0),
        (("edit", "a.tape"), 0),
        (("merge", "plain.tape", "plain.tape", "a.tape"), 0),
        (("diff", "a.tape", "plain.tape"), 3),
        (("import", "-o", "a.tape", "in.jsonl"), 0),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)


@pytest.fixture
def files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Beside it a cassette without such rules, a file to import, and an editor that changes every request."""
    with Cassette.open(folder / "plain.tape", writable=True) as cassette:
        cassette.append(interaction(b"one two"), key_of("one"))
    text = CliRunner().invoke(main, ["cassette", "export", "plain.tape", "-o", "in.jsonl"])
    assert text.exit_code == 0, text.output
    monkeypatch.setenv("EDITOR", "sed -i s/InvokeEndpoint/InvokeEndpointWithResponseStream/")
    return folder


@CODES
def test_commands_import_nothing_without_consent(files: Path, words: tuple[str, ...], code: int) -> None:
    """Each command that computes keys refuses with 8, imports nothing and leaves every cassette as it was."""
    before = {path: path.read_bytes() for path in files.glob("*.tape")}
    ended = CliRunner().invoke(main, ["cassette", *words], env={"SAGETAPE_ALLOWED_CUSTOM": ""})
    assert ended.exit_code == 8, ended.output
    assert f"--allow-custom {NAME}" in ended.stderr
    assert not has_run(files)
    assert {path: path.read_bytes() for path in files.glob("*.tape")} == before


@CODES
def test_commands_take_the_flag_that_their_refusal_names(files: Path, words: tuple[str, ...], code: int) -> None:
    """With it the same command line does its work."""
    ended = CliRunner().invoke(main, ["cassette", *words, "--allow-custom", NAME], env={"SAGETAPE_ALLOWED_CUSTOM": ""})
    assert has_run(files), ended.output
    assert ended.exit_code == code, ended.output


def test_variable_allows_it_for_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the variable names, commands import."""
    monkeypatch.setenv("SAGETAPE_ALLOWED_CUSTOM", f"m:other, {NAME}")
    matcher = matcher_for({"custom": [NAME]}, folder)
    assert has_run(folder)
    assert matcher.key(interaction(b"one two").call) != matcher.key(interaction(b"two two").call)
