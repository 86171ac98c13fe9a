"""Decks in one server: apart from one another in everything, bounded in number, and never made unseen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from admin_calls import TOKEN, AdminCalls
from botocore.exceptions import ClientError
from e2e_clients import ONCE, client_of, closed_clients, invoke, kept  # noqa: F401 - a fixture

from sagetape import Emulator, attach
from sagetape.core.errors import CallerError
from sagetape.shell.decks import DEFAULT, Decks
from sagetape.shell.summary import ended, exit_code

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ECHO = "function:e2e_models:echo"
ENDPOINTS: dict[str, Any] = {
    "ab": {"variants": {"blue": {"weight": 9}, "green": {"weight": 1}}, "upstream": ECHO},
    "talk": {"upstream": ECHO, "sessions": True},
}
DECKS = 200


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("SAGETAPE_TOKEN", TOKEN)
    with Emulator(endpoints=ENDPOINTS, python_path=HERE, clock="virtual", seed=7) as running:
        yield running


def clients(emulator: Emulator, names: list[str]) -> list[Any]:
    """boto3 clients of several decks, of one session: making one is the dear part of such a test."""
    session = boto3.session.Session()
    return [
        kept(
            session.client(
                "sagemaker-runtime",
                endpoint_url=f"{emulator.base_url}/deck/{name}",
                region_name="us-east-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=ONCE,
            )
        )
        for name in names
    ]


def trace(admin: AdminCalls, client: Any, number: int) -> tuple[Any, ...]:
    """What one deck's caller sees: variants, request ids, session id, a fault, the clock."""
    name = f"d{number}"
    variants, ids = [], []
    for call in range(4):
        answer = invoke(client, "ab", b"%d" % call)
        variants.append(answer["InvokedProductionVariant"])
        ids.append(answer["ResponseMetadata"]["RequestId"])
    opened = invoke(client, "talk", b"hello", SessionId="NEW_SESSION")["NewSessionId"]
    session = opened.partition(";")[0]
    admin.post(f"/decks/{name}/clock/advance", {"seconds": number})
    invoke(client, "talk", b"there", SessionId=session)
    admin.post(f"/decks/{name}/faults", {"fault": "throttle", "endpoint": "ab", "count": 1})
    with pytest.raises(ClientError, match="Throttling"):
        invoke(client, "ab", b"last")
    return tuple(variants), tuple(ids), session


def test_two_hundred_decks_see_nothing_of_one_another(emulator: Emulator) -> None:
    """Each has its own clock, seed, faults, sessions and counters; equal seeds see equal things in any interleaving."""
    admin = AdminCalls(emulator.base_url)
    names = [f"d{number}" for number in range(DECKS)]
    for number, name in enumerate(names):
        admin.post("/decks", {"name": name, "seed": number % 10, "clock": "2026-01-15T12:00:00Z"})
    bound = clients(emulator, names)
    with ThreadPoolExecutor(16) as pool:
        traces = list(pool.map(lambda number: trace(admin, bound[number], number), range(DECKS)))
    for number in range(DECKS):
        assert traces[number] == traces[number % 10]
    assert len({ids for _, ids, _ in traces}) == 10
    for number, name in enumerate(names):
        told = admin.get(f"/decks/{name}").json
        assert told["calls"] == {"live": 6, "fault": 1}
        assert told["clock"]["now"] == 1_768_478_400 + number
        (session,) = admin.get(f"/decks/{name}/sessions").json["sessions"]
        assert session["id"] == traces[number][2]
        assert admin.get(f"/decks/{name}/faults").json["faults"][0]["struck"] == 1
    assert admin.get("/decks/default/journal").json["total"] == 0
    with pytest.raises(ClientError, match="does not exist"):
        invoke(bound[1], "talk", b"", SessionId=traces[2][2])


def test_deck_made_on_purpose_has_its_own_settings(emulator: Emulator) -> None:
    """What is left out is the server's."""
    admin = AdminCalls(emulator.base_url)
    faults = [{"fault": "not-ready", "count": 1}]
    wish = {"name": "own", "clock": "real", "seed": 3, "speed": 2, "exhausted": "cycle", "faults": faults}
    told = admin.post("/decks", wish)
    assert (told["clock"]["kind"], told["seed"], told["speed"], told["exhausted"]) == ("real", 3, 2, "cycle")
    assert told["url"] == f"{emulator.base_url}/deck/own"
    plain = admin.post("/decks", {"name": "plain"})
    assert (plain["clock"]["kind"], plain["seed"], plain["mode"]) == ("virtual", 7, "none")
    (client,) = clients(emulator, ["own"])
    with pytest.raises(ClientError, match="ModelNotReady"):
        invoke(client, "ab", b"")
    assert admin.ask("POST", "/decks", body={"name": "own"}).code == "SagetapeAdminConflict"


