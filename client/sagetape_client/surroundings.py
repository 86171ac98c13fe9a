"""Where a client sends, as whom, and by which transport: decided from parameters and the environment.

The order of credentials is the cmdlet's, version 5 (docs "Credential and profile resolution"): literal keys, then
`Credential`, then the named profile, then the environment, then botocore's further defaults (default profile, web
identity, SSO, container, instance). A region is the parameter's, else `ClientConfig`'s, else the environment's, else
the profile's. The light transport is chosen when everything it needs is in parameters and environment and nothing asks
for botocore; the files of a profile are then never read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import CredentialsError, ParameterError, SettingsError
from .signer import Keys

READ_TIMEOUT_S = 70.0  # AWS advises 70 s for models that take 60 (API reference, InvokeEndpoint)
CONNECT_TIMEOUT_S = 10.0

# The cmdlet's own texts (aws-tools-for-powershell, BaseCmdlets.cs), with what to do after them.
NO_REGION = (
    "No region specified or obtained from persisted/shell defaults."
    " Give Region (--region), set AWS_REGION, or set `region` in a profile; against an emulator us-east-1 will do."
)
NO_CREDENTIALS = (
    "No credentials specified or obtained from persisted/shell defaults."
    " Give AccessKey and SecretKey or ProfileName, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with"
    " `aws sso login`; `sagetape env` prints a pair for the emulator."
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's own parameters, as given. `environ` stands for the process's environment."""

    region: str | None = None
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    credential: Any = field(default=None, repr=False)
    profile_name: str | None = None
    profile_location: str | os.PathLike[str] | None = None
    client_config: Any = None
    network_credential: Any = field(default=None, repr=False)
    retries: Any = None
    read_timeout_s: float = READ_TIMEOUT_S
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    connections: int = 10
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def check(self) -> None:
        """Raises ParameterError for parameters that contradict one another."""
        if bool(self.access_key) != bool(self.secret_key):
            missing, given = ("SecretKey", "AccessKey") if self.access_key else ("AccessKey", "SecretKey")
            raise ParameterError(f"{given} was given without {missing}. Give both, or neither and a profile.")
        if self.session_token and not self.access_key:
            raise ParameterError("SessionToken was given without keys. Give AccessKey and SecretKey of the same login.")
        if self.endpoint_url is not None and "://" not in self.endpoint_url:
            raise SettingsError(
                f"The endpoint URL {self.endpoint_url!r} has no scheme. Write it whole, as http://127.0.0.1:7243."
            )


def endpoint_url_of(settings: Settings) -> str | None:
    """The URL from the parameter or the environment; None leaves it to botocore (profile, then the real service)."""
    environ = settings.environ
    if settings.endpoint_url:
        return settings.endpoint_url
    if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return environ.get("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME") or environ.get("AWS_ENDPOINT_URL") or None


def region_of(settings: Settings) -> str | None:
    """The region from parameter, client configuration or environment; None when a profile must be asked."""
    environ = settings.environ
    configured = getattr(settings.client_config, "region_name", None)
    if isinstance(settings.client_config, Mapping):
        configured = settings.client_config.get("region_name")
    return settings.region or configured or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def keys_of(settings: Settings) -> Keys | None:
    """Static keys from parameters, `Credential` or the environment; None when botocore must look further."""
    if settings.access_key and settings.secret_key:
        return Keys(settings.access_key, settings.secret_key, settings.session_token)
    if settings.credential is not None:
        return read_credential(settings.credential)
    if settings.profile_name or settings.profile_location:
        return None
    environ = settings.environ
    access, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if access and secret:
        return Keys(access, secret, environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN") or None)
    if access or secret:
        present, absent = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        present, absent = (present, absent) if access else (absent, present)
        raise CredentialsError(f"{present} is set and {absent} is not. Set both, or unset it to use a profile.")
    return None


def read_credential(credential: Any) -> Keys:
    """Keys from what `Credential` may be: Keys, botocore's object, a mapping, a tuple, a callable giving one."""
    if isinstance(credential, Keys):
        return credential
    if callable(credential) and not hasattr(credential, "get_frozen_credentials"):
        return read_credential(credential())
    if isinstance(credential, str):
        credential = tuple(credential.split(":", 2))
    if hasattr(credential, "get_frozen_credentials"):
        credential = tuple(credential.get_frozen_credentials())[:3]
    if isinstance(credential, Mapping):
        folded = {name.replace("_", "").lower(): value for name, value in credential.items()}
        access = folded.get("accesskeyid") or folded.get("accesskey") or folded.get("awsaccesskeyid")
        secret = folded.get("secretaccesskey") or folded.get("secretkey") or folded.get("awssecretaccesskey")
        credential = (
            access,
            secret,
            folded.get("sessiontoken") or folded.get("token") or folded.get("awssessiontoken"),
        )
    if isinstance(credential, tuple) and len(credential) in (2, 3) and credential[0] and credential[1]:
        return Keys(*credential)
    raise CredentialsError(
        f"Credential is a {type(credential).__name__} without an access key and a secret key. Give an object with"
        " get_frozen_credentials(), a (access_key, secret_key[, token]) tuple, or a mapping as STS returns it."
    )


def is_light(settings: Settings) -> bool:
    """Whether the light transport can carry this client's calls."""
    url = endpoint_url_of(settings)
    needs_botocore = (
        settings.profile_name,
        settings.profile_location,
        settings.client_config,
        settings.network_credential,
        settings.retries,
        settings.environ.get("AWS_PROFILE"),
        settings.environ.get("AWS_DEFAULT_PROFILE"),
        # A refreshing credential signs each attempt afresh; botocore knows how.
        settings.credential if hasattr(settings.credential, "get_frozen_credentials") else None,
    )
    if any(needs_botocore) or url is None or not url.lower().startswith("http://"):
        return False
    return region_of(settings) is not None and keys_of(settings) is not None and not _has_proxy(settings, url)


def _has_proxy(settings: Settings, url: str) -> bool:
    environ = settings.environ
    named = [n for n in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY") if environ.get(n)]
    if not named:
        return False
    from urllib import request
    from urllib.parse import urlsplit

    host = urlsplit(url).netloc.rpartition("@")[2]
    exempt = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return not request.proxy_bypass_environment(host, {"no": exempt})  # type: ignore[attr-defined]


def retry_mode_of(settings: Settings) -> tuple[str, int | None]:
    """botocore's retry mode and attempts from the environment, where they say something usable."""
    from .retry import MODES

    mode = settings.environ.get("AWS_RETRY_MODE", "standard").lower()
    if mode not in MODES:
        raise SettingsError(f"AWS_RETRY_MODE is {mode!r}. Set it to one of {', '.join(MODES)}, or unset it.")
    attempts = settings.environ.get("AWS_MAX_ATTEMPTS")
    if attempts is not None and not (attempts.isdigit() and int(attempts) > 0):
        raise SettingsError(f"AWS_MAX_ATTEMPTS is {attempts!r}. Set it to a number from 1 on, or unset it.")
    return mode, int(attempts) if attempts else None
