"""Where a client sends, as whom, by which transport, and what it says when that is not known."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials

from sagetape_client.errors import ConnectError, CredentialsError, InvokeError, ParameterError, SettingsError
from sagetape_client.invoker import Client
from sagetape_client.sessions_boto import client_config, make_client
from sagetape_client.surroundings import Settings, endpoint_url_of, is_light, keys_of, region_of
from tests.client.conftest import Waits
from tests.client.conftest import make_client as a_client
from tests.client.standin import ENVIRON, Standin

URL = "http://127.0.0.1:7243"
LIGHT = {**ENVIRON, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": URL}

PROFILES = """
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default-secret
[other]
aws_access_key_id = AKIAOTHER
aws_secret_access_key = other-secret
region = eu-west-2
"""


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """A credentials file with two profiles."""
    file = tmp_path / "credentials"
    file.write_text(PROFILES)
    return file


@pytest.mark.parametrize(
    ("options", "environ", "url"),
    [
        ({"endpoint_url": "http://a"}, LIGHT, "http://a"),
        ({}, LIGHT, URL),
        ({}, {"AWS_ENDPOINT_URL": "http://b"}, "http://b"),
        ({}, {"AWS_ENDPOINT_URL": "http://b", **LIGHT}, URL),
        ({}, {**LIGHT, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None),
        ({"endpoint_url": "http://a"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"}, "http://a"),
        ({}, {"AWS_ENDPOINT_URL_RUNTIME_SAGEMAKER": "http://c"}, None),
    ],
)
def test_endpoint_url_is_found_as_botocore_finds_it(options: Any, environ: dict[str, str], url: str | None) -> None:
    """Argument, the service's variable, the general one; unless told to ignore them."""
    assert url == endpoint_url_of(Settings(environ=environ, **options))


@pytest.mark.parametrize(
    ("options", "environ", "region"),
    [
        ({"region": "a", "client_config": {"region_name": "b"}}, {"AWS_REGION": "c"}, "a"),
        ({"client_config": {"region_name": "b"}}, {"AWS_REGION": "c"}, "b"),
        ({}, {"AWS_REGION": "c", "AWS_DEFAULT_REGION": "d"}, "c"),
        ({}, {"AWS_DEFAULT_REGION": "d"}, "d"),
        ({}, {}, None),
    ],
)
def test_region_order(options: Any, environ: dict[str, str], region: str | None) -> None:
    """The parameter, ClientConfig's when there is no parameter, the environment."""
    assert region == region_of(Settings(environ=environ, **options))


STS = {"AccessKeyId": "AKIA", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "later"}


@pytest.mark.parametrize(
    ("credential", "token"),
    [
        (("AKIA", "s"), None),
        (("AKIA", "s", "t"), "t"),
        ("AKIA:s:t", "t"),
        ("AKIA:s", None),
        (STS, "t"),
        ({"aws_access_key_id": "AKIA", "aws_secret_access_key": "s"}, None),
        (Credentials("AKIA", "s", "t"), "t"),
        (lambda: STS, "t"),
    ],
)
def test_credential_takes_many_forms(credential: Any, token: str | None) -> None:
    """A tuple, text, a mapping as STS gives it, botocore's object, a callable; it wins over the environment."""
    keys = keys_of(Settings(credential=credential, environ=ENVIRON))
    assert keys is not None
    assert ("AKIA", "s", token) == (keys.access_key, keys.secret_key, keys.session_token)


def test_credential_order_without_a_profile() -> None:
    """Literal keys, then Credential, then (a profile's turn) the environment."""
    both = Settings(access_key="AKIALITERAL", secret_key="s", credential=("AKIACRED", "s"), environ=ENVIRON)
    found = [
        keys_of(s) for s in (both, Settings(credential=("AKIACRED", "s"), environ=ENVIRON), Settings(environ=ENVIRON))
    ]
    assert [keys and keys.access_key for keys in found] == ["AKIALITERAL", "AKIACRED", "AKIDEXAMPLE"]
    assert keys_of(Settings(profile_name="other", environ=ENVIRON)) is None


def sent_as(options: dict[str, Any], service: Standin) -> tuple[str, str]:
    """The access key and region in what a client would send."""
    with Client(endpoint_url=service.url, **options) as client:
        _, headers = client.describe(client.prepare("InvokeEndpoint", {"endpoint_name": "e", "body": b""}))
    scope = dict(headers)["Authorization"].partition("Credential=")[2].split("/")
    return scope[0], scope[2]


