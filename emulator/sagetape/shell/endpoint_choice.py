"""Which address a boto3 client made now would call, and by which rule: botocore's precedence, read from its sources.

Decides from variables and files alone; `doctor` asks botocore too and says when the two disagree. Rules:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html and botocore/configprovider.py
(ConfiguredEndpointProvider). The three silent traps were measured with boto3 1.44.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..core.values import valueclass
from .aws_files import AwsFiles, Section, active_profile
from .client_env import ENDPOINT_VARIABLE, IGNORE_VARIABLE

GENERAL_VARIABLE: Final = "AWS_ENDPOINT_URL"
SERVICE_KEY: Final = "sagemaker_runtime"  # the service id in snake case
LOOK_ALIKES: Final = (
    "AWS_ENDPOINT_URL_RUNTIME_SAGEMAKER",  # the endpoint prefix instead of the service id
    "AWS_ENDPOINT_URL_SAGEMAKERRUNTIME",
    "AWS_ENDPOINT_URL_SAGEMAKER",  # another service
)


@valueclass(frozen=True, slots=True)
class Source:
    """One place that may name an address."""

    name: str
    value: str | None
    note: str = ""


def sources(environ: Mapping[str, str], files: AwsFiles) -> list[Source]:
    """The places in the order in which botocore asks them; the first with a value wins."""
    profile = active_profile(environ)
    section = files.profiles.get(profile, {})
    services = section.get("services", "")
    nested = nested_value(files.services.get(services, {}), SERVICE_KEY, "endpoint_url")
    return [
        Source(ENDPOINT_VARIABLE, environ.get(ENDPOINT_VARIABLE) or None),
        Source(GENERAL_VARIABLE, environ.get(GENERAL_VARIABLE) or None, "S3, STS and every other service go there too"),
        Source(f"[services {services or '...'}] {SERVICE_KEY} endpoint_url", nested, f"of profile {profile}"),
        Source(f"[profile {profile}] endpoint_url", section.get("endpoint_url"), "every other service goes there too"),
    ]


def nested_value(section: Section, name: str, key: str) -> str | None:
    """A value of a nested section: `name =` and, indented below it, `key = value`."""
    for line in section.get(name, "").splitlines():
        left, mark, right = line.partition("=")
        if mark and left.strip() == key:
            return right.strip()
    return None


def ignored_by(environ: Mapping[str, str], files: AwsFiles) -> str:
    """What switches every configured address off; empty when nothing does. The variable beats the profile."""
    said = environ.get(IGNORE_VARIABLE)
    if said:
        return IGNORE_VARIABLE if said.lower() == "true" else ""
    profile = active_profile(environ)
    value = files.setting(profile, "ignore_configured_endpoint_urls") or ""
    return f"ignore_configured_endpoint_urls of profile {profile}" if value.lower() == "true" else ""


def winner(environ: Mapping[str, str], files: AwsFiles) -> Source | None:
    """The source whose address is used; None for the real service."""
    if ignored_by(environ, files):
        return None
    return next((source for source in sources(environ, files) if source.value), None)


def traps(environ: Mapping[str, str], files: AwsFiles) -> Iterator[str]:
    """What would go wrong without a word, each with its remedy."""
    won = winner(environ, files)
    yield from ignored_traps(environ, files)
    for name in LOOK_ALIKES:
        if environ.get(name):
            yield f"{name} is no name that SDKs read for this service: it is ignored. Use {ENDPOINT_VARIABLE}."
    found = sources(environ, files)
    if won == found[1] and found[2].value:
        yield (
            f"{GENERAL_VARIABLE} beats the more specific {found[2].name} ({found[2].value}). "
            f"Set {ENDPOINT_VARIABLE}, which beats both, or unset {GENERAL_VARIABLE}."
        )
    if won and won.value and "://" not in won.value:
        yield f"{won.name} has no scheme: boto3 raises 'Invalid endpoint: {won.value}'. Write http://{won.value}"
    yield from proxy_traps(environ, won)


def ignored_traps(environ: Mapping[str, str], files: AwsFiles) -> Iterator[str]:
    """An address that is configured and switched off: calls reach the real service."""
    cause = ignored_by(environ, files)
    named = next((source for source in sources(environ, files) if source.value), None)
    if cause and named:
        yield (
            f"{cause} switches {named.name} off: calls go to the REAL service. "
            f"Unset it, or set {IGNORE_VARIABLE}=false, which beats a profile."
        )


def proxy_traps(environ: Mapping[str, str], won: Source | None) -> Iterator[str]:
    """A proxy that would be asked for an address that is configured."""
    scheme, _, rest = (won.value or "").partition("://") if won else ("", "", "")
    host = rest.partition("/")[0]
    proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme}_proxy".upper())
    if host and proxy and not bypasses_proxy(environ, host):
        shown = proxy.rpartition("@")[2]  # without a password
        yield f"Calls to {host} go through the proxy {shown}. Add its host to NO_PROXY, as sagetape env does."


def bypasses_proxy(environ: Mapping[str, str], host: str) -> bool:
    """Whether NO_PROXY names a host (with its port or without), as urllib reads it, which botocore asks."""
    import urllib.request  # heavy, and wanted here only

    exceptions = {"no": environ.get("no_proxy") or environ.get("NO_PROXY") or ""}
    return bool(urllib.request.proxy_bypass_environment(host, exceptions))  # type: ignore[attr-defined]
