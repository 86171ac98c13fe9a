"""The object behind the fixture `sagetape`: one test's deck, its journal, its assertions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from ..core.errors import SagetapeError
from ..core.journal import Entry
from ..core.verdict import Verdict
from ..inprocess.requests import SeenRequest
from .assertions import describe_requests, matching, miss_text
from .backings import Backing
from .errors import Errors


class TestDeck:
    """One test's deck. `url`, `environ`, `client()` and `attach()` lead to it; the rest says what happened on it."""

    __test__ = False

    def __init__(
        self, backing: Backing, owner: str, *, allow_misses: bool = False, remedy: str = "", command: str = ""
    ) -> None:
        """`remedy` is told with misses; it says `command`, which the deck's own explanations name as well."""
        self._backing = backing
        self.owner = owner
        self._allows_misses = allow_misses
        self._remedy, self._command = remedy, command
        self._attached: list[Any] = []
        self._first = 0
        """Of all misses, the first one of this test; the next three count from the beginning too."""
        self._begun = 0
        """The number of the last request before this test."""
        self._told = 0
        """Up to here something was raised for them."""
        self._failed = 0
        """Up to here a report that failed told of them."""
        self._seen = 0
        """Up to here they happened while a test ran."""
        self._is_lost = False
        """A server apart has died, and the test was told."""
        self.errors = Errors()
        self.verdict_at_end: Verdict | None = None
        self.blocked: list[str] = []

    # --- ways in ---

    @property
    def url(self) -> str:
        """The deck's `endpoint_url`, for any SDK in any language."""
        return self._backing.url

    @property
    def environ(self) -> dict[str, str]:
        """This process's environment, which already points at the deck; for programs that the test starts."""
        return self._backing.environ()

    def client(self, **options: Any) -> Any:
        """A boto3 client that calls the deck over HTTP."""
        return self._backing.http_client(**options)

    def runtime_client(self) -> Any:
        """A boto3 client that the deck answers inside the process (over HTTP when it is a process of its own)."""
        return self._backing.runtime_client()

    def attach(self, target: Any) -> Any:
        """Answers a client or session that exists already; taken off again when the test ends."""
        attachment = self._backing.attach(target)
        self._attached.append(attachment)
        return attachment

    # --- what happened ---

    @property
    def journal(self) -> list[Entry]:
        """What happened to each request, oldest first."""
        return self._backing.journal()

    @property
    def misses(self) -> list[Entry]:
        """The requests that nothing answered; `detail` is the whole explanation."""
        return self._backing.misses()

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests themselves: `endpoint`, `body`, `members`, `source`, `json()`."""
        return self._backing.requests()

    @property
    def seed(self) -> int:
        """Of everything random in this test."""
        return self._backing.seed

    def verdict(self) -> Verdict:
        """Hit, partial, miss or live, and what is left over, so far."""
        return self._backing.verdict()

    # --- what shall happen ---

    def advance(self, seconds: float) -> float:
        """Moves the virtual clock ahead; the new Unix time."""
        return self._backing.advance(seconds)

    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> Any:
        """Adds a fault: `"throttle:endpoint=churn,count=2"`, or a name with keywords."""
        return self._backing.fault(fault, **parameters)

    def clear_faults(self) -> None:
        """Takes every fault back."""
        self._backing.clear_faults()

    def rechunk(self, cut: str = "anywhere", **parameters: Any) -> Any:
        """Streams come at other part boundaries from now on: `character`, `line`, `byte` or `anywhere` (seeded)."""
        return self.fault("rechunk", cut=cut, **parameters)

    # --- assertions ---

    def assert_invoked(self, endpoint: str, *, times: int | None = None, body: Any = None) -> None:
        """At least one request (`times`: exactly so many) to the endpoint, with this body when one is given.

        `body` is compared by meaning: bytes or text as they are, any other value as JSON.
        """
        __tracebackhide__ = True
        requests = self.requests
        found = matching(requests, endpoint, body=body)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 0):
            raise TypeError(f"assert_invoked(times={times!r}): write a whole number, or leave it out for at least once")
        if times is None and found:
            return
        if forgotten := self._backing.forgotten_count():
            pytest.fail(
                f"How often {endpoint} was invoked is not known any more: the deck remembers its last {len(requests)} "
                f"requests, and {forgotten} came before them. Assert after fewer of them.",
                pytrace=True,
            )
        if len(found) == times:
            return
        wanted = "at least once" if times is None else f"{times} times"
        what = f"{endpoint} was to be invoked {wanted}{'' if body is None else ' with this body'}, and was {len(found)}"
        pytest.fail(
            f"{what} time{'' if len(found) == 1 else 's'}.\n{describe_requests(requests, endpoint, body=body)}",
            pytrace=True,
        )

    def assert_no_misses(self) -> None:
        """Every request so far was answered; none was refused for how it was signed or addressed."""
        __tracebackhide__ = True
        misses = self.misses[self._first :]
        if misses:
            self._told = self._first + len(misses)
            pytest.fail(self._miss_text(misses), pytrace=True)
        mine = (entry for entry in self.journal if entry.source == "refused" and entry.number > self._begun)
        refused = [text for entry in mine for text in entry.warnings]
        if refused:
            pytest.fail("\n".join(dict.fromkeys(refused)), pytrace=True)

    def check(self) -> None:
        """Fails the test on what its code swallowed: a miss, a defect, the end of a server apart."""
        try:
            self._hear()
            self.check_misses()
        except SagetapeError as error:
            if not self._is_lost:
                self._is_lost = True
                pytest.fail(f"{self.owner}: {error}", pytrace=False)
        self.check_defects()

    def _hear(self) -> None:
        for text, is_defect in self._backing.logged():
            self.errors.add(text, is_defect=is_defect)

    def check_misses(self) -> None:
        """Fails the test on a miss that the code under test swallowed; once for each."""
        begin = max(self._first, self._told)
        misses = self.misses[begin:]
        if misses and not self._allows_misses:
            self._told = begin + len(misses)
            pytest.fail(self._miss_text(misses), pytrace=False)

    def check_defects(self) -> None:
        """Fails the test in whose call the server itself broke, also when its code swallowed the 500."""
        defects = self.errors.take_defects()
        if defects:
            told = "\n".join(defects)
            pytest.fail(
                f"{self.owner}: a defect of the emulator, not of the test. Report it with this:\n{told}", pytrace=False
            )

    def _miss_text(self, misses: Iterable[Entry]) -> str:
        return miss_text(list(misses), self.owner, remedy=self._remedy, command=self._command)

    # --- for the plugin ---

    def begin_test(self, owner: str) -> None:
        """Another test of the same scope begins: what was missed before is not its fault."""
        self.owner = owner
        self._first = self._count()
        self._begun = self._last_number()
        self._is_lost = False

    def end_test(self) -> None:
        """The test ends: what is missed from now on was not asked while a test ran."""
        self._seen = self._count()

    def settle(self, *, is_failed: bool) -> None:
        """A report of the test shows that it failed, or was expected to: no other phase fails for the same reasons."""
        self.errors.take_defects()
        self._told = self._count()
        self._failed = self._told if is_failed else self._failed

    def _count(self) -> int:
        try:
            return len(self.misses)
        except SagetapeError:
            return self._seen  # of a server apart that died; the test was told

    def _last_number(self) -> int:
        try:
            return max((entry.number for entry in self.journal), default=0)
        except SagetapeError:
            return self._begun

    def forgotten(self) -> str:
        """The test's misses that nothing failed for (it was expected to fail, say), in a sentence; empty for none."""
        return self._forgotten_text(self.owner, self._seen - max(self._first, self._failed))

    def stray(self, owner: str) -> str:
        """Misses that happened when no test used the deck, in a sentence; empty for none."""
        return self._forgotten_text(owner, self._count() - self._seen)

    def _forgotten_text(self, owner: str, count: int) -> str:
        if count <= 0 or self._allows_misses:
            return ""
        return (
            f"{owner}: {count} request{'' if count == 1 else 's'} had no recorded answer, and no test failed for that"
        )

    def detach(self) -> None:
        """Takes the deck off the clients that the test attached."""
        for attachment in self._attached:
            attachment.detach()
        self._attached.clear()

    def section(self) -> str:
        """What a failing test's report shows; empty when there is nothing to say."""
        try:
            self._hear()
            return self._section()
        except SagetapeError as error:
            self._is_lost = True
            return str(error)

    def _section(self) -> str:
        misses = self.misses[max(self._first, self._told) :]
        lines = [self._miss_text(misses)] if misses else []
        lines += [f"blocked: a connection to {where}" for where in self.blocked]
        verdict = self.verdict()
        lines += [f"warning: {text}" for text in (*verdict.damage, *verdict.warnings)]
        lines += self.errors.texts
        counts = verdict.counts
        if counts:
            parts = ", ".join(f"{count} {source}" for source, count in sorted(counts.items()))
            lines.append(f"requests of this deck: {parts}; seed {self.seed}")
        return "\n".join(lines)
