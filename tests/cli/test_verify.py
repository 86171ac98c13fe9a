"""`sagetape verify`: whether recorded answers still hold, asked of a live upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cassette_line import as_json, made, output, run, write
from tests.core.exchange_samples import ORIGIN, interaction

from sagetape.emulator import Emulator
from sagetape.shell.store import Cassette

MODEL = """
import json
from sagetape import Answer, ModelFailure
def churn(invocation):
    if invocation.session_id == "NEW_SESSION":
        return Answer(b'{{"open":true}}', new_session="{session}; Expires=2030-01-15T13:00:00Z")
    if invocation.session_id is not None:
        return {{"session": invocation.session_id}}
    data = json.loads(invocation.body)
    if "fail" in data:
        raise ModelFailure(503, b"broken")
    return {{"p": {p}, "text": "{text}", "trace": "{session}"}}
"""


class Model:
    """A module that answers; another one under a new name answers differently."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def make(self, p: float = 0.5, text: str = "the customer stays", session: str = "abcdefgh-1") -> dict[str, Any]:
        self.count += 1
        name = f"verified_{self.folder.name.replace('-', '_')}_{self.count}"
        (self.folder / f"{name}.py").write_text(MODEL.format(p=p, text=text, session=session))
        return {"upstream": f"function:{name}:churn", "python_path": self.folder}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Model(tmp_path)


def record(tape: Path, settings: dict[str, Any], *bodies: bytes, **more: Any) -> Path:
    with Emulator(record_to=tape, mode="new_episodes", **settings, **more) as emulator:
        client = emulator.client()
        for body in bodies:
            ask(client, body)
    return tape


def ask(client: Any, body: bytes, **members: str) -> Any:
    try:
        return client.invoke_endpoint(EndpointName="churn", Body=body, ContentType="application/json", **members)
    except client.exceptions.ModelError:
        return None


def verified(tape: Path, settings: dict[str, Any], *words: str, code: int = 0) -> Any:
    """The verdict as JSON, asked of an emulator with these settings over HTTP, signed."""
    with Emulator(mode="none", **settings) as emulator:
        return as_json("verify", tape, "--upstream", f"aws+{emulator.base_url}", *words, code=code)


def test_verify_finds_nothing_where_nothing_changed(tmp_path: Path, model: Model) -> None:
    """Answers and recorded failures alike; nothing is written."""
    settings = model.make()
    tape = record(tmp_path / "a.tape", settings, b'{"a":1}', b'{"a":2}', b'{"fail":1}')
    before = tape.read_bytes()
    found = verified(tape, settings)
    assert found["endpoints"] == [
        {"endpoint": "churn", "verdict": "same", "same": 3, "drifted": 0, "not_asked": 0, "failed": 0}
    ]
    assert tape.read_bytes() == before
    assert [path.name for path in tmp_path.glob("*tape*")] == ["a.tape"]


def test_verify_tells_drift_with_its_place_and_ends_with_3(tmp_path: Path, model: Model) -> None:
    """The number, recorded and now; within the tolerances it is the same."""
    tape = record(tmp_path / "a.tape", model.make(p=0.50, text="the customer stays"), b'{"a":1}')
    other = model.make(p=0.52, text="the customer surely stays")
    found = verified(tape, other, code=3)
    assert [d["place"] for d in found["interactions"][0]["differences"]] == ["$.p", "$.text"]
    assert found["endpoints"][0]["verdict"] == "drifted"
    found = verified(tape, other, "--absolute", "0.05", "--text-similarity", "0.5")
    assert found["endpoints"][0]["verdict"] == "same"
    with Emulator(mode="none", **other) as emulator:
        text = output("verify", tape, "--upstream", f"aws+{emulator.base_url}", code=3)
    assert "churn: drifted (1 drifted)" in text
    assert "interaction 0: $.p: recorded 0.5, now 0.52" in text


def test_verify_leaves_out_what_the_rules_ignore(tmp_path: Path, model: Model) -> None:
    """A trace id that is new in each answer is no drift, when the cassette's rules say so."""
    tape = record(tmp_path / "a.tape", model.make(session="abcdefgh-1"), b'{"a":1}', match={"ignore_paths": ["trace"]})
    assert verified(tape, model.make(session="ijklmnop-2"))["endpoints"][0]["verdict"] == "same"


def test_verify_walks_through_a_session(tmp_path: Path, model: Model) -> None:
    """The live id stands in the place of the recorded one, in requests and in answers."""
    tape, settings = tmp_path / "a.tape", model.make(session="abcdefgh-1")
    with Emulator(record_to=tape, mode="new_episodes", **settings) as emulator:
        client = emulator.client()
        opened = ask(client, b"{}", SessionId="NEW_SESSION")
        session = opened["NewSessionId"].partition(";")[0]
        ask(client, json.dumps({"session": session}).encode(), SessionId=session)
    found = verified(tape, model.make(session="qrstuvwx-9"))
    assert [one["verdict"] for one in found["interactions"]] == ["same", "same"]


def test_verify_accepts_any_take_of_a_request(tmp_path: Path, model: Model) -> None:
    """Two recorded answers to one request: the live one is the same when it is one of them."""
    settings = model.make(p=0.5)
    tape = record(tmp_path / "a.tape", settings, b'{"a":1}')
    with Cassette.open(tape, writable=True) as cassette:
        first = cassette.read(0)
        cassette.append(replace(first, script=interaction(answer=b'{"p":9}').script), cassette.key(0))
    assert {one["verdict"] for one in verified(tape, settings)["interactions"]} == {"same"}


