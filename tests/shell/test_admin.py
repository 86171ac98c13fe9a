"""The admin API over a socket: who is let in, and what each route says and changes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from admin_calls import TOKEN, AdminCalls, Told
from botocore.exceptions import ClientError
from e2e_clients import client_of, closed_clients  # noqa: F401 - a fixture
from hypothesis import given
from hypothesis import strategies as st

from sagetape import Emulator
from sagetape.core.errors import CallerError
from sagetape.core.hosts import HostRule
from sagetape.shell.admin.dispatch import body_of, query_of
from sagetape.shell.admin.gate import Gate, is_loopback
from sagetape.shell.admin.table import ROUTES

MODELS = """
from sagetape import Answer, ModelFailure

def echo(invocation):
    return {"bytes": len(invocation.body)}

def fails(invocation):
    raise ModelFailure(500, b"no")

async def slow(invocation):
    await invocation.clock.sleep(30)
    return {}

async def dribbles(invocation):
    yield b"one"
    await invocation.clock.sleep(30)
    yield b"two"
"""
ENDPOINTS: dict[str, Any] = {
    "echo": {"upstream": "function:admin_models:echo"},
    "fails": {"upstream": "function:admin_models:fails"},
    "slow": {"upstream": "function:admin_models:slow"},
    "dribbles": {"upstream": "function:admin_models:dribbles"},
    "talk": {"upstream": "function:admin_models:echo", "sessions": True},
    "ab": {
        "variants": {"blue": {"weight": 9}, "green": {"weight": 1}},
        "upstream": "function:admin_models:echo",
    },
    "mirrored": {
        "upstream": "function:admin_models:echo",
        "shadow": {"upstream": "function:admin_models:fails"},
    },
    "llm": {"components": {"chat": {"upstream": "function:admin_models:echo", "copies": 0}}},
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One server for the module; each test has a deck of its own."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "admin_models.py").write_text(MODELS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGETAPE_TOKEN", TOKEN)
        with Emulator(endpoints=ENDPOINTS, python_path=folder, clock="virtual", seed=7) as running:
            yield running


@pytest.fixture
def admin(emulator: Emulator) -> AdminCalls:
    return AdminCalls(emulator.base_url)


@pytest.fixture
def deck(admin: AdminCalls, request: pytest.FixtureRequest) -> str:
    """The name of a deck that is this test's own."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name).strip("-")[:90]
    admin.post("/decks", {"name": name})
    return name


@pytest.fixture
def client(emulator: Emulator, deck: str) -> Any:
    """A boto3 client of that deck, without retries of its own."""
    return client_of(emulator.deck(deck))


def invoke(client: Any, endpoint: str = "echo", **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.invoke_endpoint(EndpointName=endpoint, **{"Body": b"{}", **members})
    answer["Body"] = answer["Body"].read()  # else its connection is left open
    return answer


# --- who is let in ------------------------------------------------------------------------------------------------


def test_health_and_ready_answer_anybody_here(admin: AdminCalls, emulator: Emulator) -> None:
    """Without a token; nothing secret is in them."""
    admin.token = None
    assert admin.get("/health").json["status"] == "ok"
    ready = admin.get("/ready").json
    assert (ready["url"], ready["seed"]) == (emulator.base_url, 7)
    assert not {"secret_access_key", "token_file"} & set(ready)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 421, None),
        ({"Host": "127.0.0.1"}, 421, None),
        ({"Host": "127.0.0.1:1"}, 421, None),
        ({"Origin": "http://evil.example"}, 403, "SagetapeAdminForbidden"),
        ({"Origin": "null"}, 403, "SagetapeAdminForbidden"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "SagetapeAdminForbidden"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "SagetapeAdminForbidden"),
        ({"X-Sagetape-Token": None}, 403, "SagetapeAdminForbidden"),
        ({"X-Sagetape-Token": TOKEN[:-1] + "0"}, 403, "SagetapeAdminForbidden"),
        ({"X-Sagetape-Token": ""}, 403, "SagetapeAdminForbidden"),
        ({"Content-Type": None}, 415, "SagetapeAdminMediaType"),
        ({"Content-Type": "text/plain"}, 415, "SagetapeAdminMediaType"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "SagetapeAdminMediaType"),
    ],
)
def test_write_of_a_stranger_is_refused(
    admin: AdminCalls, headers: dict[str, str | None], status: int, code: str | None
) -> None:
    """Nothing changes, no CORS header is sent, and the text does not repeat the token."""
    told = admin.ask("POST", "/reset", headers=headers)
    assert (told.status, told.code) == (status, code)
    assert not any(name.lower().startswith("access-control-") for name in told.headers)
    assert TOKEN.encode() not in told.body
    if status == 421:
        assert told.body == b""


