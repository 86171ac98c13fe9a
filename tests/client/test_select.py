"""`Select` names what of a response comes back."""

from __future__ import annotations

from typing import Any

import pytest

from sagetape_client.errors import ParameterError, SelectionError
from sagetape_client.invoker import Client
from tests.client.standin import Answer, Standin

FULL = Answer(200, {"Content-Type": "text/plain", "x-Amzn-Invoked-Production-Variant": "blue"}, "né".encode())


@pytest.mark.parametrize(
    ("select", "value"),
    [
        ("Body", "né".encode()),
        ("body", "né".encode()),
        ("ContentType", "text/plain"),
        ("invokedproductionvariant", "blue"),
        ("NewSessionId", None),
        ("Body.Length", 3),
        ("contenttype.length", 10),
        ("^EndpointName", "e"),
        ("^customattribute", "k"),
        ("^CustomAttributes", "k"),
        ("^Accept", None),
    ],
)
def test_select_picks_without_regard_to_case(light: Client, service: Standin, select: str, value: Any) -> None:
    """Properties, their length, and input parameters; what is absent is None."""
    service.script(FULL)
    assert value == light.invoke("e", b"x", custom_attribute="k", select=select)


def test_select_star_is_the_whole_response(light: Client, service: Standin) -> None:
    """`*` is the default."""
    service.script(FULL)
    assert light.invoke("e", b"x", select="*").invoked_production_variant == "blue"


@pytest.mark.parametrize(
    "select", ["", "Nope", "HttpStatusCode", "ResponseMetadata", "Body.Foo", "Body.", "^", "^Nope", "^Region", "**"]
)
def test_select_that_names_nothing_is_refused_before_sending(light: Client, service: Standin, select: str) -> None:
    """The text is the cmdlet's own; inherited properties cannot be selected; nothing is sent."""
    with pytest.raises(SelectionError) as caught:
        light.invoke("e", b"x", select=select)
    assert str(caught.value) == "Invalid value for -Select parameter."
    assert "InvokedProductionVariant" in caught.value.__notes__[0]
    assert service.arrived == []


def test_select_is_checked_for_each_operation(light: Client) -> None:
    """An asynchronous answer has other properties."""
    with pytest.raises(SelectionError):
        light.invoke_async("e", b"x", select="Body")


def test_pass_thru_is_an_alias(light: Client) -> None:
    """PassThru gives the endpoint's name, and contradicts Select."""
    assert light.invoke("e", b"x", pass_thru=True) == "e"
    with pytest.raises(ParameterError, match="give one"):
        light.invoke("e", b"x", pass_thru=True, select="Body")
