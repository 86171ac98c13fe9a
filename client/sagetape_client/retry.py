"""Whether a call that failed is made again, and after how long. Pure: chance is an argument, nothing waits here.

The rows are botocore's modes (botocore.retries.standard; botocore/data/_retry.json for `legacy`), attempts counted
against a server: standard and adaptive 3, legacy 5. Two departures, each because asking a model again costs: a read
time-out is final (the model may still be working, AWS advises 70 s for models that take 60), and a call that opens a
session is never made twice (the first may have opened one). botocore's quota of retries per client and adaptive mode's
rate limit are not kept here; `retries=` hands a call to botocore itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import CallTimeout, ConnectError, InvokeError, ServiceError

THROTTLED = frozenset(  # botocore.retries.standard.ThrottledRetryableChecker
    [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "RequestThrottled",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    ]
)
_TRANSIENT = frozenset(("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"))
NOT_READY = "ModelNotReadyException"


@dataclass(frozen=True, slots=True)
class Mode:
    """One of botocore's retry modes."""

    attempts: int
    codes: frozenset[str]
    statuses: frozenset[int]
    scales: tuple[float, float]
    """Seconds before the first retry, after throttling and after anything else; doubled each time."""
    cap_s: float = 20.0


_STANDARD = Mode(3, THROTTLED | _TRANSIENT, frozenset((429, 500, 502, 503, 504)), (1.0, 0.05))
MODES: Mapping[str, Mode] = {
    "standard": _STANDARD,
    "adaptive": _STANDARD,
    "legacy": Mode(5, THROTTLED, frozenset((429, 500, 502, 503, 504, 509)), (1.0, 1.0), cap_s=float("inf")),
}


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How one client asks again. `ready_timeout_s`: keep asking a model that is loading for so long (0: do not)."""

    mode: str = "standard"
    attempts: int | None = None
    ready_timeout_s: float = 0.0

    @property
    def max_attempts(self) -> int:
        return self.attempts or MODES[self.mode].attempts


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed: the error, which attempt it was (from 1), the seconds waited for the model so far."""

    error: InvokeError
    attempt: int
    waited_s: float = 0.0
    opens_session: bool = False


def wait_before_retry(rules: RetryRules, failure: Failure, chance: float) -> float | None:
    """Seconds to wait before asking again; None when the failure is final. `chance` is in [0, 1)."""
    error = failure.error
    if failure.opens_session:
        return None
    if isinstance(error, ServiceError) and error.code == NOT_READY and rules.ready_timeout_s > 0:
        return _wait_for_model(rules, failure, chance)
    if failure.attempt >= rules.max_attempts or not _is_retryable(rules.mode, error):
        return None
    mode = MODES[rules.mode]
    throttled = isinstance(error, ServiceError) and error.code in THROTTLED
    scale = mode.scales[0 if throttled else 1]
    return chance * min(scale * 2.0 ** (failure.attempt - 1), mode.cap_s)


def _wait_for_model(rules: RetryRules, failure: Failure, chance: float) -> float | None:
    """1, 2, 4 ... up to 30 s, half of it jitter; loading takes up to 360 s (docs "Invoke a multi-model endpoint")."""
    left_s = rules.ready_timeout_s - failure.waited_s
    if left_s <= 0:
        return None
    return min(min(2.0 ** (failure.attempt - 1), 30.0) * (0.5 + chance / 2), left_s)


def _is_retryable(mode: str, error: InvokeError) -> bool:
    if isinstance(error, CallTimeout):
        return False
    if isinstance(error, ConnectError):
        return True
    if not isinstance(error, ServiceError):
        return False
    row = MODES[mode]
    if error.code == NOT_READY and mode != "legacy":
        return False  # a modelled error without the retry trait, measured: botocore 1.44 asks once
    return error.code in row.codes or error.status in row.statuses
