"""What a boto3 client made now would do, and what stands in its way: the facts of `sagetape doctor`.

Asks botocore and the server, changes nothing, and never holds a secret: of keys it knows the id and where it is from.
"""

from __future__ import annotations

import http.client
import json
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..version import __version__
from .aws_files import AwsFiles, active_key, active_profile, read_aws_files, regions_of, variable_key
from .client_env import ENDPOINT_VARIABLE
from .endpoint_choice import Source, sources, traps, winner
from .exec_env import has_other_credentials
from .keyring import WELL_KNOWN_KEYS
from .masking import masked

FALLBACK_REGION: Final = "us-east-1"  # a missing region is a problem of its own; the address can be told all the same
HEALTH_PATH: Final = "/_sagetape/health"
HEALTH_TIMEOUT_S: Final = 3.0  # of one wait for the network
HEALTH_WITHIN_S: Final = 8.0  # from the look-up of the name to the last byte: the whole of doctor takes at most 10 s
PACKAGES: Final = ("boto3", "botocore", "aiohttp", "click", "msgpack", "uvloop")
PROXY_VARIABLES: Final = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")


@dataclass(slots=True)
class Diagnosis:
    """Everything `doctor` says."""

    endpoint: str
    """What botocore answered, or an empty string when it cannot make a client."""
    source: str
    """Which setting won; `the real service` when none did."""
    sources: list[Source]
    profile: str
    regions: tuple[str, ...]
    key: str
    """The access key id that would sign and where it is from."""
    proxies: dict[str, str]
    versions: dict[str, str]
    server: dict[str, Any] = field(default_factory=dict)
    """What the server's health said; empty when nothing was asked or nothing answered."""
    is_answering: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def region_to_set(self) -> str:
        """The user's region as other SDKs know it, else the one everybody has."""
        return next(iter(self.regions), FALLBACK_REGION)


def diagnose(
    environ: Mapping[str, str],
    *,
    home: Path,
    ask_botocore: Callable[[], str] | None = None,
    ask_server: Callable[[str], dict[str, Any]] | None = None,
) -> Diagnosis:
    """All facts. The two questions that leave this process are arguments; by default they are really asked."""
    files = read_aws_files(environ, home=home)
    won = winner(environ, files)
    found = Diagnosis(
        endpoint="",
        source=won.name if won else "the real service",
        sources=sources(environ, files),
        profile=active_profile(environ),
        regions=regions_of(environ, files),
        key=key_text(environ, files),
        proxies={name: without_password(environ[name]) for name in PROXY_VARIABLES if environ.get(name)},
        versions=versions(),
    )
    found.problems += traps(environ, files)
    note_endpoint(found, won, ask_botocore or botocores_endpoint)
    if not (environ.get("AWS_DEFAULT_REGION") or files.setting(found.profile, "region")):
        other = "; AWS_REGION is, but boto3 does not read it" if environ.get("AWS_REGION") else ""
        found.problems.append(
            f"No region is set{other}: boto3 raises NoRegionError. Set AWS_DEFAULT_REGION={found.region_to_set}."
        )
    if won and won.value and "://" in won.value:
        note_server(found, won.value, ask_server or health_in_time)
    mask_addresses(found)
    return found


def mask_addresses(found: Diagnosis) -> None:
    """Takes users, passwords and queries out of every address, wherever the diagnosis says it."""
    said = {found.endpoint, *(source.value or "" for source in found.sources)}
    hidden = sorted((address for address in said if masked(address) != address), key=len, reverse=True)

    def shown(text: str) -> str:
        for address in hidden:
            text = text.replace(address, masked(address))
        return text

    found.endpoint = shown(found.endpoint)
    found.sources = [replace(source, value=source.value and shown(source.value)) for source in found.sources]
    found.problems = [shown(problem) for problem in found.problems]


def note_endpoint(found: Diagnosis, won: Source | None, ask: Callable[[], str]) -> None:
    """Asks botocore, and notes where its answer is not what the rules say."""
    try:
        found.endpoint = ask()
    except Exception as error:  # whatever botocore raises is what the user's program will raise
        found.problems.append(f"boto3 cannot make a client now: {error}. Correct what it names.")
        return
    if won is None:
        found.problems.append(
            f"Nothing points boto3 at a server: calls go to the REAL service, {found.endpoint}. "
            f'Set {ENDPOINT_VARIABLE}, or run: eval "$(sagetape env)"'
        )
    elif found.endpoint.rstrip("/") != (won.value or "").rstrip("/"):
        found.problems.append(
            f"By the rules {won.name} = {won.value} wins, but botocore {found.versions['botocore']} takes "
            f"{found.endpoint}. Trust botocore, and please report this."
        )


def note_server(found: Diagnosis, url: str, ask: Callable[[str], dict[str, Any]]) -> None:
    """Asks the server whether it is there."""
    try:
        found.server = ask(url)
        found.is_answering = True
    except (OSError, ValueError, http.client.HTTPException) as error:
        found.problems.append(
            f"No Sagetape answers at {url}: {str(error) or type(error).__name__}. "
            f"Start one: sagetape replay CASSETTE --port {urlsplit(url).port or 80}"
        )


def botocores_endpoint() -> str:
    """The address that botocore takes. The keys are made up, so that none are looked for: that may ask the network."""
    import botocore.session

    session = botocore.session.get_session()
    client = session.create_client(
        "sagemaker-runtime",
        region_name=session.get_config_variable("region") or FALLBACK_REGION,
        aws_access_key_id="doctor",
        aws_secret_access_key="doctor",
    )
    return str(client.meta.endpoint_url)


def health_in_time(url: str) -> dict[str, Any]:
    """As `health`, and TimeoutError when the whole takes too long: each byte of a dripping answer comes in time."""
    answers: list[dict[str, Any] | Exception] = []

    def ask() -> None:
        try:
            answers.append(health(url))
        except Exception as error:  # raised again by who waits
            answers.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(HEALTH_WITHIN_S)
    if not answers:
        raise TimeoutError(f"no whole answer within {HEALTH_WITHIN_S:g} s")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def health(url: str) -> dict[str, Any]:
    """What a server says about itself. Raises OSError, HTTPException, or ValueError for what is no Sagetape."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", HEALTH_PATH)
        answer = connection.getresponse()
        body = answer.read(65_536)
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"something answers {answer.status} there, and it is no Sagetape")
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("something answers there, and it is no Sagetape")
    return said


def key_text(environ: Mapping[str, str], files: AwsFiles) -> str:
    """The key that would sign, by id, with where it is from and who knows it."""
    key = active_key(environ, files)
    if key is None:
        if has_other_credentials(environ, files):
            return "not static (a role, SSO or a process): a server cannot know it, see --auth lenient"
        return 'none: boto3 raises NoCredentialsError; eval "$(sagetape env)" sets a pair'
    origin = "environment variables" if variable_key(environ) else f"profile {active_profile(environ)}"
    if key in WELL_KNOWN_KEYS:
        return (
            f"{key.access_key_id} ({origin}, public), known to every server but one whose upstream holds credentials:"
            " that one takes your own keys and the pair on its ready line, or this pair with --allow-well-known-keys"
        )
    return f"{key.access_key_id} ({origin}), known to every server that this user starts"


def without_password(address: str) -> str:
    """A proxy's address as it may be shown."""
    scheme, mark, rest = address.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def versions() -> dict[str, str]:
    """What is installed."""
    found = {"sagetape": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
