"""`sagetape cassette ...` in this process, and cassettes to run it on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.core.exchange_samples import ORIGIN, interaction

from sagetape.cli import main
from sagetape.core.cassette import CassetteSettings
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.wire import Interaction
from sagetape.shell.store import Cassette

RULES = MatchRules()
MATCHER = Matcher(RULES)


def run(*words: object, **environ: str) -> Result:
    """Runs a command line to its end; fails loudly on an exception that is not an exit."""
    return CliRunner(env={"SAGETAPE_NO_CONFIG": "1", **environ}).invoke(main, list(map(str, words)))


def output(*words: object, code: int = 0, **environ: str) -> str:
    """Standard output of a command line that must end with a code."""
    done = run(*words, **environ)
    assert done.exit_code == code, done.output
    return done.stdout


def as_json(*words: object, code: int = 0) -> Any:
    """The one JSON value that a command line prints."""
    return json.loads(output(*words, "--json", code=code))


def write(path: Path, *kept: Interaction, settings: CassetteSettings | None = None) -> Path:
    """A cassette with these interactions under their own keys."""
    settings = settings or CassetteSettings(match=RULES.as_dict(), seed=7)
    with Cassette.open(path, writable=True, settings=settings) as cassette:
        for one in kept:
            cassette.append(one, MATCHER.key(one.call))
    return path


def read(path: Path) -> list[Interaction]:
    """All interactions of a cassette, bodies copied."""
    with Cassette.open(path) as cassette:
        return [cassette.read(number) for number in cassette.numbers()]


def made(name: str, answer: bytes = b'{"label":"stays"}', *, at: float = 1.0, **options: Any) -> Interaction:
    """An interaction whose request is told by a name."""
    return interaction(f'{{"id":"{name}"}}'.encode(), answer, origin=replace(ORIGIN, recorded_at=at), **options)


def names(path: Path) -> list[str]:
    """The names of the requests in a cassette, sorted."""
    return sorted(json.loads(one.call.body)["id"] for one in read(path))


NO_TERMINAL_CODES = pytest.mark.parametrize("hostile", ["\x1b]0;owned\x07", "\x9b2J", "a\rb", "\u202eabc"])
