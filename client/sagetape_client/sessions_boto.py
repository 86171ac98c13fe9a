"""boto3 clients as a caller's settings want them: session, profile, region, credentials, configuration, proxy.

Also used for S3, where asynchronous outputs are. It decides the defaults (70 s of silence, one attempt) and lets every
value of the caller's `ClientConfig` win over them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import boto3
import botocore.exceptions as bx
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver

from .errors import CredentialsError, SettingsError
from .parameters import nearest
from .surroundings import NO_REGION, Settings, endpoint_url_of, keys_of, read_credential, region_of


def make_client(settings: Settings, service: str, *, repeats: bool = False) -> Any:
    """A boto3 client. Raises this package's errors for a region, profile or configuration that is wrong."""
    from .boto import translate

    try:
        session: Any = boto3.session.Session(botocore_session=core_session(settings))
        region = region_of(settings) or session.region_name
        if not region:
            raise SettingsError(NO_REGION)
        url = _given_url(settings) if service == "sagemaker-runtime" else None
        return session.client(
            service,
            region_name=region,
            endpoint_url=url,
            config=client_config(settings, repeats=repeats),
            **_literal_keys(settings),
        )
    except (bx.BotoCoreError, ValueError) as error:
        raise translate(error, settings) from error


def _given_url(settings: Settings) -> str | None:
    """The caller's URL; botocore reads the process's environment itself, but not another that was given."""
    return settings.endpoint_url if settings.environ is os.environ else endpoint_url_of(settings)


def core_session(settings: Settings) -> Any:
    """A botocore session on the caller's profile and credentials files."""
    session = botocore.session.Session(profile=settings.profile_name)
    if settings.profile_location is not None:
        _use_location(session, os.fspath(settings.profile_location))
    if settings.credential is not None and hasattr(settings.credential, "get_frozen_credentials"):
        session.register_component("credential_provider", CredentialResolver([_Given(settings.credential)]))
    return session


def profile_names(settings: Settings) -> list[str]:
    """Every profile botocore can see from here."""
    session = botocore.session.Session()
    if settings.profile_location is not None:
        _use_location(session, os.fspath(settings.profile_location))
    return sorted(session.available_profiles)


def client_config(settings: Settings, *, repeats: bool) -> Any:
    """botocore's Config: our defaults, then `retries`, then whatever the caller's own says."""
    retries: Any = {"total_max_attempts": 1}
    if repeats and settings.retries:
        retries = _retries(settings.retries)
    base: Any = Config(
        read_timeout=settings.read_timeout_s,
        connect_timeout=settings.connect_timeout_s,
        max_pool_connections=settings.connections,
        retries=retries,
        user_agent_extra="sagetape-client",
    )
    given = _given_config(settings.client_config)
    merged: Any = base.merge(given) if given is not None else base
    if not repeats:
        merged = merged.merge(Config(retries={"total_max_attempts": 1}))
    if settings.network_credential is not None:
        merged = merged.merge(Config(proxies=_proxies(settings, merged)))
    return merged


def _given_config(config: Any) -> Config | None:
    if config is None or isinstance(config, Config):
        return config
    if not isinstance(config, Mapping):
        raise SettingsError(
            f"ClientConfig is a {type(config).__name__}. Give a botocore.config.Config, or a mapping of its arguments."
        )
    known = list(Config.OPTION_DEFAULTS)
    for name in config:
        if name not in known:
            raise SettingsError(f"botocore's Config has no {name!r}.{nearest(name, known)} It has: {', '.join(known)}.")
    try:
        return Config(**config)
    except (TypeError, ValueError, bx.BotoCoreError) as error:
        raise SettingsError(f"botocore refuses the ClientConfig: {error}. Correct the value.") from error


def _retries(retries: Any) -> dict[str, Any]:
    if isinstance(retries, str):
        return {"mode": retries}
    if isinstance(retries, int):
        return {"total_max_attempts": retries}
    if isinstance(retries, Mapping):
        return dict(retries)
    raise SettingsError(
        f"retries is a {type(retries).__name__}. Give a mode, a number of attempts, or botocore's mapping."
    )


def _literal_keys(settings: Settings) -> dict[str, str | None]:
    if settings.access_key:
        keys = (settings.access_key, settings.secret_key, settings.session_token)
    elif settings.credential is not None and not hasattr(settings.credential, "get_frozen_credentials"):
        read = read_credential(settings.credential)
        keys = (read.access_key, read.secret_key, read.session_token)
    elif settings.environ is not os.environ and (found := keys_of(settings)) is not None:
        keys = (found.access_key, found.secret_key, found.session_token)
    else:
        return {}
    return dict(zip(("aws_access_key_id", "aws_secret_access_key", "aws_session_token"), keys, strict=True))


class _Given(CredentialProvider):  # type: ignore[misc, unused-ignore] # untyped base
    """A credentials object of the caller's, refreshing itself."""

    METHOD = "sagetape-client"

    def __init__(self, credential: Any) -> None:
        super().__init__()
        self._credential = credential

    def load(self) -> Any:
        return self._credential


def _use_location(session: Any, location: str) -> None:
    """`ProfileLocation`: the credentials file, or a folder that holds `credentials` and `config`."""
    if os.path.isdir(location):
        session.set_config_variable("config_file", os.path.join(location, "config"))
        location = os.path.join(location, "credentials")
    elif not os.path.isfile(location):
        raise CredentialsError(
            f"ProfileLocation {location!r} does not exist."
            " Name the shared credentials file, as ~/.aws/credentials, or its folder."
        )
    session.set_config_variable("credentials_file", location)


def _proxies(settings: Settings, config: Any) -> dict[str, str]:
    """The proxies in force, with the network credential put in. Raises where botocore has no use for it."""
    from urllib.request import getproxies

    proxies = config.proxies or {k: v for k, v in getproxies().items() if k in ("http", "https")}
    if not proxies:
        raise SettingsError(
            "NetworkCredential was given and no proxy is set. botocore can use it for a proxy alone: set HTTPS_PROXY or"
            " ClientConfig's proxies. It cannot log in to a federated (SAML) profile: use an SSO profile, or keys from"
            " `aws sts assume-role-with-saml`."
        )
    user, password = _user_and_password(settings.network_credential)
    return {scheme: _with_user(url, user, password) for scheme, url in proxies.items()}


def _user_and_password(credential: Any) -> tuple[str, str]:
    if isinstance(credential, Mapping):
        credential = (credential.get("username") or credential.get("user"), credential.get("password"))
    if isinstance(credential, str):
        credential = tuple(credential.split(":", 1))
    if isinstance(credential, tuple) and len(credential) == 2 and all(isinstance(part, str) for part in credential):
        return credential
    raise SettingsError("NetworkCredential is no user and password. Give 'user:password' or a (user, password) tuple.")


def _with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))