def test_own_page_is_let_in(admin: AdminCalls, emulator: Emulator) -> None:
    """A browser's headers for a page that this server sent."""
    headers = {"Origin": emulator.base_url, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json; q=1"}
    assert admin.ask("POST", "/reset", headers=headers).status == 200


@pytest.mark.parametrize("path", ["/reset", "/decks", "/health", "/nothing"])
def test_preflight_is_never_answered(admin: AdminCalls, path: str) -> None:
    """405 with the methods that there are, whoever asks."""
    told = admin.ask("OPTIONS", path, headers={"Origin": "http://evil.example", "X-Sagetape-Token": None})
    assert (told.status, told.code) == (405, "SagetapeAdminMethodNotAllowed")
    assert "OPTIONS" not in told.headers["Allow"]
    assert not any(name.lower().startswith("access-control-") for name in told.headers)


def test_unknown_paths_and_methods_are_named(admin: AdminCalls) -> None:
    """With the nearest that would have worked; HEAD gets no body."""
    told = admin.get("/deks")
    assert (told.status, told.code) == (404, "SagetapeAdminNotFound")
    assert "Did you mean /_sagetape/decks?" in told.message
    told = admin.ask("PUT", "/reset")
    assert (told.status, told.headers["Allow"]) == (405, "POST")
    told = admin.ask("HEAD", "/health")
    assert (told.status, told.body) == (405, b"")


def test_reader_from_elsewhere_needs_the_token() -> None:
    """But for what is open; a peer that is not known is from elsewhere."""
    gate = Gate(HostRule(port=7243, listed=["box"]), token=TOKEN)
    headers = [(b"Host", b"box:7243")]
    with pytest.raises(CallerError, match="X-Sagetape-Token"):
        gate.judge(headers, peer="192.0.2.1", is_write=False)
    gate.judge(headers, peer="192.0.2.1", is_write=False, is_open=True)
    gate.judge([*headers, (b"x-sagetape-token", TOKEN.encode())], peer="192.0.2.1", is_write=False)
    here = [is_loopback(peer) for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "127.9.9.9")]
    there = [is_loopback(peer) for peer in ("10.0.0.1", "fe80::1%eth0", None, "", "here")]
    assert (here, there) == ([True] * 4, [False] * 5)


def test_no_route_takes_a_path_or_starts_a_recording(admin: AdminCalls) -> None:
    """No body has a field for one, and the only mode is none."""
    fields = {name for route in ROUTES if route.body for name in route.body["properties"]}
    assert not {name for name in fields if re.search("path|url|file|upstream|cassette|record", name)}
    told = admin.ask("POST", "/decks", body={"name": "recorder", "mode": "all"})
    assert (told.status, told.code) == (400, "SagetapeAdminInvalid")
    assert "none" in told.message


# --- what is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/decks", b"{", "no JSON"),
        ("/decks", b"[]", "must be an object"),
        ("/decks", b"\xff", "no JSON"),
        ("/decks", b"[" * 30_000, "no JSON"),
        ("/decks", b'{"name": "x", "speed": NaN}', "no JSON"),
        ("/decks", {}, "name is missing"),
        ("/decks", {"name": "x", "sped": 1}, "did you mean 'speed'?"),
        ("/decks", {"name": "a/b"}, "must match"),
        ("/decks", {"name": "x" * 101}, "must match"),
        ("/decks", {"name": "x", "seed": 1.5}, "a whole number"),
        ("/decks", {"name": "x", "seed": True}, "a whole number"),
        ("/decks", {"name": "x", "speed": -1}, "from 0 to 1000"),
        ("/decks", {"name": "x", "clock": "yesterday"}, "ISO time"),
        ("/decks", {"name": "x", "clock": "2026-01-15T12:00:00"}, "zone"),
        ("/decks", {"name": "x", "clock": "0001-01-01T00:00:00+23:59"}, "from 1970 to 9999"),
        ("/decks", {"name": "x", "clock": "9999-12-31T23:59:59-23:59"}, "from 1970 to 9999"),
        ("/decks", {"name": "x", "seed": 2**63}, "from 0 to"),
        ("/decks", b'{"name": "x", "seed": 1' + b"0" * 5000 + b"}", "no JSON"),
        ("/decks", b'{"name": "x", "speed": 1e999}', "a number"),
        ("/decks", {"name": "x", "faults": [{"fault": "throtle"}]}, "Did you mean 'throttle'?"),
        ("/decks/default/clock/advance", {"seconds": -1}, "from 0"),
        ("/decks/default/clock/set", {"instant": 1e12}, "from 0"),
        ("/decks/default/clock/freeze", {"seconds": 1}, "takes no body"),
        ("/decks/default/faults", {"fault": "throttle", "probability": 2}, "from 0 to 1"),
    ],
)
def test_wrong_body_is_refused_with_its_place(admin: AdminCalls, path: str, body: Any, said: str) -> None:
    """400, and nothing is made of it."""
    before = admin.get("/decks").json["decks"]
    told = admin.ask("POST", path, body=body)
    assert (told.status, told.code) == (400, "SagetapeAdminInvalid")
    assert said in told.message
    assert len(admin.get("/decks").json["decks"]) == len(before)


