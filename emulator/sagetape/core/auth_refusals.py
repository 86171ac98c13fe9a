"""What AWS's front end answers when it does not accept a signature: code and text of each failure.

Decides the words, not when they are said (`core/sigv4.py` does). Refuses to let a secret out: the Authorization header
is echoed as a hash, a session token is masked, and the emulator's own `reason` holds names and numbers only.

Source: every status is 403 with the error type in a header and `{"message": ...}` in lower case, as SageMaker Runtime
answered in aws/amazon-sagemaker-examples#290. Texts carry their own source where they were seen on the wire.
"""

from __future__ import annotations

import base64
import hashlib
import re

from .errors import CORAL_SUFFIX, CallerError, compact_json

ECHO_MAX = 1000  # ours: a refusal repeats no more than this of what the caller sent
LONG_TEXT_MAX = 16_384  # ours: a longer canonical request is answered with the short text

# AWS's own words, long and short: DavidMuller/aws-requests-auth#33 (SageMaker Runtime), aws-beam/aws-erlang#161.
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key"
    " and signing method. Consult the service documentation for details."
)
KEYS_HINT = "run `sagetape env` for keys that are known, or start with `--auth lenient` to accept any"

_SECRET_LINE = re.compile(rb"^(x-amz-security-token|authorization|cookie|proxy-authorization):.*$", re.MULTILINE)
_SECRET_PARAMETER = re.compile(rb"(X-Amz-Security-Token=)[^&\n]*", re.IGNORECASE)


def refuse(code: str, message: str, *, reason: str, status: int = 403) -> CallerError:
    """An error of authentication as AWS's JSON front ends send it."""
    body = compact_json({"message": message})
    return CallerError(status, code, body, reason=reason, type_suffix=CORAL_SUFFIX)


def as_warning(refusal: CallerError) -> str:
    """What is said of a request that `lenient` served and `strict` would have refused."""
    return f"accepted (--auth lenient) although {refusal.reason}"


def malformed_target(reason: str) -> CallerError:
    """A path that cannot be read: 400 without a body or a type, before anybody looks at the signature."""
    return CallerError(400, "", b"", content_type=None, reason=f"{reason}; escape the path once, as an SDK does")


def malformed_query(message: str) -> CallerError:
    return refuse("MalformedQueryString", message, status=400, reason=f"the query cannot be decoded: {message}")


def both_forms() -> CallerError:
    # mhart/dynalite and mhart/kinesalite, tests that can be pointed at AWS.
    text = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    reason = "the request is signed twice, in the query and in a header; send one of them"
    return refuse("InvalidSignatureException", text, reason=reason)


def missing_token() -> CallerError:
    """No claim at all: refused under `lenient` too, which has nothing to be lenient about."""
    # aws/amazon-sagemaker-examples#290: these 42 bytes.
    reason = (
        "the request is not signed: neither Authorization nor X-Amz-Algorithm was sent; sign it with any AWS SDK,"
        " or start with `--auth off`, which asks for no signature"
    )
    return refuse("MissingAuthenticationTokenException", "Missing Authentication Token", reason=reason)


def not_key_value(authorization: bytes) -> CallerError:
    # awslabs/time-addressable-media-store#8: the hash is of the whole header value.
    text = (
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with"
        f" Base64): '{_hashed(authorization)}'."
    )
    reason = "the Authorization header is not of Signature Version 4 (parameters must be name=value); sign with an SDK"
    return refuse("IncompleteSignatureException", text, reason=reason)


def two_headers(authorization: bytes) -> CallerError:
    refusal = not_key_value(authorization)
    refusal.reason = "two Authorization headers were sent; which one counts is not defined, send one"
    return refusal


def incomplete_header(missing: list[str], authorization: bytes) -> CallerError:
    """`missing`: Credential, Signature, SignedHeaders, Date, in this order."""
    said = [f"Authorization header requires '{name}' parameter. " for name in missing if name != "Date"]
    if "Date" in missing:
        said.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    text = f"{''.join(said)}(Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(authorization)}"
    reason = f"the signature lacks {', '.join(missing)}; add what is missing, or sign with an SDK"
    return refuse("IncompleteSignatureException", text, reason=reason)


def incomplete_query(missing: list[str]) -> CallerError:
    """`missing`: names of parameters, `X-Amz-...`."""
    said = "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
    reason = f"the presigned URL lacks {', '.join(missing)}; presign it anew"
    return refuse("IncompleteSignatureException", f"{said}Re-examine the query-string parameters.", reason=reason)


