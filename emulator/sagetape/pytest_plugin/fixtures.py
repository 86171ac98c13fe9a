"""From a test's marker to its open deck, and back to how it was: the work of the fixture `sagetape`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from ..core.errors import SagetapeError
from ..core.values import valueclass
from ..inprocess.attaching import live_secrets
from ..inprocess.keywords import settings_from
from ..inprocess.opened import OpenDeck
from ..shell.settings import ServerSettings
from ..testing import DECK
from .backings import Backing, Separate, Shown
from .decks import TestDeck
from .environment import Environment, given_endpoint, replaced_endpoint
from .guard import Guard, lower_guard, raise_guard
from .marks import Wanted, wanted_of
from .parallel import parallel_hint, refuse_recording, take_per_thread
from .paths import default_path, named_paths
from .remedies import allowing, how_to_record, missing, record_command
from .run import Run, run_of
from .sharing import NODES, refuse_scattered, sharers

ACTIVE: Final[pytest.StashKey[dict[str, Active]]] = pytest.StashKey()


@dataclass(slots=True)
class Active:
    """A deck that is open, for one test or for several."""

    deck: TestDeck
    backing: Backing
    wanted: Wanted
    places: Places
    guard: Guard | None
    within: Path | None
    """Where other tests may play the same cassettes; None where they are the test's own."""
    stamps: dict[Path, tuple[int, int, int]] = field(default_factory=dict)
    """Of the files that are only played: what tells that one was changed meanwhile."""


@valueclass(frozen=True, slots=True)
class Places:
    """The files of a deck: what is played, and what is recorded into."""

    played: tuple[Path, ...]
    target: Path | None
    """Where new answers end up; None when nothing is recorded."""
    part: Path | None = None
    """Where they are written first, when several write or the old file must last until the end."""


def open_deck(request: pytest.FixtureRequest) -> TestDeck:
    """The deck of a test: its own, or the one of its class, module or session."""
    item = request.node
    run = run_of(item.config)
    try:
        wanted = wanted_of(item)
        active = shared_deck(item, run, wanted) or opened_deck(item, run, wanted)
    except pytest.UsageError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    except SagetapeError as error:
        raise pytest.fail.Exception(f"{item.nodeid}: {error}", pytrace=False) from None  # told once
    item.stash[DECK] = active.deck
    run.forget(active.deck.stray(f"before {item.nodeid}"))
    active.deck.begin_test(item.nodeid)
    active.deck.errors.begin()
    changes, note = active.backing.changes()
    if note:
        run.note(
            f"{note} To keep yours while recording, make them static: aws configure export-credentials --format env"
        )
    environment = Environment(changes)
    if active.guard is not None:
        active.guard.owner = item.nodeid
        raise_guard(active.guard)

    def end_test() -> None:
        try:
            active.deck.check()
        finally:
            leave_test()

    def leave_test() -> None:
        active.deck.end_test()
        if active.guard is not None:
            lower_guard(active.guard)
        active.deck.detach()
        active.deck.errors.end()
        environment.restore()
        if wanted.scope == "function":
            end_deck(active, run)

    request.addfinalizer(end_test)
    return active.deck


def shared_deck(item: pytest.Item, run: Run, wanted: Wanted) -> Active | None:
    """The open deck of a wider scope, made by the first of its tests; None where every test has its own."""
    if wanted.scope == "function":
        return None
    node = item.getparent(NODES[wanted.scope])
    if node is None:
        raise SagetapeError(f'this test is in no {wanted.scope}. Write scope="module", or leave scope= out.')
    refuse_scattered(item, wanted.scope)
    decks = node.stash.setdefault(ACTIVE, {})
    name = repr(wanted)
    if name not in decks:
        decks[name] = opened_deck(item, run, wanted)
        node.addfinalizer(lambda: end_deck(decks.pop(name), run, shared_by=node.nodeid or "the session"))
    return decks[name]


def opened_deck(item: pytest.Item, run: Run, wanted: Wanted) -> Active:
    """Opens the files and the deck."""
    run.rewind(item.nodeid)
    places = places_of(item, run, wanted)
    if places.target is not None:
        refuse_recording(item)
        run.refuse_recorded(places.target)
    if places.target is not None and sharers(item, wanted) is None:
        run.attempt.begin(item.nodeid, places.part or places.target)
    keywords = deck_keywords(item, run, wanted, places)
    settings = settings_from(keywords, owner="the marker sagetape")
    backing: Backing
    if (wanted.server or run.options.server) == "process":
        backing = Separate(keywords, settings, item.nodeid, run.options.prices)
    else:
        hub = run.hub()
        opened = OpenDeck(settings, loop=hub.loop, live_secrets=live_secrets(settings), owner=item.nodeid)
        opened.on_late = lambda: run.late(item.nodeid)
        take_per_thread(item, opened)
        backing = Shown(opened, hub, run.options.prices, real_endpoint=given_endpoint(os.environ))
    run.opened()
    if places.target is not None:
        run.records(places.target, item.nodeid)
    deck = TestDeck(
        backing,
        item.nodeid,
        allow_misses=wanted.allow_misses,
        remedy=remedy(item, run, wanted, places),
        command=keywords["record_command"],
    )
    guard = guard_for(item, run, wanted, settings)
    if guard is not None:
        deck.blocked = guard.blocked
    stamps = {} if places.target is not None else {path: stamp(path) for path in places.played}
    return Active(deck, backing, wanted, places, guard, sharers(item, wanted), stamps)