def test_large_body_is_refused(admin: AdminCalls) -> None:
    """At 64 KiB and a byte."""
    body = b'{"name":"x"' + b" " * (64 * 1024 - 12) + b"}"
    assert len(body) == 64 * 1024
    assert admin.ask("POST", "/decks/default/faults", body=body).code == "SagetapeAdminInvalid"
    told = admin.ask("POST", "/decks/default/faults", body=body + b" ")
    assert (told.status, told.code) == (413, "SagetapeAdminTooLarge")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("status=teapot", "status is 'teapot'"),
        ("status=42", "from 100 to 599"),
        ("source=magic", "must be one of"),
        ("sorce=miss", "did you mean 'source'?"),
        ("limit=0", "from 1"),
        ("wait=nan", "whole number"),
        ("timeout_s=inf", "a number"),
        ("&".join(f"a{i}=1" for i in range(21)), "more than 20 fields"),
    ],
)
def test_wrong_query_is_refused_with_its_field(admin: AdminCalls, query: str, said: str) -> None:
    told = admin.get(f"/decks/default/journal?{query}")
    assert (told.status, told.code) == (400, "SagetapeAdminInvalid")
    assert said in told.message


# --- journal ------------------------------------------------------------------------------------------------------


def test_journal_is_filtered_and_read_on(admin: AdminCalls, deck: str, client: Any) -> None:
    """By endpoint, status and source; `last` is the next `since`."""
    invoke(client)
    with pytest.raises(ClientError):
        invoke(client, "fails")
    invoke(client)
    with pytest.raises(ClientError):
        invoke(client, "nobody")

    def read(query: str) -> list[int]:
        return [one["number"] for one in admin.get(f"/decks/{deck}/journal?{query}").json["entries"]]

    assert read("") == [1, 2, 3, 4]
    assert read("endpoint=echo") == [1, 3]
    assert read("status=424") == [2]
    assert read("source=refused") == [4]
    assert read("since=1&limit=2") == [2, 3]
    assert read("endpoint=fails&status=200") == []
    assert read("operation=InvokeEndpoint&since=3") == [4]
    page = admin.get(f"/decks/{deck}/journal?limit=3").json
    assert (page["last"], page["total"]) == (3, 4)


def test_journal_names_the_request_id_of_the_answer(admin: AdminCalls, deck: str, client: Any) -> None:
    """So that a line is found from a client's log."""
    answer = invoke(client)
    (entry,) = admin.get(f"/decks/{deck}/journal").json["entries"]
    assert entry["request_id"] == answer["ResponseMetadata"]["RequestId"]


def test_journal_waits_for_calls_that_have_their_answer(admin: AdminCalls, deck: str, client: Any) -> None:
    """The answer comes with the call that makes it enough, and not with others."""
    invoke(client)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(admin.get, f"/decks/{deck}/journal?endpoint=echo&wait=3&timeout_s=60")
        with pytest.raises(ClientError):
            invoke(client, "fails")
        invoke(client)
        assert not waiting.done()
        invoke(client)
        page = waiting.result().json
    assert [one["number"] for one in page["entries"]] == [1, 3, 4]
    assert page["timed_out"] is False


def test_journal_wait_ends_in_time(admin: AdminCalls, deck: str, client: Any) -> None:
    """With what there is, and told so."""
    invoke(client)
    page = admin.get(f"/decks/{deck}/journal?wait=2&timeout_s=0.05").json
    assert (len(page["entries"]), page["timed_out"]) == (1, True)


