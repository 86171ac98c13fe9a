"""The wrong-answer guard: where an answer may be right only by luck.

Findings as values; who shows them, counts them or fails on them (`--strict`) decides elsewhere.

- `left-out`: two recordings share a key and differ in something that the key leaves out (a header, an ignored place, a
  rounded number). A caller that means one may get the other.
- `order`: several takes of one key have different answers, so that the order of the calls alone chooses.

That a take was served once more after the last one is said by the deck, which sees it at each call.

Evidence that this is how recorded tests go wrong without a word: https://github.com/keploy/keploy/pull/4570,
https://github.com/teng-lin/notebooklm-py/issues/549.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol, TypeAlias

from .differences import Difference, compare_answers, describe
from .errors import CassetteError
from .matching import DEFAULT_MEMBERS, Matcher, MatchRules
from .misses import MEMBER_HEADERS, Recorded, body_differences
from .values import valueclass
from .wire import Call, Interaction

Kind: TypeAlias = Literal["left-out", "order"]

# These are new in each call by design; that they differ says nothing.
_PASSING: Final = frozenset({"SessionId", "InferenceId"})
_EXACT = Matcher(MatchRules())
TAKES_MAX = 100  # of one key that are looked at; the answers of more would be read for one sentence
DISTINCT_MAX = 8  # different answers that are told apart; comparing all pairs of a thousand takes would cost more


@valueclass(frozen=True, slots=True)
class Finding:
    """One reason to doubt an answer."""

    kind: Kind
    text: str
    """One sentence for people, the same for the same recordings in every run."""
    numbers: tuple[int, ...]
    """The interactions concerned."""


class Readable(Protocol):
    """What the guard asks of a library."""

    def read(self, number: int) -> Recorded:
        """One interaction. Raises CassetteDamaged."""


class Guard:
    """Looks at the takes of a key when it is first used, so that opening 100,000 recordings reads none of them."""

    __slots__ = ("_library", "_matcher", "_seen")

    def __init__(self, matcher: Matcher, library: Readable) -> None:
        self._matcher, self._library = matcher, library
        self._seen: set[bytes] = set()

    def look(self, key: bytes, numbers: Sequence[int]) -> tuple[str, ...]:
        """What is doubtful about a key with several takes, said once; damage is told when the take is played."""
        if key in self._seen:
            return ()
        self._seen.add(key)
        try:
            takes = [self._library.read(number) for number in numbers[:TAKES_MAX]]
        except CassetteError:
            return ()  # reading it for an answer says what is wrong, with its place
        return tuple(finding.text for finding in inspect_takes(takes, matcher=self._matcher))


def inspect_takes(takes: Sequence[Recorded], *, matcher: Matcher) -> list[Finding]:
    """What is doubtful about the takes of one key, in recorded order: at most one finding of each kind.

    At load this is asked for keys with two takes or more only, so that other bodies are not read.
    """
    findings = (left_out(takes, matcher=matcher), order_alone(takes))
    return [finding for finding in findings if finding is not None]


def left_out(takes: Sequence[Recorded], *, matcher: Matcher) -> Finding | None:
    """The first take that differs from the first one in something the key leaves out."""
    if len(takes) < 2:
        return None
    first, *others = takes
    for other in others:
        found = unseen_differences(first.interaction.call, other.interaction.call, matcher=matcher)
        if found:
            text = (
                f"{_named(first)} and {_named(other)} have one key and differ in what the match rules leave out: "
                f"{describe(found[0], now='then')}. Add it to the match rules, or delete one of the two."
            )
            return Finding("left-out", text, (first.number, other.number))
    return None


def unseen_differences(one: Call, other: Call, *, matcher: Matcher) -> list[Difference]:
    """What differs between two calls although their key is the same; spacing and key order are no difference."""
    found = [
        Difference(MEMBER_HEADERS.get(name, name), _quoted(one.members.get(name)), _quoted(other.members.get(name)))
        for name in sorted({*one.members, *other.members} - _PASSING - set(matcher.rules.members))
        if one.members.get(name) != other.members.get(name)
    ]
    if one.body_sha256 != other.body_sha256:
        found += body_differences(other, one, matcher=_EXACT)
    return found


def order_alone(takes: Sequence[Recorded]) -> Finding | None:
    """Whether the order of the calls alone chooses among different answers. Attempts of one SDK call are one.

    What stands in a recorded session is chosen with its session: every opening has its own id and is followed by its
    own steps, so that equal requests in several sessions are no accident.
    """
    distinct = _distinct([take for take in takes if not _is_told_apart(take.interaction)])
    if len(distinct) < 2:
        return None
    first, second = distinct[:2]
    found = compare_answers(first.interaction.script, second.interaction.script, limit=1)
    count = f"{'At least ' if len(distinct) == DISTINCT_MAX else ''}{len(distinct)}"
    text = (
        f"{count} different answers are recorded for one request ({_request(first.interaction)}); the order of the "
        f"calls alone chooses among them. {_named(first)} and {_named(second)}: {describe(found[0], now='then')}. "
        "If the requests differ, add what differs to the match rules."
    )
    return Finding("order", text, tuple(take.number for take in distinct))


def _is_told_apart(interaction: Interaction) -> bool:
    """Whether something other than the order of the calls chooses it: an earlier attempt, or its session."""
    return "attempt" in interaction.notes or interaction.session is not None


def _distinct(takes: Iterable[Recorded]) -> list[Recorded]:
    """The takes whose answers mean something else than those before them."""
    distinct: list[Recorded] = []
    for take in takes:
        script = take.interaction.script
        if len(distinct) < DISTINCT_MAX and all(
            compare_answers(known.interaction.script, script, limit=1) for known in distinct
        ):
            distinct.append(take)
    return distinct


def _named(take: Recorded) -> str:
    return f"interaction {take.number} in {take.cassette}"


def _request(interaction: Interaction) -> str:
    call = interaction.call
    routed = [f"{name} {call.members[name]!r}" for name in DEFAULT_MEMBERS[:4] if name in call.members]
    return ", ".join([f"{call.operation} {call.endpoint}", *routed])


def _quoted(value: str | None) -> str:
    return "absent" if value is None else f'"{value[:100]}"'