def end_deck(active: Active, run: Run, *, shared_by: str = "") -> None:
    """Closes a deck; what went wrong inside fails the test that ends now.

    Where several tests share the deck that one may be a stranger: pytest ends a module with its last test, whichever
    that is. So the deck's own last test is named.
    """
    failures = [run.told(text, active.places) for text in (*active.backing.close(), *changed(active.stamps))]
    deck = active.deck
    owner = f"{shared_by} (last used by {deck.owner})" if shared_by else deck.owner
    run.ended(active.places, failures)
    verdict = active.backing.verdict()
    deck.verdict_at_end = run.judged(verdict, owner, active.wanted, deck.blocked, failures, places=active.places)
    run.tell(deck.verdict_at_end, within=active.within, is_shared=bool(shared_by))
    run.forget(deck.stray(owner))
    if failures:
        listed = "\n".join(f"- {text}" for text in failures) + allowing(failures)
        pytest.fail(f"{owner}: its answers went out, but not all is well inside its deck:\n{listed}", pytrace=False)


def stamp(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced; zeros for one that is gone."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def changed(stamps: dict[Path, tuple[int, int, int]]) -> list[str]:
    """A sentence for every cassette that is not the file any more that was opened."""
    return [
        f"{path} was changed while this test played it, so its answers may be of either version. Record in a run of "
        "its own, and run the test again."
        for path, before in stamps.items()
        if stamp(path) != before
    ]


# --- what a deck is made of -----------------------------------------------------------------------------------------


def places_of(item: pytest.Item, run: Run, wanted: Wanted) -> Places:
    """Which files are played and which is recorded into. Raises SagetapeError for a named one that is missing."""
    named = named_paths(item, wanted.cassettes, run.options.folder)
    paths = named or (own_path(item, run, scope=wanted.scope),)
    mode = run.options.mode
    target = paths[0]
    if mode == "once" and run.was_there(target):
        mode = "none"
    if mode != "none":
        run.begin_recording(target)
        part = run.part_of(target) if run.writes_parts else None
        is_played = mode == "new_episodes" and target.is_file()
        return Places((*([target] if is_played and part else []), *present(paths[1:])), target, part)
    for path in named:
        if not path.is_file():
            shown, is_ci = run.shown(path), run.options.is_ci
            raise SagetapeError(missing(path, item, first=target, shown=shown, is_ci=is_ci))
    return Places(present(paths), None)


def own_path(item: pytest.Item, run: Run, *, scope: str) -> Path:
    """The cassette of a test that names none; one that was imported for it under another tool's name is made it."""
    path = default_path(item, run.options.folder, scope=scope)
    if scope == "function" and item.config.getoption("sagetape_import"):
        from .importing import adopt

        adopt(item, path)
    return path


def present(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """The files that are there."""
    return tuple(path for path in paths if path.is_file())


def deck_keywords(item: pytest.Item, run: Run, wanted: Wanted, places: Places) -> dict[str, Any]:
    """The settings of the deck, as keywords."""
    options = run.options
    given: dict[str, Any] = {"clock": "virtual", "exhausted": "miss", "cassettes": places.played, **wanted.settings}
    given["python_path"] = item.path.parent
    given["record_command"] = record_command(item, mode="new_episodes" if places.played else "once")
    if options.seed is not None:
        given.setdefault("seed", options.seed)
    if places.target is not None:
        # That it is recorded was decided when the run first met the cassette, not anew for each test that shares it;
        # a part of a rewrite begins empty.
        given["mode"] = "all" if options.mode == "all" else "new_episodes"
        given["record_to"] = places.part or places.target
        given["upstream"] = wanted.upstream or options.upstream or real_upstream()
    elif wanted.upstream:
        given["upstream"] = wanted.upstream
    return given


def real_upstream() -> tuple[str, ...]:
    """What the tests would have called without a deck."""
    endpoint = given_endpoint(os.environ)
    return (f"aws+{endpoint}",) if endpoint else ("aws",)


def guard_for(item: pytest.Item, run: Run, wanted: Wanted, settings: ServerSettings) -> Guard | None:
    """No guard while something is recorded: a recording asks other machines."""
    if not run.options.blocks_network or settings.is_recording:
        return None
    return Guard(
        item.nodeid,
        (*run.options.allowed_hosts, *wanted.allow_hosts),
        replaced=replaced_endpoint(os.environ),
        upstreams=settings.upstreams(),
        can_attach=(wanted.server or run.options.server) != "process",
    )


def remedy(item: pytest.Item, run: Run, wanted: Wanted, places: Places) -> str:
    """The command that records what was missed."""
    if places.target is not None:
        return ""
    is_ci = run.options.is_ci
    if places.played:
        how = how_to_record(item, shown=run.shown(places.played[0]), mode="new_episodes", is_ci=is_ci)
        return parallel_hint(item) + how
    path = run.shown(default_path(item, run.options.folder, scope=wanted.scope))
    return f"This test has no cassette yet. {how_to_record(item, shown=path, mode='once', is_ci=is_ci)}"
