"""A cassette made by hand, whose answers no upstream can have sent: found by verify, and not played."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tape_samples import JSON, call_of, interaction, key_of
from tests.cli.command_line import ROOT, sagetape

from sagetape.core import records
from sagetape.core.errors import CassetteDamaged, CassetteError
from sagetape.core.scripts import flaw_of
from sagetape.core.wire import Abort, Chunk, End, Head, Interaction, Pause, Provenance, Script
from sagetape.shell.store import Cassette, CassetteSettings, verify

BODY = Chunk(b"{}")
HOSTILE: list[tuple[Script, str]] = [
    ((Head(200, (("X-A", "a\r\nX-B: b"),)), BODY, End()), "X-A whose value holds a line's end or a NUL"),
    ((Head(200, (("X-A", "a\nb"),)), BODY, End()), "a line's end or a NUL"),
    ((Head(200, (("X-A", "a\0b"),)), BODY, End()), "a line's end or a NUL"),
    ((Head(200, (("X-A: b\r\nX-C", "c"),)), BODY, End()), "is no token of HTTP"),
    ((Head(200, (("X A", "b"),)), BODY, End()), "'X A' is no token of HTTP"),
    ((Head(200, (("", "b"),)), BODY, End()), "is no token of HTTP"),
    ((Head(200, (("X-\u00e9", "b"),)), BODY, End()), "is no token of HTTP"),
    ((Head(200, (("Transfer-Encoding", "chunked"),)), BODY, End()), "Transfer-Encoding, which is its connection's"),
    ((Head(200, (("connection", "close"),)), BODY, End()), "connection, which is its connection's"),
    ((Head(99), BODY, End()), "a status of 99"),
    ((Head(101), End()), "a status of 101"),
    ((Head(600), BODY, End()), "a status of 600"),
    ((Head(-1), BODY, End()), "a status of -1"),
    ((Head(200), Head(200), BODY, End()), "two heads"),
    ((Head(200), End(), Head(200), End()), "two heads"),
    ((BODY, Head(200), End()), "does not begin with its head"),
    ((), "does not begin with its head"),
    ((Pause(1.0), End()), "does not begin with its head"),
    ((Abort(), End()), "does not begin with its head"),
    ((Head(200), BODY), "does not close with an end or an abort"),
    ((Head(200), End(), BODY, End()), "goes on behind its end"),
    ((Head(200), Abort(), End()), "goes on behind its end"),
    ((Head(200, (("content-length", "0"),)), BODY, End()), "a Content-Length of 0 beside a body of 2 bytes"),
    ((Head(200, (("Content-Length", "1"),)), BODY, Abort()), "a Content-Length of 1 beside a body of 2 bytes"),
    ((Head(200, (("Content-Length", "3"),)), BODY, End()), "a Content-Length of 3 beside a body of 2 bytes"),
    ((Head(200, (("Content-Length", "-2"),)), BODY, End()), "is not one number"),
    ((Pause(-1.0), Head(200), BODY, End()), "a wait of -1 seconds"),
    ((Head(200), BODY, Pause(math.inf), End()), "a wait of inf seconds"),
    ((Pause(math.nan), Abort("reset")), "a wait of nan seconds"),
    ((Head(200, (("Content-Length", "2"), ("Content-Length", "3"))), BODY, End()), "is not one number"),
]
LEGITIMATE: list[Script] = [
    (Abort("reset"),),
    (Pause(1.0), Abort("reset")),
    (Pause(0.0), Head(200), Pause(1e14), End()),
    (Pause(1.0), Head(503), Pause(1.0), BODY, Pause(1.0), Abort()),
    (Head(200), End()),
    (Head(599, (("!#$%&'*+.^_`|~9aZ-", "caf\u00e9\ttab"),)), End()),
    (Head(200, (("Content-Length", "100"),)), BODY, Abort("truncated")),
    (Head(200, (("Content-Length", "2"),)), BODY, End()),
]


def answered(script: Script) -> Interaction:
    """A recording with this answer."""
    return Interaction(call_of(b"question"), script, Provenance(1.0, "aws", "0.1.0"))


def write(path: Path, *scripts: Script) -> Path:
    """A cassette with a sound interaction and one for each script."""
    with Cassette.open(path, writable=True, settings=CassetteSettings()) as cassette:
        cassette.append(interaction(), key_of("sound"))
        for number, script in enumerate(scripts):
            cassette.append(answered(script), key_of(number))
    return path


@pytest.mark.parametrize(("script", "said"), HOSTILE, ids=lambda value: value if isinstance(value, str) else "")
def test_script_that_nobody_can_have_sent_has_a_flaw(script: Script, said: str, tmp_path: Path) -> None:
    """And is not recorded either: it could not be read again."""
    assert said in (flaw_of(script) or "")
    with Cassette.open(tmp_path / "new.tape", writable=True) as cassette, pytest.raises(CassetteError, match="stored"):
        cassette.append(answered(script), key_of("hostile"))


@pytest.mark.parametrize("script", LEGITIMATE, ids=range(len(LEGITIMATE)))
def test_script_of_a_failure_or_a_truncated_answer_has_none(script: Script, tmp_path: Path) -> None:
    """It is recorded and read again as it was."""
    tape = write(tmp_path / "odd.tape", script)
    assert verify(tape).is_sound
    with Cassette.open(tape) as cassette:
        assert cassette.script(1) == cassette.read(1).script == script


def test_hostile_record_is_damage_with_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever reads it, by `cassette verify`, and while the sound ones beside it are played."""
    with monkeypatch.context() as by_hand:
        by_hand.setattr(records, "flaw_of", lambda script: None)  # the store writes whatever it is told to
        tape = write(tmp_path / "hostile.tape", *(script for script, _ in HOSTILE))
    with Cassette.open(tape) as cassette:
        assert cassette.read(0).script == (Head(200, JSON), Chunk(b"answer"), End())
        for number, (_, said) in enumerate(HOSTILE, 1):
            for read in (cassette.read, cassette.script):
                with pytest.raises(CassetteDamaged, match=f"interaction {number}: ") as caught:
                    read(number)
                assert said in str(caught.value)
    done = sagetape(tmp_path, "cassette", "verify", str(tape))
    assert done.returncode == 6
    for number, (_, said) in enumerate(HOSTILE, 1):
        assert f"interaction {number}: " in done.stderr
        assert said in done.stderr


def test_cassettes_of_this_repository_stay_sound(tmp_path: Path) -> None:
    """The shipped ones and the golden ones."""
    tapes = sorted(map(str, [*ROOT.glob("cassettes/*.tape"), *ROOT.glob("tests/golden/cassettes/*.tape")]))
    assert sagetape(tmp_path, "cassette", "verify", *tapes).returncode == 0
