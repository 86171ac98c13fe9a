"""Which address boto3 would call: our reading of the rules against botocore's own, and the traps."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sagetape.shell.aws_files import read_aws_files
from sagetape.shell.diagnosis import Diagnosis, botocores_endpoint, diagnose, health, without_password
from sagetape.shell.endpoint_choice import traps, winner

OWN = "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"
GENERAL = "AWS_ENDPOINT_URL"
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
SERVICES = "[default]\nservices = emu\n[services emu]\nsagemaker_runtime =\n  endpoint_url = http://services:1\n"
PROFILE = "[default]\nendpoint_url = http://profile:1\n"
IGNORING = PROFILE + "ignore_configured_endpoint_urls = true\n"
OTHER = "[profile dev]\nendpoint_url = http://dev:1\n"

CASES: list[tuple[dict[str, str], str, str | None]] = [
    ({}, "", None),
    ({OWN: "http://own:1"}, "", "http://own:1"),
    ({GENERAL: "http://general:1"}, "", "http://general:1"),
    ({OWN: "http://own:1", GENERAL: "http://general:1"}, SERVICES, "http://own:1"),
    ({"AWS_ENDPOINT_URL_RUNTIME_SAGEMAKER": "http://x:1"}, "", None),
    ({}, SERVICES, "http://services:1"),
    ({}, SERVICES + PROFILE.partition("\n")[2].replace("endpoint", "region = x\nendpoint"), "http://services:1"),
    ({GENERAL: "http://general:1"}, SERVICES, "http://general:1"),
    ({}, PROFILE, "http://profile:1"),
    ({}, OTHER, None),
    ({"AWS_PROFILE": "dev"}, OTHER, "http://dev:1"),
    ({IGNORE: "true", OWN: "http://own:1"}, "", None),
    ({IGNORE: "TRUE", OWN: "http://own:1"}, "", None),
    ({IGNORE: "false", OWN: "http://own:1"}, "", "http://own:1"),
    ({OWN: "http://own:1"}, IGNORING, None),
    ({IGNORE: "false"}, IGNORING, "http://profile:1"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder without AWS files."""
    (tmp_path / ".aws").mkdir()
    return tmp_path


