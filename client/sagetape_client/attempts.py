"""Attempts: one call made as often as the rules allow, over the transport that can carry it.

It chooses the transport when the first call needs it, repeats under one invocation id, and remembers in the history.
What a call means, and what comes of its answer, is `invoker`'s. One caller may be used from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Self

from .answers import Facts, Timing, fold_headers, read_error
from .chances import Chances
from .errors import InvokeError
from .history import History
from .request import Outgoing
from .retry import Failure, RetryRules, wait_before_retry
from .surroundings import Settings, is_light, retry_mode_of
from .transport import Attempt, Incoming, Transport


class Caller:
    """What a client is below its operations: settings, rules, transports, history."""

    def __init__(self, settings: Settings, *, ready_timeout_s: float, chances: Chances | None) -> None:
        settings.check()
        self.settings = settings
        mode, attempts = retry_mode_of(settings)
        self.rules = RetryRules(mode, attempts, ready_timeout_s)
        self.history = History()
        self.chances = chances or Chances()
        self._transports: dict[bool, Transport] = {}
        self._lock = threading.Lock()

    def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """URL and headers of a request, signature and token masked; nothing is sent."""
        return self._transport(outgoing).describe(outgoing)

    @property
    def is_light(self) -> bool:
        """Whether calls go without botocore."""
        return is_light(self.settings)

    def close(self) -> None:
        """Close the connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, outgoing: Outgoing, invocation_id: str | None = None) -> tuple[bytes, Facts]:
        started = self.chances.monotonic()
        body, (_, facts) = self._repeat(outgoing, invocation_id, read_body=True)
        timing = Timing(facts.timing.first_byte_s, self.chances.monotonic() - started)
        return body, Facts(facts.status, facts.request_id, facts.headers, facts.retries, timing)

    def _repeat(
        self, outgoing: Outgoing, invocation_id: str | None = None, *, read_body: bool
    ) -> tuple[bytes, tuple[Incoming, Facts]]:
        """Attempts under one id until one is answered well or the rules say stop."""
        started, waited_s, number = self.chances.monotonic(), 0.0, 0
        started_at, invocation_id = self.chances.now(), invocation_id or self.chances.new_id()
        while True:
            number += 1
            try:
                incoming, facts = self._once(
                    outgoing, Attempt(invocation_id, number, max(number, self.rules.max_attempts)), started
                )
                return (incoming.read() if read_body else b""), (incoming, facts)
            except InvokeError as error:
                failure = Failure(error, number, waited_s, outgoing.opens_session)
                wait_s = None if self._is_handed_over else wait_before_retry(self.rules, failure, self.chances.random())
                if wait_s is None:
                    self._remember_failure(outgoing, started_at, error)
                    raise
                self.chances.sleep(wait_s)
                waited_s += wait_s

    def _once(self, outgoing: Outgoing, attempt: Attempt, started: float) -> tuple[Incoming, Facts]:
        sent = self.chances.monotonic()
        incoming = self._transport(outgoing).send(outgoing, attempt)
        headers = fold_headers(incoming.headers)
        retries = max(attempt.number - 1, incoming.retries)
        if not 200 <= incoming.status < 300:
            body = incoming.read()
            raise read_error(outgoing.operation, incoming.status, headers=headers, body=body, attempts=retries + 1)
        now = self.chances.monotonic()
        facts = Facts(
            incoming.status, headers.get("x-amzn-requestid"), headers, retries, Timing(now - sent, now - started)
        )
        return incoming, facts

    @property
    def _is_handed_over(self) -> bool:
        """Whether botocore repeats on its own."""
        if self.is_light:
            return False
        from .boto import has_botocore_retries

        return has_botocore_retries(self.settings)

    def _transport(self, outgoing: Outgoing) -> Transport:
        """The transport; a call that opens a session gets one that never repeats."""
        once = outgoing.opens_session and self._is_handed_over
        with self._lock:  # making a boto3 client is not safe from several threads
            if once not in self._transports:
                self._transports[once] = self._make_transport(once=once)
            return self._transports[once]

    def _make_transport(self, *, once: bool) -> Transport:
        if not self.is_light:
            from .boto import BotoTransport

            return BotoTransport(self.settings, repeats=False if once else None)
        from .light import LightTransport, Limits
        from .surroundings import endpoint_url_of, keys_of, region_of

        url, keys, region = endpoint_url_of(self.settings), keys_of(self.settings), region_of(self.settings)
        assert url is not None  # is_light says so, as of the next two
        assert keys is not None
        assert region is not None
        limits = Limits(self.settings.connect_timeout_s, self.settings.read_timeout_s)
        return LightTransport(url, keys=keys, region=region, limits=limits, now=self.chances.now)

    def _remember(self, outgoing: Outgoing, facts: Facts, properties: Mapping[str, Any]) -> None:
        if self.history.is_on:
            response = {**properties, "RequestId": facts.request_id, "HttpStatusCode": facts.status}
            self.history.record(
                outgoing.operation, started_at=self.chances.now(), request=outgoing.keywords(), response=response
            )

    def _remember_failure(self, outgoing: Outgoing, started_at: float, error: InvokeError) -> None:
        if self.history.is_on:
            self.history.record(
                outgoing.operation, started_at=started_at, request=outgoing.keywords(), response=None, error=error
            )
