"""Which recording a call asks for: scrubbed as it is stored, then keyed.

Both are functions of the call alone where scrubbing finds nothing and no projection comes from a user, which is nearly
every call; their result is remembered for such a call, by everything that it depends on. What scrubbing changes is
never remembered: it goes by the accounts that were seen before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .matching import Matcher
from .scrub import Scrubber
from .wire import Call

Line: TypeAlias = "tuple[str, ...]"
"""Everything of a call that is in its key or is scrubbed, but for the body."""


class Recognition:
    """Recognises calls under one matcher and one scrubber.

    Remembers in two generations: when one is full, the older is dropped whole.
    """

    GENERATION = 32_768  # keys of about 200 bytes, and their lines where every one is new: at most 40 MB in both

    __slots__ = ("_count", "_matcher", "_new", "_old", "_scrubber")

    def __init__(self, matcher: Matcher, scrubber: Scrubber) -> None:
        self._matcher = matcher
        self._scrubber = scrubber
        self._count = 0
        self._new: dict[Line, dict[bytes, bytes]] = {}
        self._old: dict[Line, dict[bytes, bytes]] = {}

    def of(self, call: Call) -> tuple[Call, bytes, bytes]:
        """The scrubbed call, the digest of what was taken out, and the key."""
        members = call.members
        line = (call.operation, call.endpoint, call.position, call.auth, call.account, *members, *members.values())
        keys = self._new.get(line)
        if keys is not None:
            key = keys.get(call.body_sha256)
            if key is not None:
                return call, b"", key
        return self._read(call, line)

    def unread(self, call: Call) -> Callable[[], object] | None:
        """The long part of `of`, when there is one; it may run in a thread while other calls are recognised."""
        return self._matcher.unread(self._scrubber.call(call))

    def _read(self, call: Call, line: Line) -> tuple[Call, bytes, bytes]:
        key = self._old[line].get(call.body_sha256) if line in self._old else None
        if key is None:
            scrubbed, removed = self._scrubber.redact(call)
            key = self._matcher.key(scrubbed)
            if scrubbed is not call or removed or self._matcher.rules.custom:
                return scrubbed, removed, key
        if self._count >= self.GENERATION:
            self._old, self._new, self._count = self._new, {}, 0
        self._new.setdefault(line, {})[call.body_sha256] = key
        self._count += 1
        return call, b"", key
