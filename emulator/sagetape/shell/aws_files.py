"""What this user's AWS variables and files say: profiles, static keys, regions, addresses. Read without botocore.

Nothing is resolved (no roles, no SSO, no metadata service), nothing is logged, and a file that cannot be read counts as
empty: whether the user's AWS set-up is in order is not this program's to judge.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ..core.signing import Key
from ..core.values import valueclass

DEFAULT_PROFILE: Final = "default"
FILE_BYTES_MAX: Final = 4 * 1024 * 1024  # a thousand times what these files have
Section = Mapping[str, str]


@valueclass(frozen=True, slots=True)
class AwsFiles:
    """The two files of one user, by profile; values as they are written."""

    credentials: Mapping[str, Section]
    profiles: Mapping[str, Section]
    services: Mapping[str, Section]
    """`[services <name>]` sections of the config file."""

    def setting(self, profile: str, name: str) -> str | None:
        """One value of a profile of the config file."""
        return self.profiles.get(profile, {}).get(name)


def read_aws_files(environ: Mapping[str, str], *, home: Path) -> AwsFiles:
    """Both files, from where the variables say or from `~/.aws`."""
    config = sections(location(environ, "AWS_CONFIG_FILE", home, default="config"))
    credentials = sections(location(environ, "AWS_SHARED_CREDENTIALS_FILE", home, default="credentials"))
    return AwsFiles(
        credentials=credentials,
        profiles={DEFAULT_PROFILE: config.get(DEFAULT_PROFILE, {})} | of_kind(config, "profile"),
        services=of_kind(config, "services"),
    )


def location(environ: Mapping[str, str], variable: str, home: Path, *, default: str) -> Path:
    """Where a file is; `~` stands for the user's home."""
    named = environ.get(variable)
    if not named:
        return home / ".aws" / default
    return home / named[2:] if named.startswith("~/") else Path(named)


def sections(path: Path) -> dict[str, Section]:
    """An INI file's sections; empty when it is missing or cannot be read."""
    parser = configparser.RawConfigParser(default_section="\0", strict=False)  # `[DEFAULT]` is a profile like any other
    try:
        if not path.is_file() or path.stat().st_size > FILE_BYTES_MAX:
            return {}  # a device or a pipe may have no end
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return {}  # missing or broken: see the module's docstring
    return {name: dict(parser.items(name)) for name in parser.sections()}


def of_kind(config: Mapping[str, Section], kind: str) -> dict[str, Section]:
    """The sections `[<kind> <name>]`, by name."""
    pairs = ((name.split(None, 1), section) for name, section in config.items())
    return {parts[1].strip("\"'"): section for parts, section in pairs if len(parts) == 2 and parts[0] == kind}


def active_profile(environ: Mapping[str, str]) -> str:
    """The profile that botocore takes when none is named in code; it looks at AWS_DEFAULT_PROFILE first."""
    return environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE") or DEFAULT_PROFILE


def regions_of(environ: Mapping[str, str], files: AwsFiles) -> tuple[str, ...]:
    """The user's region: both variables' when they differ (SDKs read one or the other), else the active profile's."""
    said = (environ.get(name, "").strip() for name in ("AWS_DEFAULT_REGION", "AWS_REGION"))
    named: dict[str, None] = dict.fromkeys(region for region in said if region)
    if not named and (region := files.setting(active_profile(environ), "region")):
        named[region] = None
    return tuple(named)


def variable_key(environ: Mapping[str, str]) -> Key | None:
    """The static keys of the environment variables; None unless both halves are there."""
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    token = environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN")
    return Key(access, secret, token or None) if access and secret else None


def section_key(section: Section) -> Key | None:
    """The static keys of one section; None unless both halves are there."""
    access, secret = section.get("aws_access_key_id"), section.get("aws_secret_access_key")
    token = section.get("aws_session_token") or section.get("aws_security_token")
    return Key(access, secret, token or None) if access and secret else None


def users_keys(environ: Mapping[str, str], files: AwsFiles) -> tuple[Key, ...]:
    """Every static key of this user: the variables', and those of all profiles of both files."""
    found = [variable_key(environ)]
    found += [section_key(section) for section in (*files.credentials.values(), *files.profiles.values())]
    return tuple(key for key in found if key is not None)


def active_key(environ: Mapping[str, str], files: AwsFiles) -> Key | None:
    """The static key that an SDK would sign with now; None when there is none (a role, SSO, or nothing at all)."""
    profile = active_profile(environ)
    return (
        variable_key(environ)
        or section_key(files.credentials.get(profile, {}))
        or section_key(files.profiles.get(profile, {}))
    )
