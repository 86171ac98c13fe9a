"""What a deck is told, and what it says: its settings, and the values between `decide` and `complete`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .chance import Chance
from .faults.selection import Struck
from .journal import Entry
from .library import Take
from .modes import Mode
from .routes import Route
from .sessions import Place
from .values import valueclass
from .wire import Call, Interaction, Script


@valueclass(frozen=True, slots=True)
class DeckSettings:
    """What is fixed for a deck's life."""

    mode: Mode
    miss_policy: str = "fail"
    miss_function: str | None = None
    """The upstream specification that answers misses under the policy `function`."""
    exhausted: str = "last"
    speed: float = 0.0
    record_errors: bool = False
    """Keep transport failures of the upstream too."""
    upstream: tuple[str, ...] = ()
    """Asked for endpoints that are not declared; empty: nobody."""
    closed_world: bool = False
    """Endpoints are declared and there is no upstream for others: an unknown name is AWS's `not found`."""
    version: str = ""
    record_command: str = ""
    """What records a missed call, in the place of `sagetape record`."""
    paths: Mapping[str, str] = field(default_factory=dict)
    """Cassettes by name, as a command of this folder finds them."""
    is_seeded: bool = False
    """The seed was given: it decides the request ids, too."""


NOWHERE = Route("")
"""Before the router was asked. One for all: making a route costs more than all the rest of a case."""


@dataclass(slots=True)
class Case:
    """One call on its way through the deck: what is known of it so far."""

    call: Call
    entry: Entry
    now: float
    chance: Chance
    route: Route = NOWHERE
    place: Place | None = None
    """Where it stands in a session; None outside of any."""
    struck: Struck | None = None
    """The faults that strike this call."""
    scrubbed: Call = field(init=False)
    key: bytes = b""
    removed: bytes = b""
    """Digest of what scrubbing took out."""

    def __post_init__(self) -> None:
        self.scrubbed = self.call


@valueclass(frozen=True, slots=True)
class Kept:
    """What must be written before the client can see the end of the answer."""

    interaction: Interaction
    key: bytes


@valueclass(frozen=True, slots=True)
class Reply:
    """The answer is known."""

    script: Script
    entry: Entry
    take: Take | None = None
    """The recording it is, unchanged; None when it is made or edited."""
    kept: Kept | None = None
    """To be written first: what the emulator itself said while recording."""


@valueclass(frozen=True, slots=True)
class Forward:
    """Upstreams are asked: one, or the containers of a pipeline one after the other."""

    case: Case
    chains: tuple[tuple[str, ...], ...]
    """For each of the route's hops, the upstreams that the mode allows, in order."""
    keep: bool
    compare: bool = False
    is_retry: bool = False

    @property
    def call(self) -> Call:
        return self.case.call

    @property
    def route(self) -> Route:
        return self.case.route

    @property
    def entry(self) -> Entry:
        return self.case.entry


@valueclass(frozen=True, slots=True)
class Completed:
    """An upstream's answer, as the client gets it and as it is kept."""

    script: Script
    kept: Kept | None
