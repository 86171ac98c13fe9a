"""Every parameter of a call: its name in the service, in the cmdlet Invoke-SMREndpoint, in Python and in a shell.

One table that the request builder, the command line, pipeline input and the documentation read. It decides which
spellings mean the same; it does not judge values. A spelling is compared without case, `-` and `_`, so that
`CustomAttributes`, `custom_attribute` and `--custom-attributes` are one parameter.

Sources: botocore sagemaker-runtime 2017-05-13 (members and their headers); aws-tools-for-powershell,
Invoke-SMREndpoint-Cmdlet.cs and CredentialsArguments.cs (cmdlet names and aliases).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import ParameterError

INVOKE, STREAM, ASYNC = "InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"
OPERATIONS = (INVOKE, STREAM, ASYNC)
PATHS = {INVOKE: "invocations", STREAM: "invocations-response-stream", ASYNC: "async-invocations"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `headers` maps an operation to the header that carries it; no header means path, body or local."""

    name: str
    """The service's member, or the cmdlet's name when the service has none."""
    cmdlet: str
    """As Invoke-SMREndpoint spells it, without the dash; empty when only a sibling cmdlet or this client has it."""
    flags: tuple[str, ...]
    """On the command line, the long Unix spelling last."""
    text: str
    aliases: tuple[str, ...] = ()
    headers: Mapping[str, str] | None = None
    kind: str = "member"
    """`member` travels to the service, `client` makes the client, `control` shapes one call."""

    @property
    def python(self) -> str:
        """The keyword argument."""
        return _snake(self.name)

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every name without its dashes; the comparison folds them further."""
        return (self.name, self.cmdlet or self.name, *self.aliases)


def _snake(name: str) -> str:
    special = {"S3OutputPathExtension": "s3_output_path_extension", "RequestTTLSeconds": "request_ttl_seconds"}
    if name in special:
        return special[name]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _carried(header: str, *, operations: tuple[str, ...] = (INVOKE, STREAM)) -> dict[str, str]:
    return dict.fromkeys(operations, header)


_A = "X-Amzn-SageMaker-"

TABLE: tuple[Parameter, ...] = (
    Parameter("EndpointName", "EndpointName", ("-e", "--endpoint-name"), "The endpoint to ask."),
    Parameter(
        "Body", "Body", ("-b", "--body"), "Text, @file, fileb://file, or - for standard input; repeat for lines."
    ),
    Parameter(
        "ContentType",
        "ContentType",
        ("-c", "--content-type"),
        "The body's media type.",
        headers={INVOKE: "Content-Type", STREAM: "Content-Type", ASYNC: _A + "Content-Type"},
    ),
    Parameter(
        "Accept",
        "Accept",
        ("-a", "--accept"),
        "The media type wanted back.",
        headers={INVOKE: "Accept", STREAM: _A + "Accept", ASYNC: _A + "Accept"},
    ),
    Parameter(
        "CustomAttributes",
        "CustomAttribute",
        ("--custom-attribute", "--custom-attributes"),
        "ASCII text passed on to the model.",
        aliases=("CustomAttributes",),
        headers=_carried(_A + "Custom-Attributes", operations=OPERATIONS),
    ),
    Parameter(
        "TargetModel",
        "TargetModel",
        ("--target-model",),
        "The model of a multi-model endpoint.",
        headers={INVOKE: _A + "Target-Model"},
    ),
    Parameter(
        "TargetVariant",
        "TargetVariant",
        ("--target-variant",),
        "The production variant that must answer.",
        headers=_carried(_A + "Target-Variant"),
    ),
    Parameter(
        "TargetContainerHostname",
        "TargetContainerHostname",
        ("--target-container-hostname",),
        "The container of a multi-container endpoint.",
        headers=_carried(_A + "Target-Container-Hostname"),
    ),
    Parameter(
        "InferenceId",
        "InferenceId",
        ("--inference-id",),
        "An identifier of your own for captured data.",
        headers=_carried(_A + "Inference-Id", operations=OPERATIONS),
    ),
    Parameter(
        "EnableExplanations",
        "EnableExplanation",
        ("--enable-explanation", "--enable-explanations"),
        "A JMESPath expression: which records to explain.",
        aliases=("EnableExplanations",),
        headers={INVOKE: _A + "Enable-Explanations"},
    ),
    Parameter(
        "InferenceComponentName",
        "InferenceComponentName",
        ("--inference-component-name",),
        "The inference component to ask.",
        headers=_carried(_A + "Inference-Component"),
    ),
    Parameter(
        "SessionId",
        "SessionId",
        ("--session-id",),
        "A stateful session's id, or NEW_SESSION to open one.",
        headers=_carried(_A + "Session-Id"),
    ),
    Parameter(
        "PrefixAwareId",
        "PrefixAwareId",
        ("--prefix-aware-id",),
        "Groups calls that share a prefix on one instance.",
        headers=_carried(_A + "Prefix-Aware-Id"),
    ),
    Parameter(
        "InputLocation",
        "",
        ("--input-location",),
        "S3 URI of an asynchronous inference's input.",
        headers={ASYNC: _A + "InputLocation"},
    ),
    Parameter(
        "S3OutputPathExtension",
        "",
        ("--s3-output-path-extension",),
        "Folder of the output below the endpoint's output path.",
        headers={ASYNC: _A + "S3OutputPathExtension"},
    ),
    Parameter("Filename", "", ("--filename",), "Name of the output object.", headers={ASYNC: _A + "Filename"}),
    Parameter(
        "RequestTTLSeconds",
        "",
        ("--request-ttl-seconds",),
        "Age at which a queued request is dropped.",
        headers={ASYNC: _A + "RequestTTLSeconds"},
    ),
    Parameter(
        "InvocationTimeoutSeconds",
        "",
        ("--invocation-timeout-seconds",),
        "How long the model may take.",
        headers={ASYNC: _A + "InvocationTimeoutSeconds"},
    ),
    Parameter(
        "Select",
        "Select",
        ("-s", "--select"),
        "'*' for the whole response, a property, or '^Parameter'.",
        kind="control",
    ),
    Parameter("PassThru", "PassThru", ("--pass-thru",), "The same as --select '^EndpointName'.", kind="control"),
    Parameter("Force", "Force", ("--force",), "Never ask for confirmation.", kind="control"),
    Parameter(
        "WhatIf", "WhatIf", ("--dry-run", "--what-if"), "Say what would be sent, and send nothing.", kind="control"
    ),
    Parameter("Confirm", "Confirm", ("--confirm",), "Ask before sending.", kind="control"),
    Parameter(
        "AccessKey", "AccessKey", ("--access-key",), "Access key id.", aliases=("AK", "AccessKeyId"), kind="client"
    ),
    Parameter(
        "SecretKey",
        "SecretKey",
        ("--secret-key",),
        "Secret key, or - to read it from standard input.",
        aliases=("SK", "SecretAccessKey"),
        kind="client",
    ),
    Parameter("SessionToken", "SessionToken", ("--session-token",), "Session token.", aliases=("ST",), kind="client"),
    Parameter(
        "Credential",
        "Credential",
        ("--credential",),
        "ACCESS_KEY:SECRET_KEY[:SESSION_TOKEN]; in Python an object.",
        kind="client",
    ),
    Parameter(
        "ProfileName",
        "ProfileName",
        ("--profile-name", "--profile"),
        "Profile of the shared configuration.",
        aliases=("Profile", "StoredCredentials", "AWSProfileName"),
        kind="client",
    ),
    Parameter(
        "ProfileLocation",
        "ProfileLocation",
        ("--profile-location",),
        "The shared credentials file.",
        aliases=("AWSProfilesLocation", "ProfilesLocation"),
        kind="client",
    ),
    Parameter(
        "Region", "Region", ("-r", "--region"), "AWS region.", aliases=("RegionToCall", "RegionName"), kind="client"
    ),
    Parameter(
        "EndpointUrl",
        "EndpointUrl",
        ("-u", "--endpoint-url"),
        "Where to send; the region stays the one that is signed.",
        kind="client",
    ),
    Parameter(
        "ClientConfig",
        "ClientConfig",
        ("--client-config",),
        "KEY=VALUE of botocore's Config; repeatable.",
        aliases=("Config",),
        kind="client",
    ),
    Parameter(
        "NetworkCredential",
        "NetworkCredential",
        ("--network-credential",),
        "USER:PASSWORD for the proxy.",
        kind="client",
    ),
)

BY_NAME = {parameter.name: parameter for parameter in TABLE}


def fold(spelling: str) -> str:
    """A spelling reduced to what is compared."""
    return spelling.replace("_", "").replace("-", "").lower()


_BY_SPELLING = {fold(spelling): p for p in TABLE for spelling in (*p.spellings, *(f for f in p.flags if len(f) > 2))}


def find(spelling: str) -> Parameter | None:
    """The parameter that is spelt so; None when there is none."""
    return _BY_SPELLING.get(fold(spelling))


def nearest(spelling: str, among: Iterable[str] = ()) -> str:
    """A sentence naming the spelling that was probably meant; empty when nothing is near."""
    names = list(among) or [p.python for p in TABLE]
    folded = {fold(name): name for name in names}
    begun = [name for name in folded if name.startswith(fold(spelling))]
    close = begun[:1] or difflib.get_close_matches(fold(spelling), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[close[0]]!r}?" if close else ""


def canonical(given: Mapping[str, object], *, kinds: tuple[str, ...] = ("member",)) -> dict[str, object]:
    """Parameters under the service's names; None counts as not given.

    Raises ParameterError for an unknown name and for two spellings of one parameter with different values.
    """
    found: dict[str, object] = {}
    spelt: dict[str, str] = {}
    allowed = [p.python for p in TABLE if p.kind in kinds]
    for spelling, value in given.items():
        parameter = find(spelling)
        if parameter is None or parameter.kind not in kinds:
            raise ParameterError(
                f"There is no parameter {spelling!r} here.{nearest(spelling, allowed)} Known: {', '.join(allowed)}."
            )
        if value is None:
            continue
        if parameter.name in found and found[parameter.name] != value:
            raise ParameterError(
                f"{spelt[parameter.name]!r} and {spelling!r} are one parameter ({parameter.name}) with two values."
                " Give one of them."
            )
        found[parameter.name] = value
        spelt[parameter.name] = spelling
    return found
