"""What makes a recording trustworthy, through a running emulator: rewriting, accounts, doubts, age."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tape_samples import interaction, key_of

from sagetape.emulator import Emulator, EmulatorFailed
from sagetape.shell.store import Cassette, CassetteSettings

MODEL = """
import json
def churn(invocation):
    data = json.loads(invocation.body or b"{}")
    return {"id": data.get("id"), "note": NOTE}
"""


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """Writes a model that answers with a note, under a module name of its own; the settings that ask it."""

    def write(note: str, name: str = "models") -> dict[str, Any]:
        module = f"{name}_{tmp_path.name.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(MODEL.replace("NOTE", repr(note)))
        return {"upstream": f"function:{module}:churn", "python_path": tmp_path}

    return write


def ask(emulator: Emulator, *bodies: dict[str, Any], endpoint: str = "churn") -> list[Any]:
    client = emulator.client()
    return [
        json.loads(
            client.invoke_endpoint(
                EndpointName=endpoint, Body=json.dumps(body).encode(), ContentType="application/json"
            )["Body"].read()
        )
        for body in bodies
    ]


A, B, C = {"id": "a"}, {"id": "b"}, {"id": "c"}


def rewrite(tape: Path, settings: dict[str, Any], *bodies: dict[str, Any], **more: Any) -> list[str]:
    """Records in the mode `rewrite` to a clean end; what the emulator complains of then."""
    try:
        with Emulator(record_to=tape, mode="rewrite", **settings, **more) as emulator:
            ask(emulator, *bodies)
    except EmulatorFailed as failed:
        return str(failed).splitlines()
    return []


def test_rewriting_the_same_answers_leaves_the_file_the_same_to_the_byte(tmp_path: Path, model: Any) -> None:
    """In any order of calls, at another time, with another seed: a review shows what really changed."""
    tape, settings = tmp_path / "a.tape", model("one")
    assert rewrite(tape, settings, A, B, C) == []
    before = tape.read_bytes()
    assert rewrite(tape, settings, C, A, B) == []
    assert tape.read_bytes() == before


def test_rewriting_drops_what_was_not_asked_and_keeps_the_rest_to_the_byte(tmp_path: Path, model: Any) -> None:
    """One request fewer: the others keep their provenance; recording it anew gives one interaction more."""
    tape, settings = tmp_path / "a.tape", model("one")
    rewrite(tape, settings, A, B)
    with Cassette.open(tape) as cassette:
        kept = {cassette.key(n): cassette.read(n).origin for n in cassette.numbers()}
    rewrite(tape, settings, A)
    with Cassette.open(tape) as cassette:
        assert {cassette.key(n): cassette.read(n).origin for n in cassette.numbers()}.items() <= kept.items()
        assert len(cassette) == 1


def test_rewriting_takes_over_what_changed(tmp_path: Path, model: Any) -> None:
    """The new answer replaces the old one after the clean end, and replays."""
    tape = tmp_path / "a.tape"
    rewrite(tape, model("one"), A, B)
    rewrite(tape, model("two", "others"), A, B)
    with Emulator(tape) as emulator:
        assert [answer["note"] for answer in ask(emulator, A, B)] == ["two", "two"]


def test_rewriting_with_a_refused_secret_keeps_the_old_file(tmp_path: Path, model: Any) -> None:
    """A recording that lacks what a secret kept out must not take the place of a whole one."""
    tape = tmp_path / "a.tape"
    rewrite(tape, model("one"), A)
    before = tape.read_bytes()
    failures = rewrite(tape, model("AKIAIOSFODNN7EXAMPLE", "leaky"), A, B)
    assert any("was not replaced" in line for line in failures)
    assert tape.read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("*tape*")) == ["a.tape"]


def test_accounts_have_the_same_numbers_in_a_later_recording(tmp_path: Path, model: Any) -> None:
    """The memory of foreign accounts is in the file before the interaction that needs it, without the accounts."""
    tape, settings = tmp_path / "a.tape", model("one")
    arn = "arn:aws:sagemaker:us-east-1:{}:endpoint/x"
    first, second = {"arn": arn.format("111122223333")}, {"arn": arn.format("444455556666")}
    for body in (first, second):
        with Emulator(record_to=tape, mode="new_episodes", **settings) as emulator:
            ask(emulator, body)
    data = tape.read_bytes()
    assert b"111122223333" not in data
    assert b"444455556666" not in data
    with Cassette.open(tape) as cassette:
        bodies = [cassette.read(number).call.body for number in cassette.numbers()]
        assert len(cassette.settings.initial["accounts"]) == 3
    assert [b":000000000001:" in bodies[0], b":000000000002:" in bodies[1]] == [True, True]
    with Emulator(tape) as emulator:
        ask(emulator, second, first)
        assert emulator.misses == []


def test_live_caller_sees_the_account_and_a_replay_its_stand_in(tmp_path: Path, model: Any) -> None:
    """The answer's ARN is asked back with the next request, live with the real number, replayed with the stand-in."""
    tape, arn = tmp_path / "a.tape", "arn:aws:sagemaker:us-east-1:{}:endpoint/x of 123456789012"
    settings = model(arn.format("482913765021"))
    with Emulator(record_to=tape, mode="new_episodes", **settings) as emulator:
        (live,) = ask(emulator, A)
        ask(emulator, {"id": live["note"]})
    assert live["note"] == arn.format("482913765021")
    assert b"482913765021" not in tape.read_bytes()
    with Emulator(tape) as emulator:
        (played,) = ask(emulator, A)
        assert played["note"] == arn.format("000000000001")
        assert ask(emulator, {"id": played["note"]}, {"id": live["note"]})[0]["note"] == played["note"]
        assert emulator.misses == []


