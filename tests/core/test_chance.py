"""Chance as a function: the same everywhere, whatever else happens."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from statistics import mean, stdev
from uuid import UUID

import pytest

from sagetape.core.chance import Chances, draw, key_of
from sagetape.core.wire import Call


def call(body: bytes = b"1,2", **members: str) -> Call:
    return Call("InvokeEndpoint", "churn", members, body, sha256(body).digest())


GOLDEN = (
    "b924e6888c2f3991c08bb4832780273f",
    "4d3f4fba7bfa183bf36f3bc3badbd414",
    0.5260104278546229,
    773,
    1.366882481,
    0.210903382,
    0,
    "a112200d-567c-467b-ac5a-daf3decca2f1",
    "f6bcd8f1-c905-4875-95d2-4d86601129f5",
    "ff783e9c-b690-4658-be1f-324caca9246c",
)


def sample(seed: int) -> tuple[object, ...]:
    """One draw of every sort."""
    chances = Chances(seed)
    chance = chances.of(call(TargetVariant="blue"))
    return (
        draw(seed, "purpose", key=b"key", occurrence=3).hex(),
        key_of(call()).hex(),
        chance.unit("variant"),
        chance.below("instance", 1000),
        chance.uniform("latency", 1, high=2),
        chance.lognormal("latency", 0.25, sigma=0.5),
        chance.choose("variant", (9, 0, 1)),
        chance.uuid("session"),
        chance.uuid("session", nth=1),
        chances.of(call(TargetVariant="blue")).uuid("session"),
    )


def test_draws_are_pinned():
    """Literal values: no version of Python, no platform and no change of this code may alter them unnoticed."""
    assert sample(7) == GOLDEN


def test_draws_are_equal_in_another_process():
    """A process with another hash seed draws the same."""
    code = "import sys; sys.path[:0] = sys.argv[1:]; from test_chance import sample; print(sample(7))"
    paths = [path for path in sys.path if path]
    command = [sys.executable, "-c", code, *paths, __file__.rpartition("/")[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "99"})
    assert done.stdout.strip() == str(sample(7))


@pytest.mark.parametrize("seed", [0, -1, 2**70])
def test_any_seed_is_good(seed: int):
    """Seeds of any size and sign draw, each differently."""
    assert sample(seed) != sample(7)
    assert sample(seed) == sample(seed)


def test_same_purpose_draws_the_same():
    """Within one request a purpose is one value; `nth` and other purposes are others."""
    chance = Chances(7).of(call())
    assert chance.unit("a") == chance.unit("a")
    assert len({chance.unit("a"), chance.unit("b"), chance.unit("a", nth=1), chance.unit("a", nth=2)}) == 4


def test_occurrences_differ():
    """The same request again is another draw, and starting over repeats the first."""
    chances = Chances(7)
    drawn = [chances.of(call()).unit("a") for _ in range(5)]
    assert len(set(drawn)) == 5
    chances.reset()
    assert chances.of(call()).unit("a") == drawn[0]


def test_undrawn_chance_is_not_counted():
    """A request that draws nothing costs nothing and shifts nobody."""
    chances = Chances(7)
    for _ in range(10):
        chances.of(call())
    assert chances.of(call()).unit("a") == Chances(7).of(call()).unit("a")


def test_interleaving_changes_nothing():
    """Sixty-four threads in any order draw, request for request, what one thread draws."""
    bodies = [f"{number % 16}".encode() for number in range(640)]

    def draws(order: list[bytes], chances: Chances) -> list[tuple[bytes, float]]:
        return [(body, chances.of(call(body)).unit("variant")) for body in order]

    alone = sorted(draws(bodies, Chances(7)))
    shuffled = bodies[:]
    random.Random(3).shuffle(shuffled)
    assert sorted(draws(shuffled, Chances(7))) == alone

    shared, found, lock = Chances(7), [], threading.Lock()

    def work(part: list[bytes]) -> None:
        for body in part:
            with lock:  # a deck decides one call at a time
                found.append((body, shared.of(call(body)).unit("variant")))

    threads = [threading.Thread(target=work, args=(shuffled[start::64],)) for start in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == alone


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"members": {"InferenceId": "x", "CustomAttributes": "trace=1", "SessionId": "made-by-a-container"}}, True),
        ({"invocation_id": "x", "request_id": "y"}, True),
        ({"members": {"SessionId": "NEW_SESSION"}}, False),
        ({"members": {"TargetModel": "x"}}, False),
        ({"position": "00/1"}, False),
        ({"endpoint": "churn2"}, False),
        ({"operation": "InvokeEndpointAsync"}, False),
        ({"body_sha256": bytes(32)}, False),
    ],
)
def test_key_leaves_out_what_clients_make_up(change: dict[str, object], is_same: bool):
    """Ids that differ on every run do not change a draw; everything that asks for something else does."""
    assert (key_of(replace(call(), **change)) == key_of(call())) is is_same  # type: ignore[arg-type]


def test_key_does_not_run_parts_together():
    """Two calls whose parts join to the same text have different keys."""
    one, other = replace(call(), endpoint="ab", position="c"), replace(call(), endpoint="a", position="bc")
    assert key_of(one) != key_of(other)
    assert key_of(call(a="1", b="2")) == key_of(call(b="2", a="1"))


def drawn(count: int = 4000) -> list[object]:
    return [Chances(7).of(call(str(number).encode())) for number in range(count)]


def test_unit_is_even():
    """Units fill the interval evenly."""
    found = [chance.unit("u") for chance in drawn()]  # type: ignore[attr-defined]
    counted = Counter(int(value * 10) for value in found)
    assert set(counted) == set(range(10))
    assert all(abs(count - 400) < 5 * (4000 * 0.1 * 0.9) ** 0.5 for count in counted.values())


def test_lognormal_has_its_moments():
    """The logarithms have the mean and deviation asked for."""
    from math import log

    found = [log(chance.lognormal("l", 2.0, sigma=0.5)) for chance in drawn()]  # type: ignore[attr-defined]
    assert abs(mean(found) - log(2)) < 0.05
    assert abs(stdev(found) - 0.5) < 0.03


def test_choice_follows_weights():
    """A weight of nothing is never chosen, the others in proportion."""
    counted = Counter(chance.choose("c", (3, 0, 1)) for chance in drawn())  # type: ignore[attr-defined]
    assert set(counted) == {0, 2}
    assert abs(counted[2] - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize("weights", [(1e-300, 0), (0.1,) * 7 + (0,), (5, 1e-320)])
def test_choice_survives_tiny_weights(weights: tuple[float, ...]):
    """Rounding never chooses what has no weight."""
    chances = Chances(1)
    assert all(weights[chances.of(call()).choose("c", weights)] > 0 for _ in range(50))


def test_uuid_has_the_shape_of_version_4():
    """Ids are lower-case UUIDs of version 4 and the RFC's variant, and do not repeat."""
    found = [chance.uuid("session") for chance in drawn(500)]  # type: ignore[attr-defined]
    assert len(set(found)) == 500
    assert all(UUID(one).version == 4 and str(UUID(one)) == one for one in found)


def test_counted_keys_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """The oldest key is forgotten first; a key in use stays."""
    monkeypatch.setattr("sagetape.core.chance.KEYS_MAX", 2)
    chances = Chances(7)
    assert [chances.occurrence(key) for key in (b"a", b"b", b"a", b"c", b"a", b"b")] == [0, 0, 1, 0, 2, 0]
