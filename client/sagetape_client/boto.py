"""The whole way: boto3's own client, for profiles, SSO, roles, TLS, proxies and the real service.

botocore finds credentials and endpoint, signs and sends; status, headers and body are taken from its `before-parse`
event, so that both transports are read by the same code and members the service model does not list are not lost. One
attempt per call, under one invocation id (set in `before-send`), unless `retries` hands repeating to botocore.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions as bx
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from urllib3.exceptions import HTTPError, ReadTimeoutError

from .errors import CallTimeout, ConnectError, CredentialsError, InvokeError, ParameterError, SettingsError
from .light import CHUNK_BYTES, MASK
from .parameters import ASYNC, INVOKE, STREAM
from .request import Outgoing
from .sessions_boto import make_client, profile_names
from .surroundings import NO_CREDENTIALS, NO_REGION, Settings
from .transport import Attempt, Incoming

_METHODS = {INVOKE: "invoke_endpoint", STREAM: "invoke_endpoint_with_response_stream", ASYNC: "invoke_endpoint_async"}
SERVICE_ID = "sagemaker-runtime"


@dataclass(slots=True)
class _Exchange:
    """What the events of one call have seen."""

    attempt: Attempt | None
    is_rehearsal: bool = False
    request: Any = None
    response: dict[str, Any] = field(default_factory=dict)


_exchange: contextvars.ContextVar[_Exchange | None] = contextvars.ContextVar("sagetape_client_exchange", default=None)


class BotoTransport:
    """Sends through one boto3 client, made at the first call. Safe to use from several threads."""

    def __init__(self, settings: Settings, *, repeats: bool | None = None) -> None:
        self._settings = settings
        self._hands_over = repeats if repeats is not None else has_botocore_retries(settings)
        self._client = make_client(settings, SERVICE_ID, repeats=self._hands_over)
        events = self._client.meta.events
        for operation in _METHODS:
            events.register(f"before-send.{SERVICE_ID}.{operation}", _before_send)
            events.register(f"before-parse.{SERVICE_ID}.{operation}", _before_parse)

    def send(self, outgoing: Outgoing, attempt: Attempt) -> Incoming:
        """One attempt, or as many as botocore was asked to make."""
        exchange = _Exchange(None if self._hands_over else attempt)
        answer = self._call(outgoing, exchange)
        response = exchange.response
        if not response:
            raise InvokeError("botocore gave no answer and no error. Ask again with a botocore of the supported range.")
        retries = answer.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        body = response["body"]
        return Incoming(
            response["status_code"],
            list(response["headers"].items()),
            self._chunks(body),
            close=getattr(body, "close", lambda: None),
            retries=retries,
        )

    def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """As `Transport.describe`: the request is made and signed, and answered before the network."""
        exchange = _Exchange(Attempt("", 1, 1), is_rehearsal=True)
        self._call(outgoing, exchange)
        return exchange.request.url, [(n, _masked(n, v)) for n, v in exchange.request.headers.items()]

    def close(self) -> None:
        self._client.close()

    def _call(self, outgoing: Outgoing, exchange: _Exchange) -> dict[str, Any]:
        token = _exchange.set(exchange)
        try:
            return dict(getattr(self._client, _METHODS[outgoing.operation])(**outgoing.keywords()))
        except bx.ClientError as error:
            return dict(error.response)  # the answer itself was kept in `exchange`
        except (bx.BotoCoreError, ValueError) as error:
            if exchange.response and not isinstance(error, (bx.HTTPClientError, bx.ConnectionError)):
                return {}  # the answer is there and botocore could not parse it: our reader judges it
            raise translate(error, self._settings, url=self._client.meta.endpoint_url) from error
        except (AttributeError, KeyError, TypeError):
            if not exchange.response:
                raise
            return {}  # as above: botocore's parser expects an object where `[1]` came
        finally:
            _exchange.reset(token)

    def _chunks(self, body: Any) -> Iterator[bytes]:
        if isinstance(body, bytes):
            yield body
            return
        reader = body.iter_chunks(CHUNK_BYTES) if hasattr(body, "iter_chunks") else body.stream()
        try:
            yield from reader
        except (ReadTimeoutError, bx.ReadTimeoutError) as error:
            raise translate(bx.ReadTimeoutError(endpoint_url=self._client.meta.endpoint_url), self._settings) from error
        except (HTTPError, OSError, bx.BotoCoreError) as error:
            raise ConnectError(
                f"The connection to {self._client.meta.endpoint_url} broke inside the answer: {error}. Ask again."
            ) from error


def has_botocore_retries(settings: Settings) -> bool:
    """Whether the caller asked for botocore's own repeating, with `retries` or inside `ClientConfig`."""
    config = settings.client_config
    return bool(
        settings.retries or (config.get("retries") if isinstance(config, dict) else getattr(config, "retries", None))
    )