def test_removed_deck_is_gone_but_still_counts(emulator: Emulator) -> None:
    """Its name may be used again; the summary and the exit code know what happened on it."""
    admin = AdminCalls(emulator.base_url)
    admin.post("/decks", {"name": "brief"})
    (client,) = clients(emulator, ["brief"])
    invoke(client, "ab", b"")
    assert admin.delete("/decks/brief").status == 200
    assert admin.get("/decks/brief").code == "SagetapeAdminNotFound"
    assert admin.delete("/decks/default").code == "SagetapeAdminConflict"
    server = emulator.thread.running
    found = emulator.on_loop(lambda: ended(server.app, server.assembly, []))
    assert found.totals == {"live": 1}
    assert admin.post("/decks", {"name": "brief"})["calls"] == {}


def test_looking_at_a_deck_does_not_make_it(emulator: Emulator) -> None:
    """Nor does a request whose signature is wrong."""
    admin = AdminCalls(emulator.base_url)
    assert admin.get("/decks/nobody/journal").code == "SagetapeAdminNotFound"
    request = urllib.request.Request(f"{emulator.base_url}/deck/nobody/endpoints/ab/invocations", data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    caught.value.close()
    assert caught.value.code == 403
    assert [one["name"] for one in admin.get("/decks").json["decks"]] == [DEFAULT]


# --- made by a request's path ---------------------------------------------------------------------------------------


def test_decks_are_bounded_and_named_well() -> None:
    """Names come from requests: neither their number nor their form is the caller's choice."""

    class Deckless:
        is_expected = True

    decks = Decks(lambda name: Deckless(), decks_max=2)  # type: ignore[arg-type,return-value]
    decks.get("one")
    decks.get("two")
    with pytest.raises(CallerError, match="There are 2 decks already"):
        decks.get("three")
    for name in ("", ".", "..", "-x", "a/b", "a b", "é", "x" * 101, "a\n"):
        with pytest.raises(CallerError, match="no name for a deck"):
            decks.get(name)


def test_deck_of_a_path_is_told_at_the_end() -> None:
    """In the log when it is made, and in the summary, in both forms of it."""
    for options, wanted in (((), "note: deck typo was made"), (("--json",), '"unexpected_decks": ["typo"]')):
        command = [sys.executable, "-m", "sagetape", "serve", "--no-config", "--port", "0", "--auth", "off"]
        surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))}
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        url = json.loads(line)["url"] if options else line.split("url=")[1].split()[0]
        request = urllib.request.Request(f"{url}/deck/typo/endpoints/ab/invocations", data=b"{}")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        caught.value.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert wanted in errors
        assert "deck typo was made by a request's path; nothing had announced it" in errors