def bad_expires(text: str, value: bytes) -> CallerError:
    # S3 words these three; what SageMaker says is not public.
    reason = f"X-Amz-Expires is {_shown(value)!r}; whole seconds from 0 to 604800 are valid"
    return refuse("IncompleteSignatureException", text, reason=reason)


def bad_date(value: bytes) -> CallerError:
    text = f"Date must be in ISO-8601 'basic format'. Got '{_shown(value)}'. See http://en.wikipedia.org/wiki/ISO_8601"
    reason = f"the date of the signature is {_shown(value)[:60]!r}; X-Amz-Date must look like 20260115T120000Z"
    return refuse("IncompleteSignatureException", text, reason=reason)


def expired_signature(date: str, *, limit: str, now: str, allowed_s: int, late_s: int) -> CallerError:
    # serverless/serverless#27 and others: 403 on rest-json front ends, five minutes.
    text = f"Signature expired: {date} is now earlier than {limit} ({now} - {_minutes(allowed_s)})"
    reason = (
        f"the signature is {late_s} s older than the {allowed_s} s allowed; set the caller's clock,"
        " or sign at the time of sending"
    )
    return refuse("InvalidSignatureException", text, reason=reason)


def early_signature(date: str, *, limit: str, now: str, allowed_s: int, early_s: int) -> CallerError:
    text = f"Signature not yet current: {date} is still later than {limit} ({now} + {_minutes(allowed_s)})"
    reason = (
        f"the signature is {early_s} s further in the future than the {allowed_s} s allowed; set the caller's clock"
    )
    return refuse("InvalidSignatureException", text, reason=reason)


def host_not_signed() -> CallerError:
    text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    return refuse("InvalidSignatureException", text, reason="SignedHeaders does not name host; sign the host header")


def other_algorithm(algorithm: bytes) -> CallerError:
    text = f"Unsupported AWS 'algorithm': '{_shown(algorithm)}'."
    reason = f"the algorithm is {_shown(algorithm)[:60]!r}; SageMaker Runtime takes AWS4-HMAC-SHA256 only"
    return refuse("IncompleteSignatureException", text, reason=reason)


def bad_credential(value: bytes) -> CallerError:
    text = (
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term,"
        f" got '{_shown(value)}'"
    )
    reason = "Credential must be <access key id>/<YYYYMMDD>/<region>/sagemaker/aws4_request"
    return refuse("IncompleteSignatureException", text, reason=reason)


def bad_scope(complaints: list[str], reasons: list[str]) -> CallerError:
    # All at once, each with a space at its end: justincormack/argmin, asked of AWS in 2026; aws/aws-sdk-go#1836.
    return refuse("InvalidSignatureException", "".join(f"{c} " for c in complaints), reason="; ".join(reasons))


def invalid_token(reason: str) -> CallerError:
    # anthropics/claude-code#2260, 403 on a rest-json front end.
    text = "The security token included in the request is invalid."
    return refuse("UnrecognizedClientException", text, reason=reason)


def expired_token(access_key_id: str, late_s: int) -> CallerError:
    # cloudquery/cq-provider-aws#1171: no full stop.
    reason = f"the session of key {access_key_id} expired {late_s} s ago; get new temporary keys, or extend `expires`"
    return refuse("ExpiredTokenException", "The security token included in the request is expired", reason=reason)


def mismatch(reason: str, *, canonical: bytes | None = None, text_to_sign: bytes = b"") -> CallerError:
    """The signature is wrong. With `canonical` the long text, tokens masked; without it the short one."""
    text = MISMATCH
    if canonical is not None and len(canonical) <= LONG_TEXT_MAX:
        shown = mask_secrets(canonical).decode("utf-8", "replace")
        text += f"\n\nThe Canonical String for this request should have been\n'{shown}'"
        text += f"\n\nThe String-to-Sign should have been\n'{text_to_sign.decode('utf-8', 'replace')}'\n"
    return refuse("InvalidSignatureException", text, reason=reason)


def mask_secrets(canonical: bytes) -> bytes:
    """A canonical request without the session token (AWS repeats it in clear, aws/aws-sdk-js#2372) and cookies."""
    return _SECRET_PARAMETER.sub(rb"\1***", _SECRET_LINE.sub(rb"\1:***", canonical))


def _hashed(authorization: bytes) -> str:
    return base64.b64encode(hashlib.sha256(authorization).digest()).decode()


def _shown(value: bytes) -> str:
    return value[:ECHO_MAX].decode("utf-8", "replace")


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:g} min."