@pytest.mark.parametrize(
    "note",
    [
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzSECR",
        "Authorization: Bearer q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4Ef",
        "postgres://admin:S3cr3tPassw0rd@db",
    ],
)
def test_labelled_secret_in_an_answer_is_passed_on_and_not_kept(tmp_path: Path, model: Any, note: str) -> None:
    """The client gets its answer, the file does not, and the run does not end clean."""
    tape, answers = tmp_path / "a.tape", []
    with (
        pytest.raises(EmulatorFailed, match="fingerprint"),
        Emulator(record_to=tape, mode="new_episodes", **model(note)) as emulator,
    ):
        answers += ask(emulator, A)
    assert [answer["note"] for answer in answers] == [note]
    assert not tape.exists() or note.rpartition(" ")[2].encode() not in tape.read_bytes()


def test_guard_tells_when_the_order_alone_chooses(tmp_path: Path, model: Any) -> None:
    """Two different answers to one request: said at the first use of the key, once, in the journal too."""
    tape = tmp_path / "a.tape"
    for note in ("one", "two"):
        with Emulator(record_to=tape, mode="all", **model(note, note)) as emulator:
            ask(emulator, A)
    with Emulator(tape) as emulator:
        assert emulator.deck().player.deck.warnings == {}
        ask(emulator, A, A)
        (text,) = [text for text in emulator.deck().player.deck.warnings if "different answers are recorded" in text]
        assert emulator.deck().player.deck.warnings[text] == 1
        assert [text in entry.warnings for entry in emulator.journal] == [True, False]


def test_strict_replay_looks_at_every_key_before_the_first_call(tmp_path: Path, model: Any) -> None:
    """What is doubtful is known at the start, so a run that never asks it fails as well."""
    tape = tmp_path / "a.tape"
    for note in ("one", "two"):
        with Emulator(record_to=tape, mode="all", **model(note, note)) as emulator:
            ask(emulator, A)
    with Emulator(tape, strict=True) as emulator:
        assert any("different answers are recorded" in text for text in emulator.deck().player.deck.warnings)


def test_old_recordings_are_told_with_their_age(tmp_path: Path, model: Any) -> None:
    """`max_age_s`: how many, since when, and what to do."""
    tape = tmp_path / "a.tape"
    rewrite(tape, model("one"), A, B, clock="2020-01-02T03:04:05+00:00")
    with Emulator(tape, max_age_s=86_400.0) as emulator:
        (text,) = emulator.deck().player.deck.warnings
    assert text.startswith("a.tape: 2 of 2 recordings are older than 1 day, the oldest from 2020-01-02.")
    with Emulator(tape) as emulator:
        assert emulator.deck().player.deck.warnings == {}


def test_header_of_a_rewritten_cassette_keeps_what_replay_needs(tmp_path: Path, model: Any) -> None:
    """Match rules, allowed fingerprints and the memory of accounts survive a rewrite; scrub rules add up."""
    tape = tmp_path / "a.tape"
    old = CassetteSettings(match={"body": "ignore"}, scrub={"headers": ["Accept"]}, allowed=("1" * 16,), seed=3)
    with Cassette.open(tape, writable=True, settings=old) as cassette:
        cassette.append(interaction(), key_of("old"))
        cassette.allow(["2" * 16])
    rewrite(tape, model("one"), A, scrub={"headers": ["CustomAttributes"]})
    with Cassette.open(tape) as cassette:
        assert dict(cassette.settings.match) == {"body": "ignore"}
        assert cassette.settings.allowed == ("1" * 16, "2" * 16)
        assert cassette.settings.scrub == {"headers": ["Accept", "CustomAttributes"]}
        assert cassette.settings.seed == 3
