"""The table of parameters holds everything that the service and the cmdlet have."""

from __future__ import annotations

import re
from pathlib import Path

import botocore.session
import pytest

from sagetape_client.errors import ParameterError
from sagetape_client.members import Members
from sagetape_client.parameters import INVOKE, OPERATIONS, TABLE, canonical, find
from sagetape_client.request import prepare

MODEL = botocore.session.Session().get_service_model("sagemaker-runtime")
# aws-tools-for-powershell, Invoke-SMREndpoint-Cmdlet.cs and the common parameters.
CMDLET = """EndpointName Body Accept ContentType CustomAttribute EnableExplanation InferenceComponentName InferenceId
    PrefixAwareId SessionId TargetContainerHostname TargetModel TargetVariant Select PassThru Force ClientConfig
    AccessKey SecretKey SessionToken Credential ProfileName ProfileLocation Region EndpointUrl NetworkCredential
    WhatIf Confirm"""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_table_has_every_member_of_the_service_model(operation: str) -> None:
    """botocore's model and the table agree on members and their headers."""
    shape = MODEL.operation_model(operation).input_shape
    theirs = {n: m.serialization.get("name") for n, m in shape.members.items() if n not in ("EndpointName", "Body")}
    ours = {p.name: p.headers[operation] for p in TABLE if p.headers and operation in p.headers}
    assert theirs == ours


@pytest.mark.parametrize("name", CMDLET.split())
def test_table_has_every_parameter_of_the_cmdlet(name: str) -> None:
    """Each cmdlet parameter is in the table under its own name."""
    parameter = find(name)
    assert parameter is not None
    assert name == parameter.cmdlet


@pytest.mark.parametrize(
    "spelling", ["CustomAttribute", "custom_attributes", "customAttribute", "CUSTOMATTRIBUTES", "custom-attribute"]
)
def test_spelling_singular_plural_and_case_are_one(spelling: str) -> None:
    """Every spelling of a parameter means it."""
    assert canonical({spelling: "a"}) == {"CustomAttributes": "a"}


def test_spelling_twice_with_two_values_is_refused() -> None:
    """Singular and plural with different values contradict; with one value they do not."""
    with pytest.raises(ParameterError, match=r"one parameter \(CustomAttributes\) with two values"):
        canonical({"CustomAttribute": "a", "custom_attributes": "b"})
    assert canonical({"CustomAttribute": "a", "custom_attributes": "a"}) == {"CustomAttributes": "a"}


def test_unknown_parameter_names_the_nearest() -> None:
    """A typo is answered with what was meant."""
    with pytest.raises(ParameterError, match=r"'target_modell'.*Did you mean 'target_model'"):
        canonical({"target_modell": "x"})


@pytest.mark.parametrize("parameter", [p for p in TABLE if p.kind == "member"], ids=lambda p: p.name)
def test_keyword_types_know_every_member(parameter: object) -> None:
    """An editor offers every member as a keyword, in Python's and the service's spelling."""
    names = set(Members.__annotations__) | {"endpoint_name", "body"}
    assert parameter.python in names  # type: ignore[attr-defined]


def test_member_of_another_operation_is_refused() -> None:
    """A member that the operation lacks names the operation that has it."""
    with pytest.raises(ParameterError, match=r"InputLocation is not .* InvokeEndpoint; InvokeEndpointAsync"):
        prepare(INVOKE, {"endpoint_name": "e", "body": b"", "input_location": "s3://b/k"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"body": b""}, "EndpointName is missing"),
        ({"endpoint_name": "e", "body": b"", "accept": "a\r\nX-Evil: 1"}, r"Accept has '\\r' at position 1"),
        ({"endpoint_name": "e", "body": b"", "accept": 1.5}, "Accept is a float"),
    ],
)
def test_request_that_cannot_be_sent_is_named(given: dict[str, object], words: str) -> None:
    """No endpoint, a line break in a header, a value that is no text: said before anything is sent."""
    with pytest.raises(ParameterError, match=words):
        prepare(INVOKE, given)


DOCS = Path(__file__).parents[2] / "docs" / "client.md"


@pytest.mark.parametrize("parameter", TABLE, ids=lambda p: p.name)
def test_documentation_table_names_every_parameter(parameter: object) -> None:
    """docs/client.md has a row for each: cmdlet's name, Python's, and every flag."""
    p = find(parameter.name)  # type: ignore[attr-defined]
    assert p is not None
    rows = [line for line in DOCS.read_text().splitlines() if re.match(rf"\| {p.name} \|", line)]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert (f"`-{p.cmdlet}`" if p.cmdlet else "-") == cells[1]
    assert f"`{p.python}`" in cells[2] or (p.kind == "control" and cells[2].startswith("-"))
    assert all(f"`{flag}`" in cells[3] for flag in p.flags)


def test_documentation_names_every_option_of_the_command() -> None:
    """Each flag of `sagetape invoke` that is not in the table is described in docs/client.md."""
    from sagetape_client.options import make_options

    text = DOCS.read_text()
    flags = {flag for option in make_options() for flag in option.opts if flag.startswith("--")}
    assert sorted(flag for flag in flags if f"`{flag}`" not in text and f"`{flag} " not in text) == []