def test_profile_wins_over_the_environment(service: Standin, environ: Any, profiles: Path) -> None:
    """A named profile's keys win over the environment's; ProfileLocation names the file or its folder."""
    for location in (profiles, profiles.parent):
        assert sent_as({"profile_name": "other", "profile_location": location}, service) == ("AKIAOTHER", "us-east-1")


def test_profile_gives_the_region_last(service: Standin, environ: Any, monkeypatch: Any, profiles: Path) -> None:
    """Without parameter and environment the profile's region signs."""
    monkeypatch.delenv("AWS_REGION")
    assert sent_as({"profile_name": "other", "profile_location": profiles}, service) == ("AKIAOTHER", "eu-west-2")


def test_default_profile_is_the_last_resort(service: Standin, environ: Any, monkeypatch: Any, profiles: Path) -> None:
    """Nothing given, nothing in the environment: botocore's further defaults."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    assert sent_as({}, service) == ("AKIADEFAULT", "us-east-1")


def test_refreshing_credential_signs_through_botocore(service: Standin, environ: Any) -> None:
    """An object with get_frozen_credentials stays in charge of its keys."""
    assert sent_as({"credential": Credentials("AKIAOWN", "s")}, service) == ("AKIAOWN", "us-east-1")


def test_unknown_profile_names_the_nearest(environ: Any, service: Standin, profiles: Path) -> None:
    """The text lists the profiles there are, and what to do."""
    with (
        Client(endpoint_url=service.url, profile_name="othr", profile_location=profiles) as client,
        pytest.raises(CredentialsError, match=r"no profile 'othr'.*Did you mean 'other'.*default, other") as caught,
    ):
        client.invoke("e", b"x")
    assert caught.value.exit_code == 7


def test_missing_profile_location_is_named(environ: Any, service: Standin) -> None:
    """A file that is not there is said, not ignored."""
    with (
        Client(endpoint_url=service.url, profile_name="x", profile_location="/nonexistent/c") as client,
        pytest.raises(CredentialsError, match="/nonexistent/c"),
    ):
        client.invoke("e", b"x")


def test_no_credentials_has_the_cmdlets_text(environ: Any, service: Standin, monkeypatch: Any) -> None:
    """Exactly the cmdlet's sentence, then the remedy; exit code 7."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with Client(endpoint_url=service.url) as client, pytest.raises(CredentialsError) as caught:
        client.invoke("e", b"x")
    assert str(caught.value).startswith("No credentials specified or obtained from persisted/shell defaults.")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("url", [URL, None])
def test_no_region_has_the_cmdlets_text(environ: Any, monkeypatch: Any, url: str | None) -> None:
    """Exactly the cmdlet's sentence, with an endpoint URL too, for the region is signed; exit code 8."""
    monkeypatch.delenv("AWS_REGION")
    with Client(endpoint_url=url) as client, pytest.raises(SettingsError) as caught:
        client.invoke("e", b"x")
    assert str(caught.value).startswith("No region specified or obtained from persisted/shell defaults.")
    assert caught.value.exit_code == 8


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"access_key": "A"}, ParameterError, "AccessKey was given without SecretKey"),
        ({"secret_key": "s"}, ParameterError, "SecretKey was given without AccessKey"),
        ({"session_token": "t"}, ParameterError, "SessionToken was given without keys"),
        ({"endpoint_url": "localhost:7243"}, SettingsError, "has no scheme"),
        ({"environ": {"AWS_RETRY_MODE": "often"}}, SettingsError, "standard, adaptive, legacy"),
        ({"environ": {"AWS_MAX_ATTEMPTS": "0"}}, SettingsError, "AWS_MAX_ATTEMPTS"),
    ],
)
def test_contradictions_are_said_when_the_client_is_made(options: Any, kind: type[InvokeError], words: str) -> None:
    """Half a pair, a URL without a scheme, a retry mode that does not exist."""
    with pytest.raises(kind, match=words):
        Client(**options)


