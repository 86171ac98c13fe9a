"""Whether the AWS profiles that upstreams are signed for with exist, told at start: else every call would fail.

Decides from the user's files alone: nothing is resolved and nobody is asked, so a profile that is there and has no
credentials is found out by the first call. A server that asks nobody needs no profile: a recording is played where the
profile of its recorder is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..core.errors import CredentialsMissing
from ..core.modes import mode_for
from .aws_files import DEFAULT_PROFILE, read_aws_files
from .setting_kinds import suggestion
from .settings import ServerSettings


def check_server_profiles(settings: ServerSettings, environ: Mapping[str, str], *, home: Path) -> None:
    """`check_profiles` for a server that may ask its upstreams."""
    if may_ask(settings):
        check_profiles(settings.upstreams(), environ, home=home)


def may_ask(settings: ServerSettings) -> bool:
    """Whether calls may be forwarded off this machine."""
    if settings.is_replay:
        return False
    had_recordings = settings.record_to is not None and os.path.isfile(settings.record_to)
    return settings.miss_policy == "forward" or mode_for(settings.mode, had_recordings=had_recordings).asks_remote


def check_profiles(specs: Iterable[str], environ: Mapping[str, str], *, home: Path) -> None:
    """Raises CredentialsMissing for the first upstream whose profile is in neither of the user's AWS files."""
    for spec in specs:
        kind, _, named = spec.partition(":")
        if kind.partition("+")[0] != "aws":
            continue
        own = named if kind == "aws" else ""
        profile = own or environ.get("AWS_DEFAULT_PROFILE") or environ.get("AWS_PROFILE")
        if profile:
            check_profile(profile, spec, environ, home=home)


def check_profile(profile: str, spec: str, environ: Mapping[str, str], *, home: Path) -> None:
    """The same for one profile."""
    files = read_aws_files(environ, home=home)
    if profile in files.credentials or files.profiles.get(profile):
        return
    known = botocores_profiles()  # it decides when calls are signed, and knows more spellings of a file's place
    if profile in known:
        return
    near = suggestion(profile, known)
    told = f"There {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else "There is none"
    raise CredentialsMissing(
        f"The upstream {spec} would be signed for with the AWS profile {profile!r}, which no file of this user has"
        f"{near or '.'} {told}. Name one that there is with "
        f"--upstream aws:<profile>, or make it: aws configure --profile {profile}"
    )


def botocores_profiles() -> list[str]:
    """The profiles that botocore finds in this process's environment, by name. Raises CredentialsMissing when it
    cannot read a file."""
    import botocore.session
    from botocore.exceptions import BotoCoreError

    try:
        return sorted(botocore.session.Session().available_profiles, key=lambda name: (name != DEFAULT_PROFILE, name))
    except BotoCoreError as error:
        raise CredentialsMissing(f"The AWS files of this user cannot be read: {error}. Correct that file.") from None
