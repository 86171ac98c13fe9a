"""Settings that are right one by one and wrong together: each rule is a function that yields sentences.

Decides from the settings alone; nothing is opened, looked up or imported.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

from .cassette_paths import KEEPING
from .settings import ServerSettings

Place: TypeAlias = Callable[[str], str]
"""A field's name to where its value was said."""


def contradictions(settings: ServerSettings, place: Place, *, failed: Collection[str] = ()) -> list[str]:
    """Every sentence that some rule has to say, but for rules that need a field which could not be read."""
    return [
        sentence
        for rule, needed in RULES.items()
        if not needed.intersection(failed)
        for sentence in rule(settings, place)
    ]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: what it resolves to may change, so it does not count as loopback
        return False


def open_bind(settings: ServerSettings, place: Place) -> Iterator[str]:
    """A server that others can reach must be told under which names."""
    open_hosts = [host for host in settings.host if not is_loopback(host)]
    if open_hosts and not settings.allowed_hosts:
        yield (
            f"{place('host')}: listening on {', '.join(open_hosts)} lets other machines in, and no Host is allowed but "
            "loopback's. Name what callers use with --allowed-host, or leave --host out."
        )


def miss_function_given(settings: ServerSettings, place: Place) -> Iterator[str]:
    """The policy and its function go together."""
    if settings.miss_policy == "function" and settings.miss_function is None:
        yield f"{place('miss_policy')}: the miss policy function names none. Add --miss-function module:name."
    if settings.miss_function is not None and settings.miss_policy != "function":
        yield (
            f"{place('miss_function')}: a miss function is named, but the miss policy is {settings.miss_policy}, "
            "so it would never be asked. Add --miss-policy function."
        )


def replay_stays_offline(settings: ServerSettings, place: Place) -> Iterator[str]:
    """The replay command promises that the network is never touched."""
    if settings.is_replay and settings.miss_policy == "forward":
        yield (
            f"{place('miss_policy')}: replay never forwards. Use sagetape serve --miss-policy forward, "
            "or leave the miss policy at fail."
        )


def upstream_to_ask(settings: ServerSettings, place: Place) -> Iterator[str]:
    """A mode that asks needs somebody to ask."""
    asks = settings.mode in KEEPING or settings.mode == "verify" or settings.miss_policy == "forward"
    if asks and not settings.upstreams():
        why = f"the mode {settings.mode}" if settings.mode != "none" else "the miss policy forward"
        named = place("mode" if settings.mode != "none" else "miss_policy")
        yield (
            f"{named}: {why} asks an upstream, and none is declared. Add --upstream aws, "
            "--upstream http://127.0.0.1:8080 or --upstream function:module:name."
        )


def cassette_to_keep(settings: ServerSettings, place: Place) -> Iterator[str]:
    """A mode that keeps answers needs one cassette to keep them in, and no other mode may have one."""
    if settings.mode in KEEPING and settings.record_to is None:
        count = len(settings.cassettes)
        yield (
            f"{place('mode')}: the mode {settings.mode} keeps answers, and "
            f"{f'which of {count} cassettes takes them' if count else 'where'} is not said. "
            "Add --record-to CASSETTE."
        )
    if settings.mode not in KEEPING and settings.record_to is not None:
        yield (
            f"{place('record_to')}: a cassette to record to is named, but the mode {settings.mode} keeps nothing. "
            "Add --mode new_episodes, or only play it: --cassette, or sagetape exec --replay."
        )


def sharing_appends(settings: ServerSettings, place: Place) -> Iterator[str]:
    """Several recorders share a file that grows; one that replaces the file, or keeps nothing, has nothing to share."""
    if settings.shared and (settings.record_to is None or settings.mode == "rewrite"):
        what = "replaces its cassette" if settings.mode == "rewrite" else "keeps nothing"
        yield (
            f"{place('shared')}: a cassette is to be shared with other recorders, but the mode {settings.mode} {what}. "
            "Add --mode new_episodes, or leave --shared out."
        )


def something_to_answer(settings: ServerSettings, place: Place) -> Iterator[str]:
    """A replay without a cassette could only miss."""
    if settings.is_replay and not settings.cassettes:
        yield (
            f"{place('cassettes')}: there is no cassette to replay. "
            'Name one: sagetape replay CASSETTE, or cassettes = ["cassettes/*.tape"] in sagetape.toml.'
        )


RULES: dict[Callable[[ServerSettings, Place], Iterator[str]], frozenset[str]] = {
    open_bind: frozenset({"host", "allowed_hosts"}),
    miss_function_given: frozenset({"miss_policy", "miss_function"}),
    replay_stays_offline: frozenset({"miss_policy"}),
    upstream_to_ask: frozenset({"mode", "miss_policy", "upstream", "endpoints"}),
    cassette_to_keep: frozenset({"mode", "record_to", "cassettes"}),
    sharing_appends: frozenset({"shared", "mode", "record_to"}),
    something_to_answer: frozenset({"cassettes"}),
}
"""Each rule with the fields it needs."""
