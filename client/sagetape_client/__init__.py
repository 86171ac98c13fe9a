"""A client of Amazon SageMaker Runtime with the parameters of AWS's own cmdlet `Invoke-SMREndpoint`.

    from sagetape_client import Client

    client = Client(region="eu-west-1")
    answer = client.invoke("churn", {"age": 41}, accept="application/json")
    answer.value(), answer.invoked_production_variant, answer.timing.total_s

    for event in client.invoke_stream("chat", {"prompt": "hi"}).events(): ...
    with client.session("chess") as game: game.invoke({"move": "e4"})
    client.invoke_async("slow", input_location="s3://bucket/in.json").wait(timeout_s=600).value()

`AsyncClient` has the same names for asyncio. Nothing here imports botocore until a call needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio import AsyncClient as AsyncClient
    from .answers import InvokeResult as InvokeResult
    from .answers import Timing as Timing
    from .body import BodyInput as BodyInput
    from .chances import Chances as Chances
    from .codecs import decode as decode
    from .codecs import encode as encode
    from .codecs import register_codec as register_codec
    from .errors import AsyncCancelled as AsyncCancelled
    from .errors import AsyncFailed as AsyncFailed
    from .errors import CallTimeout as CallTimeout
    from .errors import CassetteError as CassetteError
    from .errors import ConnectError as ConnectError
    from .errors import ContentError as ContentError
    from .errors import CredentialsError as CredentialsError
    from .errors import InvokeError as InvokeError
    from .errors import ModelError as ModelError
    from .errors import ModelNotReady as ModelNotReady
    from .errors import ParameterError as ParameterError
    from .errors import SelectionError as SelectionError
    from .errors import ServiceError as ServiceError
    from .errors import SessionExpired as SessionExpired
    from .errors import SettingsError as SettingsError
    from .errors import StreamBroken as StreamBroken
    from .errors import Throttled as Throttled
    from .errors import ValidationFailed as ValidationFailed
    from .invoker import Client as Client
    from .outputs import Output as Output
    from .outputs import PendingOutput as PendingOutput
    from .outputs import Submission as Submission
    from .request import NEW_SESSION as NEW_SESSION
    from .session import Session as Session
    from .splitters import ServerEvent as ServerEvent
    from .stream import StreamResult as StreamResult

_HOMES = {
    "aio": "AsyncClient",
    "answers": "InvokeResult Timing",
    "body": "BodyInput",
    "codecs": "decode encode register_codec",
    "errors": "AsyncCancelled AsyncFailed CallTimeout CassetteError ConnectError ContentError"
    " CredentialsError InvokeError ModelError ModelNotReady ParameterError SelectionError ServiceError"
    " SessionExpired SettingsError StreamBroken Throttled ValidationFailed",
    "chances": "Chances",
    "invoker": "Client",
    "outputs": "Output PendingOutput Submission",
    "request": "NEW_SESSION",
    "session": "Session",
    "splitters": "ServerEvent",
    "stream": "StreamResult",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "invoke"])


def __getattr__(name: str) -> Any:
    """Load a name's module when it is first asked for, so that the command line starts without what it does not use."""
    import importlib

    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)


def invoke(endpoint_name: str | None = None, body: Any = None, **parameters: Any) -> Any:
    """One call with every parameter of the cmdlet, the client's among them. For more than one call make a Client."""
    from .invoker import Client
    from .parameters import find

    kinds = {name: parameter.kind if (parameter := find(name)) else "" for name in parameters}
    made = {p.python: parameters[n] for n, kind in kinds.items() if kind == "client" and (p := find(n))}
    options = (
        "retries",
        "ready_timeout_s",
        "read_timeout_s",
        "connect_timeout_s",
        "max_body_bytes",
        "chances",
        "environ",
    )
    made |= {name: parameters[name] for name in options if name in parameters}
    rest = {n: v for n, v in parameters.items() if kinds[n] != "client" and n not in options}
    folded = {p.python if (p := find(n)) and p.kind == "control" else n: v for n, v in rest.items()}
    with Client(**made) as client:
        return client.invoke(endpoint_name, body, **folded)