def test_verify_does_not_ask_what_is_not_the_recorded_request(tmp_path: Path, model: Model) -> None:
    """A scrubbed value, or a request that was refused: told, and no drift."""
    scrubbed = interaction(b'{"user":"scrubbed"}')
    refused = made("b")
    refused = replace(refused, call=replace(refused.call, auth="UnrecognizedClientException"))
    foreign = interaction(b'{"arn":"arn:aws:s3:::sagemaker-us-east-1-000000000001/x"}')
    tape = write(tmp_path / "a.tape", scrubbed, refused, foreign)
    found = verified(tape, model.make(), code=3)
    assert [one["verdict"] for one in found["interactions"]] == ["not asked"] * 3
    assert "000000000001" in found["interactions"][2]["reason"]
    assert "scrubbed" in found["interactions"][0]["reason"]
    assert "UnrecognizedClientException" in found["interactions"][1]["reason"]


ARN = b'{"arn":"arn:aws:iam::%s:oidc-provider/x"}'


def test_verify_asks_with_the_accounts_that_are_given(tmp_path: Path, model: Model) -> None:
    """The request that is sent is the one that was recorded, for the account that recorded and for a foreign one."""
    asked = tmp_path / "asked.txt"
    (tmp_path / "telling.py").write_text(
        f"def churn(one):\n    with open({str(asked)!r}, 'ab') as file:\n"
        "        file.write(one.body + b'\\n')\n    return 1\n"
    )
    settings = {"upstream": "function:telling:churn", "python_path": tmp_path}
    bodies = [ARN % b"111122223333", ARN % b"444455556666"]
    tape = record(tmp_path / "a.tape", settings, *bodies, account="111122223333")
    with Cassette.open(tape) as cassette:
        assert [b"000000" in cassette.read(number).call.body for number in cassette.numbers()] == [True, True]
    for accounts, count, code in ((("111122223333", "444455556666"), 2, 0), (("111122223333",), 1, 0), ((), 0, 3)):
        asked.write_bytes(b"")
        words = [word for account in accounts for word in ("--account", account)]
        verified(tape, settings, *words, code=code)
        assert sorted(asked.read_bytes().split()) == sorted(bodies)[:count]
        verified(tape, settings, "--strict", *words, code=0 if count == 2 else 3)


def test_verify_takes_no_other_account_for_the_recorded_one(tmp_path: Path, model: Model) -> None:
    """The cassette knows a fingerprint of the account: another is not asked in its place."""
    settings = model.make()
    tape = record(tmp_path / "a.tape", settings, ARN % b"111122223333", account="111122223333")
    found = verified(tape, settings, "--account", "999999999999", code=3)
    assert found["interactions"][0]["reason"].endswith("000000000000; name the real ones with --account")
    assert run("verify", tape, "--upstream", "aws", "--account", "12").exit_code == 2


def test_verify_tells_when_nothing_was_chosen(tmp_path: Path, model: Model) -> None:
    """An endpoint that is in no cassette: nothing was asked, so nothing holds."""
    tape = record(tmp_path / "a.tape", settings := model.make(), b'{"a":1}')
    verified(tape, settings, "--endpoint", "chrun", code=3)


def test_verify_asks_for_twelve_zeros_that_are_a_number(tmp_path: Path, model: Model) -> None:
    """Digits outside of names were never scrubbed."""
    tape = record(tmp_path / "a.tape", settings := model.make(), b'{"serial":"000000000042"}')
    verified(tape, settings)


def test_verify_limits_the_latency(tmp_path: Path, model: Model) -> None:
    """An answer may take so many times as recorded; what was quick is never called slow."""
    settings = model.make()
    tape = record(tmp_path / "a.tape", settings, b'{"a":1}')
    assert verified(tape, settings, "--latency", "1000")["endpoints"][0]["verdict"] == "same"


def test_verify_ends_with_5_when_nobody_answers(tmp_path: Path, model: Model) -> None:
    """A server that is not there is no drift."""
    tape = write(tmp_path / "a.tape", made("a"))
    done = run("verify", tape, "--upstream", "aws+http://127.0.0.1:9")
    assert done.exit_code == 5, done.output
    assert "failed" in done.stdout
    assert "could not reach" in done.stdout


def test_verify_tells_the_age_without_asking(tmp_path: Path) -> None:
    """--max-age alone needs no upstream."""
    old = write(tmp_path / "old.tape", made("a", at=1_577_934_245.0))
    done = run("verify", old, "--max-age", "90d")
    assert done.exit_code == 3
    assert "1 of 1 recording is older than 90 days, the oldest from 2020-01-02" in done.stderr
    young = write(tmp_path / "young.tape", replace(made("a"), origin=replace(ORIGIN, recorded_at=4e9)))
    assert run("verify", young, "--max-age", "90d").exit_code == 0


def test_verify_says_what_is_missing(tmp_path: Path) -> None:
    """Neither an upstream nor an age; an age that is none."""
    tape = write(tmp_path / "a.tape", made("a"))
    for words, said in {
        (): "--upstream aws",
        ("--max-age", "soon"): "such as 90d",
        ("--upstream", "awss"): "did you mean 'aws'",
        ("--upstream", "ftp://x"): "must be aws",
    }.items():
        done = run("verify", tape, *words)
        assert done.exit_code == 2
        assert said in done.stderr
