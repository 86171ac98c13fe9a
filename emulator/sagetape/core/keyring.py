"""Which of the known keys a caller may mean.

Decides between keys that share an access key id: by session token, then by expiry. AWS answers both before it looks at
the signature (justincormack/argmin, sts_oracle.rs, ten cases). Refuses without telling a secret: reasons hold key ids.
"""

from __future__ import annotations

import hmac

from . import auth_refusals as refusals
from .signing import Key


def usable_keys(
    keys: tuple[Key, ...], token: bytes | None, *, access_key_id: str, now: float, hint: str
) -> tuple[Key, ...]:
    """The keys that this token belongs to and that have not expired. `hint`: which keys are known, if it is said."""
    if not keys:
        reason = f"access key {access_key_id} is not known to the emulator{f'; {hint}' if hint else ''}"
        raise refusals.invalid_token(reason)
    fitting = tuple(key for key in keys if _is_token_of(key, token))
    if not fitting:
        raise refusals.invalid_token(_token_reason(keys, token, access_key_id))
    usable = tuple(key for key in fitting if key.expires is None or key.expires > now)
    if not usable:
        raise refusals.expired_token(access_key_id, int(now - max(key.expires or 0.0 for key in fitting)))
    return usable


def _is_token_of(key: Key, token: bytes | None) -> bool:
    if key.session_token is None or token is None:
        return key.session_token is None and token is None
    return hmac.compare_digest(key.session_token.encode("utf-8", "surrogatepass"), token)


def _token_reason(keys: tuple[Key, ...], token: bytes | None, access_key_id: str) -> str:
    if token is None:
        return f"key {access_key_id} is temporary and X-Amz-Security-Token was not sent; set AWS_SESSION_TOKEN"
    if all(key.session_token is None for key in keys):
        return f"key {access_key_id} is not temporary and a session token was sent; unset AWS_SESSION_TOKEN"
    return f"the session token is not one of key {access_key_id}; use key, secret and token of one session"
