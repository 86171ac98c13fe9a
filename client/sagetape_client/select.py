"""`Select`: what of a response a call gives back.

`*` is the whole response, `^Parameter` an input parameter (any spelling), anything else a path of declared properties
without regard to case. As in the cmdlet (aws-tools-for-powershell, BaseCmdlets.cs) only declared properties can be
selected: status, headers and request id cannot. A value of text or bytes declares `Length`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ParameterError, SelectionError
from .parameters import ASYNC, INVOKE, STREAM, find, nearest
from .request import Outgoing

INVALID = "Invalid value for -Select parameter."  # the cmdlet's text, exactly
PASS_THRU = "^EndpointName"

SELECTABLE = {
    INVOKE: ("Body", "ContentType", "CustomAttributes", "InvokedProductionVariant", "NewSessionId", "ClosedSessionId"),
    STREAM: ("Body", "ContentType", "CustomAttributes", "InvokedProductionVariant"),
    ASYNC: ("InferenceId", "OutputLocation", "FailureLocation"),
}


def resolve(select: str | None, *, pass_thru: bool = False) -> str | None:
    """The selection in force. `PassThru` is an alias; both at once contradict each other."""
    if pass_thru and select is not None:
        raise ParameterError(f"PassThru is the same as Select {PASS_THRU!r}; give one of the two.")
    return PASS_THRU if pass_thru else select


def check(select: str | None, names: tuple[str, ...]) -> None:
    """Raises SelectionError, before anything is sent, when a selection cannot name anything of a response."""
    if select is None or select == "*":
        return
    if select.startswith("^"):
        parameter = find(select[1:])
        if parameter is None or parameter.kind != "member":
            raise _invalid(select, names)
        return
    first, _, rest = select.partition(".")
    if (
        first.lower() not in (name.lower() for name in names)
        or rest.lower() not in ("", "length")
        or select.endswith(".")
    ):
        raise _invalid(select, names)


def pick(select: str, *, properties: Mapping[str, Any], outgoing: Outgoing) -> Any:
    """The selected value; None when the response does not have it."""
    names = tuple(properties)
    check(select, names)
    if select.startswith("^"):
        parameter = find(select[1:])
        return outgoing.parameters.get(parameter.name) if parameter else None
    first, _, rest = select.partition(".")
    value = next(value for name, value in properties.items() if name.lower() == first.lower())
    return len(value) if rest and value is not None else value


def _invalid(select: str, names: tuple[str, ...]) -> SelectionError:
    close = nearest(select, names)
    error = SelectionError(INVALID)
    error.add_note(
        f"Select {select!r} names nothing.{close} Use '*', one of {', '.join(names)}, or '^' and a parameter."
    )
    return error


def wanted(operation: str, select: str | None, *, pass_thru: bool = False) -> str | None:
    """The selection in force, checked before anything is sent."""
    resolved = resolve(select, pass_thru=pass_thru)
    check(resolved, SELECTABLE[operation])
    return resolved


def selected(result: Any, select: str | None, outgoing: Outgoing) -> Any:
    """The result, or what was selected of it."""
    if select is None or select == "*":
        return result
    return pick(select, properties=result.properties(), outgoing=outgoing)