def test_ending_server_leaves_nobody_waiting(tmp_path: Path) -> None:
    """A waiting reader gets its answer when the server ends, long before its own limit."""
    running = Emulator(auth="off", drain_s=60.0)
    running.__enter__()
    admin = AdminCalls(running.base_url)
    told: list[Told] = []
    journal = running.player.deck.journal
    reader = threading.Thread(
        target=lambda: told.append(admin.get("/decks/default/journal?wait=1&timeout_s=300")), daemon=True
    )
    reader.start()
    while not running.on_loop(lambda: list(journal.listeners)):
        pass  # each look is a turn of the server's loop
    running.close()
    reader.join(30)
    assert told[0].json["timed_out"] is True


# --- sessions and clock -------------------------------------------------------------------------------------------


def opened(client: Any) -> str:
    answer = invoke(client, "talk", SessionId="NEW_SESSION")
    return str(answer["NewSessionId"]).partition(";")[0]


def test_sessions_are_listed_and_ended(admin: AdminCalls, deck: str, client: Any) -> None:
    """An ended one is refused as a closed one is, and only that."""
    first, second = opened(client), opened(client)
    listed = admin.get(f"/decks/{deck}/sessions").json["sessions"]
    assert [(one["id"], one["endpoint"]) for one in listed] == [(first, "talk"), (second, "talk")]
    assert listed[0]["expires_at"] - listed[0]["opened_at"] == pytest.approx(1200, abs=1)
    assert admin.delete(f"/decks/{deck}/sessions/talk/{first}").status == 200
    with pytest.raises(ClientError, match="closed"):
        invoke(client, "talk", SessionId=first)
    assert invoke(client, "talk", SessionId=second)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert admin.delete(f"/decks/{deck}/sessions/talk/{first}").code == "SagetapeAdminNotFound"


def test_session_expires_when_the_clock_is_advanced(admin: AdminCalls, deck: str, client: Any) -> None:
    """Not a second before, on this deck alone."""
    session = opened(client)
    before = admin.get(f"/decks/{deck}/clock").json
    admin.post(f"/decks/{deck}/clock/advance", {"seconds": 1190})
    invoke(client, "talk", SessionId=session)
    after = admin.post(f"/decks/{deck}/clock/advance", {"seconds": 15})
    assert after["now"] - before["now"] == pytest.approx(1205)
    with pytest.raises(ClientError, match="expired"):
        invoke(client, "talk", SessionId=session)
    assert admin.get(f"/decks/{deck}/sessions").json["sessions"] == []
    assert admin.get("/decks/default/clock").json["now"] < after["now"]


def test_clock_is_set_frozen_and_thawed(admin: AdminCalls, deck: str, client: Any) -> None:
    """A frozen wait passes when it is advanced; a set instant is told in both forms."""
    told = admin.post(f"/decks/{deck}/clock/set", {"instant": 1_800_000_000})
    assert (told["kind"], told["iso"]) == ("virtual", "2027-01-15T08:00:00.000Z")
    assert admin.post(f"/decks/{deck}/clock/freeze")["frozen"] is True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(invoke, client, "slow")
        while not admin.get(f"/decks/{deck}/clock").json["waiting"]:
            assert not waiting.done()  # in flight is not enough: its wait would begin after the clock was advanced
        admin.post(f"/decks/{deck}/clock/advance", {"seconds": 5})
        assert not waiting.done()
        assert admin.delete(f"/decks/{deck}").code == "SagetapeAdminConflict"
        admin.post(f"/decks/{deck}/clock/advance", {"seconds": 25})
        assert waiting.result()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert admin.post(f"/decks/{deck}/clock/thaw")["frozen"] is False


def test_stream_counts_as_in_flight_to_its_end(admin: AdminCalls, deck: str, client: Any) -> None:
    """A deck that is in the middle of a stream is not removed, and a server that is, is not idle."""
    admin.post(f"/decks/{deck}/clock/freeze")
    with closing(client.invoke_endpoint_with_response_stream(EndpointName="dribbles", Body=b"")["Body"]) as body:
        events = iter(body)
        assert next(events)["PayloadPart"]["Bytes"] == b"one"
        assert admin.get(f"/decks/{deck}").json["in_flight"] == 1
        assert admin.delete(f"/decks/{deck}").code == "SagetapeAdminConflict"
        admin.post(f"/decks/{deck}/clock/advance", {"seconds": 30})
        assert [event["PayloadPart"]["Bytes"] for event in events] == [b"two"]
    while admin.get(f"/decks/{deck}").json["in_flight"]:
        pass  # the server sees the end a moment after the client does
    assert admin.delete(f"/decks/{deck}").status == 200