@pytest.mark.parametrize(
    ("credential", "environ", "words"),
    [
        (("only-one",), ENVIRON, "tuple without an access key"),
        (42, ENVIRON, "a int without"),
        (None, {"AWS_ACCESS_KEY_ID": "A"}, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not"),
    ],
)
def test_unusable_credential_is_named(credential: Any, environ: dict[str, str], words: str) -> None:
    """What it is, and what it must be."""
    with pytest.raises(CredentialsError, match=words):
        keys_of(Settings(credential=credential, environ=environ))


@pytest.mark.parametrize(
    ("options", "environ"),
    [
        ({"profile_name": "p"}, LIGHT),
        ({"profile_location": "x"}, LIGHT),
        ({"client_config": {"max_pool_connections": 3}}, LIGHT),
        ({"network_credential": "u:p"}, LIGHT),
        ({"retries": "standard"}, LIGHT),
        ({"credential": Credentials("A", "s")}, LIGHT),
        ({}, {**LIGHT, "AWS_PROFILE": "p"}),
        ({}, {**LIGHT, "HTTP_PROXY": "http://proxy:3128"}),
        ({}, {**LIGHT, "AWS_REGION": ""}),
        ({}, {**LIGHT, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}),
        ({}, {**LIGHT, "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": "https://127.0.0.1"}),
        ({}, ENVIRON),
    ],
)
def test_botocore_carries_what_needs_it(options: Any, environ: dict[str, str]) -> None:
    """Profiles, configuration, proxies, TLS and the real service go through botocore."""
    assert not is_light(Settings(environ=environ, **options))


@pytest.mark.parametrize(
    "environ",
    [
        LIGHT,
        {**LIGHT, "HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "127.0.0.1"},
        {**LIGHT, "HTTPS_PROXY": "http://p"},
        {**LIGHT, "HTTP_PROXY": "http://proxy:3128", "no_proxy": "*"},
    ],
)
def test_light_transport_carries_an_emulator(environ: dict[str, str]) -> None:
    """Plain http, keys and region from the environment, no proxy in the way."""
    assert is_light(Settings(environ=environ))


def test_config_defaults_and_the_callers_own(environ: Any) -> None:
    """70 seconds and one attempt unless the caller's Config says otherwise; every Config option passes."""
    default = client_config(Settings(), repeats=False)
    assert (default.read_timeout, default.connect_timeout, default.retries) == (70.0, 10.0, {"total_max_attempts": 1})
    own = client_config(Settings(client_config={"read_timeout": 3, "tcp_keepalive": True}), repeats=False)
    assert (own.read_timeout, own.tcp_keepalive) == (3, True)
    given = client_config(Settings(client_config={"retries": {"mode": "legacy"}}), repeats=True)
    assert given.retries["mode"] == "legacy"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_pool": 3}, "Did you mean 'max_pool_connections'"),
        (7, "is a int"),
        ({"retries": {"mode": "x"}}, "refuses"),
    ],
)
def test_config_that_botocore_does_not_have_is_named(config: Any, words: str) -> None:
    """A wrong name suggests the right one; a wrong value is botocore's refusal."""
    with pytest.raises(SettingsError, match=words):
        client_config(Settings(client_config=config), repeats=True)


@pytest.mark.parametrize("credential", ["user:p@ss", ("user", "p@ss"), {"username": "user", "password": "p@ss"}])
def test_network_credential_goes_to_the_proxy(environ: Any, credential: Any) -> None:
    """User and password are put into the proxies in force, encoded."""
    settings = Settings(client_config={"proxies": {"https": "http://proxy:3128"}}, network_credential=credential)
    assert client_config(settings, repeats=False).proxies == {"https": "http://user:p%40ss@proxy:3128"}


@pytest.mark.parametrize(
    ("credential", "words"), [("user:p", "no proxy is set.*SAML"), ("user", "no user and password")]
)
def test_network_credential_without_use_is_refused(environ: Any, monkeypatch: Any, credential: str, words: str) -> None:
    """No proxy, or no pair: a clear error where botocore can do nothing with it."""
    if credential == "user":
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    with pytest.raises(SettingsError, match=words):
        client_config(Settings(network_credential=credential), repeats=False)


def test_real_service_is_the_default(environ: Any) -> None:
    """Without an endpoint URL boto3 goes to AWS's host of the region, FIPS when asked."""
    with_fips = Settings(region="us-gov-west-1", client_config={"use_fips_endpoint": True})
    for settings, host in (
        (Settings(region="eu-central-1"), "https://runtime.sagemaker.eu-central-1.amazonaws.com"),
        (with_fips, "https://runtime.sagemaker.us-gov-west-1.amazonaws.com"),
    ):
        made = make_client(settings, "sagemaker-runtime")
        assert host == made.meta.endpoint_url
        made.close()


def test_unresolvable_host_is_named(waits: Waits, service: Standin, monkeypatch: Any) -> None:
    """The name that does not resolve is in the text."""

    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        a_client(service, waits, endpoint_url="http://nobody.invalid") as client,
        pytest.raises(ConnectError, match=r"nobody.*does not resolve"),
    ):
        client.invoke("e", b"x")


def test_secrets_are_not_in_repr() -> None:
    """Settings print without keys."""
    text = repr(Settings(access_key="AKIA", secret_key="hush", session_token="hush", credential=("A", "hush")))
    assert "hush" not in text