def _before_send(request: Any, **_: Any) -> AWSResponse | None:
    exchange = _exchange.get()
    if exchange is None:
        return None
    exchange.request = request
    if exchange.is_rehearsal:
        return AWSResponse(request.url, 200, HTTPHeaders(), _Nothing())
    for name, value in exchange.attempt.headers() if exchange.attempt else ():
        request.headers[name] = value
    return None


def _before_parse(response_dict: dict[str, Any], **_: Any) -> None:
    exchange = _exchange.get()
    if exchange is not None:
        exchange.response = dict(response_dict)


class _Nothing:
    """The body of an answer that never was."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        return iter(())

    def read(self, *_: Any) -> bytes:
        return b""

    def close(self) -> None:
        return None


def _masked(name: str, value: str | bytes) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if name.lower() == "authorization":
        return text.rpartition("=")[0] + "=" + MASK
    return MASK if name.lower() == "x-amz-security-token" else text


_CREDENTIAL_ERRORS = (
    bx.PartialCredentialsError,
    bx.CredentialRetrievalError,
    bx.TokenRetrievalError,
    bx.SSOError,
    bx.InvalidConfigError,
    bx.ConfigNotFound,
    bx.MetadataRetrievalError,
    bx.RefreshWithMFAUnsupportedError,
)


def translate(error: Exception, settings: Settings, *, url: str = "") -> InvokeError:
    """botocore's exception in this package's words."""
    if isinstance(error, bx.NoCredentialsError):
        return CredentialsError(NO_CREDENTIALS)
    if isinstance(error, bx.NoRegionError):
        return SettingsError(NO_REGION)
    if isinstance(error, bx.ProfileNotFound):
        return _unknown_profile(error, settings)
    if isinstance(error, _CREDENTIAL_ERRORS):
        return CredentialsError(
            f"The credentials cannot be used: {error}. Log in again, or correct the profile and ask again."
        )
    if isinstance(error, bx.ReadTimeoutError):
        return CallTimeout(
            f"{url or 'The service'} sent nothing for {settings.read_timeout_s:g} s. A model may take 60 s:"
            " look at its log, or allow more with read_timeout_s."
            " The call was not repeated, for the model may still be working on it."
        )
    if isinstance(error, (bx.ConnectionError, bx.HTTPClientError)):
        return ConnectError(
            f"No answer from {url or 'the service'}: {error}. Check region, endpoint URL, network and proxy."
        )
    if isinstance(error, bx.ParamValidationError):
        return ParameterError(f"botocore refuses the parameters: {error}. Correct them as the text says.")
    return SettingsError(f"botocore refuses the set-up: {error}. Check EndpointUrl, Region and ClientConfig.")


def _unknown_profile(error: bx.ProfileNotFound, settings: Settings) -> CredentialsError:
    import difflib

    known = profile_names(settings)
    name = error.kwargs.get("profile", settings.profile_name)
    close = difflib.get_close_matches(str(name), known, n=1)
    near = f" Did you mean {close[0]!r}?" if close else ""
    return CredentialsError(
        f"There is no profile {name!r}.{near} Known: {', '.join(known) or 'none'}."
        " Name one of them, or write it with `aws configure --profile`."
    )
