"""The environment variables that point an AWS SDK at a server, and away from everything real.

Decides which variables change, as a mapping from name to new value, None for one that is removed; applies and prints
nothing. The rules of the SDKs: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ..core.signing import Key
from .aws_files import AwsFiles, active_profile
from .host_os import proxy_variables

Changes: TypeAlias = dict[str, str | None]

ENDPOINT_VARIABLE: Final = "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"
IGNORE_VARIABLE: Final = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "::1")
REGION_VARIABLES: Final = ("AWS_DEFAULT_REGION", "AWS_REGION")  # botocore reads the first, most other SDKs the second


def client_changes(
    url: str, environ: Mapping[str, str], files: AwsFiles, *, key: Key | None, region: str, platform: str = sys.platform
) -> Changes:
    """What to change for a program that shall reach `url`. With a `key` it gets that one; without, it keeps its own."""
    changes: Changes = {ENDPOINT_VARIABLE: url, "AWS_EC2_METADATA_DISABLED": "true"}
    if key is not None:
        changes |= key_changes(key)
    changes |= region_changes(environ, files, region=region, keeps_profile=key is None)
    # A variable beats the profile, so that `false` is said aloud only where a profile says `true`.
    changes[IGNORE_VARIABLE] = "false" if profile_ignores(environ, files) else None
    return changes | proxy_changes(environ, platform)


def key_changes(key: Key) -> Changes:
    """The key, and nothing else that could sign: the JavaScript SDK prefers AWS_PROFILE to keys in variables."""
    return {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        "AWS_SESSION_TOKEN": key.session_token,
        "AWS_SECURITY_TOKEN": None,
        "AWS_PROFILE": None,
        "AWS_DEFAULT_PROFILE": None,
    }


def region_changes(environ: Mapping[str, str], files: AwsFiles, *, region: str, keeps_profile: bool) -> Changes:
    """The region for each variable that is not set, unless a profile that is kept has one."""
    if keeps_profile and files.setting(active_profile(environ), "region"):
        return {}
    said = {name: environ.get(name, "").strip() for name in REGION_VARIABLES}  # of spaces alone: not set
    given = next((one for one in said.values() if one), region)
    return {name: given for name in REGION_VARIABLES if not said[name]}


def profile_ignores(environ: Mapping[str, str], files: AwsFiles) -> bool:
    """Whether the active or the default profile switches configured endpoint addresses off."""
    profiles = {active_profile(environ), "default"}
    return any((files.setting(name, "ignore_configured_endpoint_urls") or "").lower() == "true" for name in profiles)


def proxy_changes(environ: Mapping[str, str], platform: str) -> Changes:
    """NO_PROXY with loopback's names added, in both spellings where case counts."""
    spellings = proxy_variables(platform)
    listed = [name.strip() for spelling in spellings for name in environ.get(spelling, "").split(",")]
    joined = ",".join(dict.fromkeys(name for name in (*listed, *LOOPBACK_NAMES) if name))
    return dict.fromkeys(spellings, joined)


def apply(changes: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """A new environment with the changes made."""
    kept = {name: value for name, value in environ.items() if name not in changes}
    return kept | {name: value for name, value in changes.items() if value is not None}


# --- as lines for a shell ----------------------------------------------------------------------------------------


def sh_line(name: str, value: str | None) -> str:
    quoted = "" if value is None else "'" + value.replace("'", "'\\''") + "'"
    return f"unset {name}" if value is None else f"export {name}={quoted}"


def fish_line(name: str, value: str | None) -> str:
    quoted = "" if value is None else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"set -e {name}" if value is None else f"set -gx {name} {quoted}"


def powershell_line(name: str, value: str | None) -> str:
    quoted = "" if value is None else "'" + value.replace("'", "''") + "'"
    return f"Remove-Item Env:{name} -ErrorAction SilentlyContinue" if value is None else f"$Env:{name} = {quoted}"


def cmd_line(name: str, value: str | None) -> str:
    return f'set "{name}={value or ""}"'  # an empty value removes it


SHELL_LINES: Final[dict[str, Callable[[str, str | None], str]]] = {
    "sh": sh_line,
    "fish": fish_line,
    "powershell": powershell_line,
    "cmd": cmd_line,
}