def test_real_clock_is_not_moved(admin: AdminCalls, deck: str) -> None:
    """409 that says how to have a virtual one; reading it is possible."""
    admin.post("/decks", {"name": f"{deck}-real", "clock": "real"})
    assert admin.get(f"/decks/{deck}-real/clock").json["kind"] == "real"
    told = admin.ask("POST", f"/decks/{deck}-real/clock/advance", body={"seconds": 1})
    assert (told.status, told.code) == (409, "SagetapeAdminConflict")
    assert '"clock": "virtual"' in told.message


# --- faults -------------------------------------------------------------------------------------------------------


def test_faults_are_listed_with_their_parameters(admin: AdminCalls) -> None:
    """The same table that the command line reads."""
    told = admin.get("/faults").json
    kinds = {one["name"]: one for one in told["faults"]}
    assert {"throttle", "latency", "rechunk", "stream-error", "reset"} <= kinds.keys()
    assert "probability" in {one["name"] for one in told["selectors"]}
    assert kinds["throttle"]["level"] == "request"


def test_fault_strikes_from_the_next_call_and_counts(admin: AdminCalls, deck: str, client: Any) -> None:
    """Added, counted, removed; what was listed can be added again."""
    wish = {"fault": "throttle", "endpoint": "echo", "count": 1, "id": "a b/c"}
    made = admin.post(f"/decks/{deck}/faults", wish)
    assert (made["struck"], made["id"]) == (0, "a b/c")
    with pytest.raises(ClientError, match="ThrottlingException"):
        invoke(client)
    invoke(client)
    (told,) = admin.get(f"/decks/{deck}/faults").json["faults"]
    assert told == {**wish, "considered": 2, "struck": 1}
    assert admin.ask("POST", f"/decks/{deck}/faults", body=wish).code == "SagetapeAdminConflict"
    assert admin.delete(f"/decks/{deck}/faults/a%20b%2Fc").status == 200
    assert admin.get(f"/decks/{deck}/faults").json["faults"] == []
    assert admin.delete(f"/decks/{deck}/faults/a%20b%2Fc").code == "SagetapeAdminNotFound"


# --- counters, shares, metrics, reset -----------------------------------------------------------------------------


def test_shares_tell_expected_from_actual(admin: AdminCalls, deck: str, client: Any) -> None:
    """Calls that named a variant count as calls, and not as traffic by weight."""
    assert admin.get(f"/decks/{deck}/shares").json["endpoints"]["ab"][0]["actual"] is None
    for number in range(20):
        invoke(client, "ab", Body=b"%d" % number)
    invoke(client, "ab", TargetVariant="green")
    blue, green = admin.get(f"/decks/{deck}/shares").json["endpoints"]["ab"]
    assert (blue["expected"], green["expected"]) == (0.9, 0.1)
    assert blue["actual"] + green["actual"] == pytest.approx(1)
    assert blue["drawn"] + green["drawn"] == 20
    assert blue["calls"] + green["calls"] == 21
    invoke(client, "mirrored")
    assert admin.get(f"/decks/{deck}/shares").json["mirrored"] == {"mirrored": {"shadow": 1}}


def test_counters_tell_sources_and_misses(admin: AdminCalls, deck: str, client: Any) -> None:
    invoke(client)
    opened(client)
    with pytest.raises(ClientError):
        invoke(client, "nobody")
    told = admin.get(f"/decks/{deck}/counters").json
    assert told["calls"] == {"live": 2, "refused": 1}
    assert (told["kept"], told["failures"], told["warnings"]) == (0, [], {})


def test_component_is_scaled(admin: AdminCalls, deck: str, client: Any) -> None:
    """From none, where every call is refused, to one."""
    with pytest.raises(ClientError):
        invoke(client, "llm", InferenceComponentName="chat")
    path = f"/decks/{deck}/endpoints/llm/components/"
    admin.post(f"{path}chat/copies", {"copies": 1})
    invoke(client, "llm", InferenceComponentName="chat")
    assert admin.ask("POST", f"{path}none/copies", body={"copies": 1}).code == "SagetapeAdminNotFound"


