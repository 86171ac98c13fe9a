"""What `decide` costs for a recorded answer, and what variants, sessions and faults add to it.

The claim: an endpoint without faults and variants pays nothing measurable for them. So the same recorded call is
decided on a deck that knows nothing but its cassette, on decks that declare other endpoints with everything there is,
and on decks where the call itself meets a variant, a fault that never strikes, one that edits. Each figure is the
minimum of several rounds, the decks taken in turn, so that a noisy machine disturbs all of them alike.

Run it alone: `python tests/bench/bench_decide.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256

from sagetape.core.chance import Chances
from sagetape.core.deck import Deck, DeckSettings
from sagetape.core.endpoints import Component, Endpoint, MultiModel, Serverless, Shadow, Variant
from sagetape.core.faults.parsing import parse_text
from sagetape.core.journal import Journal
from sagetape.core.library import Take
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.modes import mode_for
from sagetape.core.routing import Router
from sagetape.core.rules import ScrubRules
from sagetape.core.scrub import Scrubber
from sagetape.core.wire import Call, Interaction, Provenance, SessionMark, whole

ROUNDS, CALLS = 30, 2_000
BODY = b'{"features": [0.1, 0.2, 0.3], "id": 17}'
CALL = Call(
    "InvokeEndpoint",
    "churn",
    {"ContentType": "application/json", "Accept": "application/json"},
    BODY,
    sha256(BODY).digest(),
)
ELSEWHERE = (
    Endpoint("ab", variants=(Variant("blue", 9, 2), Variant("green", 1))),
    Endpoint("many", multi_model=MultiModel(load_s=3, capacity=2)),
    Endpoint("llm", components=(Component("chat"),)),
    Endpoint("mirrored", shadow=Shadow("next")),
    Endpoint("less", serverless=Serverless(cold_start_s=5)),
    Endpoint("talk", sessions=True),
)
SPLIT = Endpoint("churn", variants=(Variant("blue", 9), Variant("green", 1)))


class OneRecording:
    """A library of one recording."""

    def __init__(self, key: bytes) -> None:
        origin = Provenance(0.0, "aws", "bench")
        head = (("x-Amzn-Invoked-Production-Variant", "AllTraffic"), ("Content-Type", "application/json"))
        self._key = key
        self._take = Take(0, Interaction(CALL, whole(200, head, b'{"label":"stays"}'), origin), "bench.tape")

    def takes(self, key: bytes) -> list[int]:
        return [0] if key == self._key else []

    def read(self, _number: int) -> Take:
        return self._take

    def has_endpoint(self, endpoint: str) -> bool:
        return endpoint == CALL.endpoint

    def nearest(self, _operation: str, _endpoint: str) -> list[Take]:
        return [self._take]

    def in_sessions(self) -> list[tuple[int, bytes, SessionMark]]:
        return []

    def __len__(self) -> int:
        return 1


def deck(*endpoints: Endpoint, fault: str = "") -> Deck:
    """A replaying deck."""
    matcher, scrubber = Matcher(MatchRules()), Scrubber(ScrubRules(), account="123456789012")
    made = Deck(
        name="bench",
        settings=DeckSettings(mode=mode_for("none", had_recordings=True)),
        library=OneRecording(matcher.key(scrubber.redact(CALL)[0])),
        matcher=matcher,
        scrubber=scrubber,
        router=Router(endpoints),
        chances=Chances(7),
        is_remote=lambda _spec: False,
    )
    if fault:
        made.faults.add(parse_text(fault))
    return made


DECKS: dict[str, Callable[[], Deck]] = {
    "cassette only": deck,
    "cassette only, again (the noise)": deck,
    "declared, plain": lambda: deck(Endpoint("churn")),
    "declared, beside six of every kind": lambda: deck(Endpoint("churn"), *ELSEWHERE),
    "not declared, beside six of every kind": lambda: deck(*ELSEWHERE),
    "two variants by weight": lambda: deck(SPLIT),
    "a fault on another endpoint": lambda: deck(fault="throttle:endpoint=other"),
    "a fault that is drawn and does not strike": lambda: deck(fault="latency:probability=0"),
    "a fault that edits": lambda: deck(fault="latency:seconds=1"),
}


def measure() -> dict[str, float]:
    """Microseconds of one `decide`, by name of the deck."""
    decks = {name: make() for name, make in DECKS.items()}
    best = dict.fromkeys(decks, float("inf"))
    for _ in range(ROUNDS):
        for name, one in decks.items():
            one.journal = Journal()
            start = time.perf_counter()
            for _ in range(CALLS):
                one.decide(CALL, now=1.0)
            best[name] = min(best[name], (time.perf_counter() - start) / CALLS * 1e6)
    return best


def table() -> str:
    """The figures as a Markdown table."""
    figures = measure()
    base = figures["cassette only"]
    rows = [f"| {name} | {value:.1f} | {value / base:.2f} |" for name, value in figures.items()]
    return "\n".join(["| `decide` on a deck with | µs | ratio |", "|---|---:|---:|", *rows])


if __name__ == "__main__":
    print(table())
