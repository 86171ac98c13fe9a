"""Which credentials a command gets that runs against a server: a public pair, one made for the run, or the user's own.

Replaying, a pair that opens nothing real, so that a call which strays to AWS fails. Recording, the user's own, unless
they cannot be known here (a role, SSO) and the server would have to refuse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.signing import Key
from .aws_files import AwsFiles, active_key, active_profile, read_aws_files
from .client_env import Changes, client_changes
from .keyring import DEVELOPMENT_KEY, development_region
from .settings import ServerSettings


def command_changes(
    settings: ServerSettings, ready: Mapping[str, Any], environ: Mapping[str, str], *, home: Path
) -> tuple[Changes, str]:
    """What to change in a command's environment, and a note for its user (empty when there is nothing to say)."""
    files = read_aws_files(environ, home=home)
    key, note = key_for(settings, ready, environ, files)
    region = development_region(environ, files, settings.regions)
    return client_changes(str(ready["url"]), environ, files, key=key, region=region), note


def key_for(
    settings: ServerSettings, ready: Mapping[str, Any], environ: Mapping[str, str], files: AwsFiles
) -> tuple[Key | None, str]:
    """The key to set, None for the user's own, and a note."""
    made = DEVELOPMENT_KEY
    if "access_key_id" in ready:
        made = Key(ready["access_key_id"], ready["secret_access_key"])
    if not asks_for_credentials(settings):
        return made, ""
    if settings.auth != "strict" or active_key(environ, files) is not None:
        return None, ""
    if not has_other_credentials(environ, files):
        return made, ""
    return made, (
        f"The credentials of profile {active_profile(environ)} are temporary and made on demand, so the server cannot "
        "know them. A pair made for this run is in their place, and calls to other AWS services will fail."
    )


def asks_for_credentials(settings: ServerSettings) -> bool:
    """Whether the run records or compares, so that the command's other calls may be meant for the real AWS."""
    return settings.is_recording or settings.mode == "verify"


def has_other_credentials(environ: Mapping[str, str], files: AwsFiles) -> bool:
    """Whether an SDK would find credentials that are not static: a role, SSO, a process, a container's."""
    profile = active_profile(environ)
    section = {**files.credentials.get(profile, {}), **files.profiles.get(profile, {})}
    dynamic = ("role_arn", "sso_session", "sso_start_url", "credential_process", "web_identity_token_file")
    variables = (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    )
    return any(name in section for name in dynamic) or any(environ.get(name) for name in variables)