def test_metrics_are_prometheus_text(admin: AdminCalls, deck: str, client: Any) -> None:
    """Every line parses, every figure has its type, histograms grow to their count, and calls raise theirs."""

    def read() -> dict[str, float]:
        told = admin.get("/metrics")
        assert told.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        types: dict[str, str] = {}
        found: dict[str, float] = {}
        for line in told.body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                types[name] = kind
            elif not line.startswith("# HELP "):
                match = re.fullmatch(r'([a-z_]+)(\{(?:[a-z_]+="[^"\\]*",?)*\})? ([0-9.e+-]+)', line)
                assert match is not None, line
                base = re.sub(r"_(bucket|sum|count)$", "", match[1])
                assert types.get(match[1]) or types.get(base) == "histogram", line
                found[match[1] + (match[2] or "")] = float(match[3])
        return found

    before = read()
    invoke(client)
    opened(client)
    with pytest.raises(ClientError):
        invoke(client, "fails")
    after = read()
    served = 'sagetape_requests_total{source="live",operation="InvokeEndpoint",status="200"}'
    failed = 'sagetape_requests_total{source="live",operation="InvokeEndpoint",status="424"}'
    assert after[served] - before.get(served, 0) == 2
    assert after[failed] - before.get(failed, 0) == 1
    assert after["sagetape_sessions"] - before["sagetape_sessions"] == 1
    assert after["sagetape_answer_seconds_count"] - before["sagetape_answer_seconds_count"] == 3
    buckets = [value for name, value in after.items() if name.startswith("sagetape_answer_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == after["sagetape_answer_seconds_count"]
    assert after["sagetape_connections"] >= 1


def test_reset_forgets_what_was_asked(admin: AdminCalls, deck: str, client: Any, emulator: Emulator) -> None:
    """Journal, sessions, shares and faults' counts; the faults themselves stay, and other decks are not touched."""
    admin.post(f"/decks/{deck}/faults", {"fault": "throttle", "endpoint": "echo", "count": 1})
    invoke(client, "ab")
    session = opened(client)
    with pytest.raises(ClientError, match="Throttling"):
        invoke(client)
    admin.post("/decks", {"name": f"{deck}-other"})
    invoke(client_of(emulator.deck(f"{deck}-other")))
    admin.post(f"/decks/{deck}/reset")
    assert admin.get(f"/decks/{deck}/journal").json["total"] == 0
    assert admin.get(f"/decks/{deck}/sessions").json["sessions"] == []
    assert [one["calls"] for one in admin.get(f"/decks/{deck}/shares").json["endpoints"]["ab"]] == [0, 0]
    assert admin.get(f"/decks/{deck}/faults").json["faults"][0]["struck"] == 0
    assert admin.get(f"/decks/{deck}-other/journal").json["total"] == 1
    with pytest.raises(ClientError, match="not"):
        invoke(client, "talk", SessionId=session)
    with pytest.raises(ClientError, match="Throttling"):
        invoke(client)


def test_last_instant_is_served_and_not_passed(admin: AdminCalls, deck: str, client: Any) -> None:
    """A session of the year 9999 has an Expires that can be written; time goes no further."""
    admin.post(f"/decks/{deck}/clock/set", {"instant": 253_402_300_799})
    answer = invoke(client, "talk", SessionId="NEW_SESSION")
    assert answer["NewSessionId"].endswith("; Expires=9999-12-31T23:59:59Z")
    told = admin.ask("POST", f"/decks/{deck}/clock/advance", body={"seconds": 1})
    assert (told.status, told.code) == (400, "SagetapeAdminInvalid")
    assert "9999" in told.message


def read_or_refused(read: Callable[[], Any]) -> Any:
    """What was read; None where it was refused, which is the only other way out."""
    try:
        return read()
    except CallerError as error:
        return None if error.code == "SagetapeAdminInvalid" else error.code


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_query_is_read_or_refused(name: str, value: str) -> None:
    """Nothing else is raised, whatever is in it."""
    route = next(one for one in ROUTES if one.path.endswith("/journal"))
    for target in (f"/x?{name}={value}", f"/x?{quote(name, safe='')}={quote(value, safe='')}", f"/x?since={value}"):
        found = read_or_refused(lambda target=target: query_of(route, target))
        assert found is None or not set(found) - set(route.query)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
BODIES = [route.body for route in ROUTES if route.body is not None]


@given(st.sampled_from(BODIES), JSON | st.dictionaries(st.sampled_from(sorted(BODIES[0]["properties"])), JSON))
def test_any_body_is_read_or_refused(schema: dict[str, Any], value: Any) -> None:
    """What passes is what the schema says; NaN is no number of JSON."""
    found = read_or_refused(lambda: body_of(json.dumps(value).encode(), schema))
    assert found is None or (found == value and set(schema["required"]) <= set(found))