def test_deck_of_a_path_is_told_in_execs_verdict() -> None:
    """Beside the counts, and it changes no exit code."""
    program = (
        "import os, urllib.request as u, urllib.error as e\n"
        "url = os.environ['AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME'] + '/deck/typo/endpoints/ab/invocations'\n"
        "try:\n    u.urlopen(url, data=b'{}')\nexcept e.HTTPError as error:\n    error.close()\n"
    )
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client")))}
    words = ["exec", "--no-config", "--auth", "off", "--miss-policy", "fail", "--", sys.executable, "-c", program]
    done = subprocess.run(
        [sys.executable, "-m", "sagetape", *words],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "deck typo was made by a request's path alone" in done.stderr
    assert done.returncode == 3  # the miss


def test_deck_of_a_recording_server_records_beside_it(tmp_path: Path) -> None:
    """Deck `x` of a server that records `a.tape` records `a.x.tape`, and plays from there."""
    recording = Emulator(record_to=tmp_path / "a.tape", mode="all", upstream=ECHO, python_path=HERE)
    with recording as emulator:
        invoke(client_of(emulator), "one", b"default")
        invoke(client_of(emulator.deck("x")), "two", b"x")
    assert sorted(path.name for path in tmp_path.glob("*.tape")) == ["a.tape", "a.x.tape"]
    with Emulator(tmp_path / "a.x.tape", is_replay=True) as emulator:
        answer = invoke(client_of(emulator), "two", b"x")
        assert b'"body":"x"' in answer["Body"]
        with pytest.raises(ClientError, match="SagetapeMiss"):
            invoke(client_of(emulator), "one", b"default")


def test_deck_made_over_http_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even on a server that records."""
    monkeypatch.setenv("SAGETAPE_TOKEN", TOKEN)
    with Emulator(record_to=tmp_path / "a.tape", mode="all", upstream=ECHO, python_path=HERE) as emulator:
        told = AdminCalls(emulator.base_url).post("/decks", {"name": "http"})
        assert told["mode"] == "none"
        invoke(client_of(emulator.deck("http")), "two", b"x")
        assert AdminCalls(emulator.base_url).get("/decks/http").json["kept"] == 0
    assert not list(tmp_path.glob("*http*"))


def test_deck_whose_file_is_damaged_is_refused_with_its_path(tmp_path: Path) -> None:
    """An error of our own that no SDK tries again, not an internal one."""
    (tmp_path / "a.x.tape").write_bytes(b"no cassette at all, but a file of some length")
    with Emulator(record_to=tmp_path / "a.tape", mode="all", upstream=ECHO, python_path=HERE) as emulator:
        with pytest.raises(ClientError, match=r"a\.x\.tape") as caught:
            invoke(client_of(emulator.deck("x")), "two", b"x")
        assert caught.value.response["Error"]["Code"] == "SagetapeDeck"
        assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


# --- chance and time of a deck --------------------------------------------------------------------------------------


def ids_of(emulator: Emulator, order: list[int]) -> dict[int, list[str]]:
    """Request ids by body, each body asked twice, in an order."""
    client, found = client_of(emulator), {number: [] for number in order}  # type: ignore[var-annotated]
    for number in [*order, *order]:
        answer = invoke(client, "ab", b"%d" % number)
        found[number].append(answer["ResponseMetadata"]["RequestId"])
    return found


def test_request_ids_follow_a_given_seed_in_every_process() -> None:
    """Equal in another process and another order; other without the seed, and never twice."""
    settings: dict[str, Any] = {"endpoints": ENDPOINTS, "python_path": HERE}
    with Emulator(seed=7, **settings) as here:
        first = ids_of(here, [1, 2, 3])
    with Emulator(seed=7, server="process", **settings) as there:
        assert ids_of(there, [3, 1, 2]) == first
    with Emulator(**settings) as other:
        assert ids_of(other, [1, 2, 3]) != first
        inside = client_of(other)
        with attach(inside, seed=7, **settings):
            again = [invoke(inside, "ab", b"%d" % number) for number in (2, 1, 3)]
        told = [one["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"] for one in again]
        assert told == [first[number][0] for number in (2, 1, 3)]
    assert len({one for ids in first.values() for one in ids}) == 6


def test_skew_moves_date_and_signature_window(emulator: Emulator) -> None:
    """On its deck alone: the others follow the wall clock, whatever the deck's clock says."""
    admin = AdminCalls(emulator.base_url)
    admin.post("/decks", {"name": "ahead", "skew_s": 3600})
    admin.post("/decks", {"name": "virtual", "clock": "2030-01-01T00:00:00Z"})
    ahead, virtual = clients(emulator, ["ahead", "virtual"])
    with pytest.raises(ClientError, match="Signature expired") as caught:
        invoke(ahead, "ab", b"")
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    answer = invoke(virtual, "ab", b"")
    dates = [one["ResponseMetadata"]["HTTPHeaders"]["date"] for one in (caught.value.response, answer)]
    apart = parsedate_to_datetime(dates[0]) - parsedate_to_datetime(dates[1])
    assert 3590 < apart.total_seconds() < 3660


def test_skewed_deck_answers_with_its_date() -> None:
    """Also where the signature is accepted: the setting of the whole server."""
    with Emulator(endpoints=ENDPOINTS, python_path=HERE, auth="off", skew_s=-86_400.0) as emulator:
        answer = invoke(client_of(emulator), "ab", b"")
        with urllib.request.urlopen(f"{emulator.base_url}/ping", timeout=30) as plain:
            wall = plain.headers["Date"]
    skewed = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
    assert 86_300 < (parsedate_to_datetime(wall) - parsedate_to_datetime(skewed)).total_seconds() < 86_500


def test_exit_code_counts_what_is_past() -> None:
    """Secrets before what could not be written, before misses where they count."""
    from sagetape.shell.decks import Past
    from sagetape.shell.summary import Ended

    assert exit_code(Ended({}, Past(secrets=["x"], failures=["y"])), is_strict=False) == 7
    assert exit_code(Ended({"miss": 1}, Past(failures=["y"])), is_strict=True) == 6
    assert exit_code(Ended({"miss": 1}, Past()), is_strict=True) == 3
    assert exit_code(Ended({"miss": 1}, Past()), is_strict=False) == 0