@pytest.mark.parametrize(("environ", "config", "expected"), CASES)
def test_winner_is_what_botocore_takes(
    environ: dict[str, str], config: str, expected: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answer from the rules and from a client that was made."""
    (home / ".aws" / "config").write_text(config)
    found = winner(environ, read_aws_files(environ, home=home))
    assert (found.value if found else None) == expected
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / ".aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(home / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert botocores_endpoint() == (expected or "https://runtime.sagemaker.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("environ", "config", "said"),
    [
        ({OWN: "http://own:1", IGNORE: "true"}, "", f"{IGNORE} switches {OWN} off: calls go to the REAL service"),
        ({OWN: "http://own:1"}, IGNORING, "ignore_configured_endpoint_urls of profile default switches"),
        ({"AWS_ENDPOINT_URL_RUNTIME_SAGEMAKER": "http://x"}, "", f"it is ignored. Use {OWN}."),
        ({GENERAL: "http://general:1"}, SERVICES, "beats the more specific [services emu]"),
        ({OWN: "localhost:7243"}, "", "Write http://localhost:7243"),
        ({OWN: "http://127.0.0.1:1", "HTTP_PROXY": "http://u:word@p:3"}, "", "through the proxy p:3"),
        ({OWN: "https://h:1", "https_proxy": "http://p:3", "NO_PROXY": "other"}, "", "through the proxy"),
    ],
)
def test_trap_is_named_with_its_remedy(environ: dict[str, str], config: str, said: str, home: Path) -> None:
    """What goes wrong without a word from boto3."""
    (home / ".aws" / "config").write_text(config)
    found = list(traps(environ, read_aws_files(environ, home=home)))
    assert len(found) == 1
    assert said in found[0]
    assert "word" not in found[0]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {OWN: "http://127.0.0.1:7243"},
        {OWN: "http://127.0.0.1:7243", "HTTPS_PROXY": "http://p:3"},
        {OWN: "http://127.0.0.1:7243", "HTTP_PROXY": "http://p:3", "NO_PROXY": "127.0.0.1"},
        {OWN: "http://127.0.0.1:7243", "HTTP_PROXY": "http://p:3", "no_proxy": "*"},
    ],
)
def test_no_trap_is_seen_where_there_is_none(environ: dict[str, str], home: Path) -> None:
    """A warning that is wrong is worse than none."""
    assert list(traps(environ, read_aws_files(environ, home=home))) == []


# --- the whole diagnosis ------------------------------------------------------------------------------------------


def diagnosed(environ: dict[str, str], home: Path, health: dict[str, Any] | Exception | None = None) -> Diagnosis:
    """A diagnosis in which botocore follows the rules and a server says `health`."""

    def ask_server(_url: str) -> dict[str, Any]:
        if isinstance(health, Exception):
            raise health
        return health or {"status": "ok"}

    return diagnose(environ, home=home, ask_botocore=lambda: environ.get(OWN, "https://real"), ask_server=ask_server)


def test_diagnosis_of_a_sound_set_up_has_no_problem(home: Path) -> None:
    """Pointed at a server that answers, with a region and a key."""
    environ = {OWN: "http://127.0.0.1:7243", "AWS_DEFAULT_REGION": "us-east-1"}
    environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    found = diagnosed(environ, home)
    assert found.problems == []
    assert found.is_answering
    assert found.key.startswith("test (environment variables, public)")


def test_diagnosis_without_any_pointer_names_the_real_service(home: Path) -> None:
    """The mistake that costs money."""
    found = diagnosed({"AWS_DEFAULT_REGION": "us-east-1"}, home)
    assert "calls go to the REAL service, https://real" in found.problems[0]


def test_diagnosis_asks_whether_a_server_is_there(home: Path) -> None:
    """And says how to start one."""
    environ = {OWN: "http://127.0.0.1:7244", "AWS_DEFAULT_REGION": "us-east-1"}
    found = diagnosed(environ, home, ConnectionRefusedError(111, "Connection refused"))
    assert not found.is_answering
    assert "Start one: sagetape replay CASSETTE --port 7244" in found.problems[0]


@pytest.mark.parametrize(
    ("environ", "said"), [({}, "No region"), ({"AWS_REGION": "eu-west-1"}, "boto3 does not read it")]
)
def test_diagnosis_misses_the_region_that_boto3_needs(environ: dict[str, str], said: str, home: Path) -> None:
    """AWS_REGION alone is not enough for boto3."""
    assert said in diagnosed({OWN: "http://h:1"} | environ, home).problems[0]


def test_diagnosis_says_where_botocore_disagrees(home: Path) -> None:
    """Our reading of the rules is checked against the botocore that is installed."""
    environ = {OWN: "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "us-east-1"}
    found = diagnose(environ, home=home, ask_botocore=lambda: "https://other", ask_server=lambda _: {})
    assert "takes https://other" in found.problems[0]


def test_diagnosis_passes_on_why_botocore_makes_no_client(home: Path) -> None:
    """In botocore's words."""

    def refuse() -> str:
        raise ValueError("Invalid endpoint: x")

    found = diagnose({"AWS_DEFAULT_REGION": "us-east-1"}, home=home, ask_botocore=refuse)
    assert "Invalid endpoint: x" in found.problems[0]


def test_diagnosis_never_shows_a_secret(home: Path) -> None:
    """Neither the user's key nor the proxy's password."""
    (home / ".aws" / "credentials").write_text("[default]\naws_access_key_id = AKIA\naws_secret_access_key = hidden\n")
    found = diagnosed({OWN: "http://h:1", "HTTPS_PROXY": "http://me:hidden@proxy:1"}, home)
    assert "AKIA (profile default)" in found.key
    assert "hidden" not in repr(found)
    assert found.proxies == {"HTTPS_PROXY": "http://proxy:1"}


@pytest.mark.parametrize(
    ("given", "shown"), [("http://u:p@h:1", "http://h:1"), ("u:p@h", "h"), ("http://h", "http://h")]
)
def test_proxy_is_shown_without_its_password(given: str, shown: str) -> None:
    """A password may hold an @ too."""
    assert without_password(given) == shown


# --- asking a server ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"status": "ok"}', {"status": "ok"}),
        (404, b"{}", "something answers 404 there"),
        (200, b"[]", "no Sagetape"),
        (200, b"<html>", "Expecting value"),
    ],
)
def test_health_tells_a_sagetape_from_anything_else(status: int, body: bytes, expected: dict[str, str] | str) -> None:
    """Something else on the port is not taken for a server of ours; the deck's prefix is not asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing on the test's output."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/deck/one"
        if isinstance(expected, dict):
            assert health(url) == expected
        else:
            with pytest.raises(ValueError, match=expected):
                health(url)
        thread.join()
    assert asked == ["/_sagetape/health"]
