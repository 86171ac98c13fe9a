"""Nothing to sign with for an upstream: told at start where files alone show it, else by the verdict; 7 each time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import ROOT, sagetape

TAPE = ROOT / "cassettes" / "text.tape"
ALONE = {"AWS_EC2_METADATA_DISABLED": "true"}
OPTIONS = ("--no-config", "--port", "0", "--idle-timeout-s", "0.05")
CALL = (
    "import os, urllib.error, urllib.request\n"
    "url = os.environ['AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME'] + '/endpoints/churn/invocations'\n"
    "try:\n"
    "    urllib.request.urlopen(urllib.request.Request(url, b'{}', method='POST'))\n"
    "except urllib.error.HTTPError as error:\n"
    "    print(error.code)\n"
)
CREDENTIALS = "[default]\n{key}\n[profile-of-keys]\n{key}\n".format(
    key="aws_access_key_id = AKIAQ3EGJ5XVWZ4TDN2A\naws_secret_access_key = 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\n"
)
CONFIG = "[profile dev]\nregion = eu-west-1\ncredential_process = false\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user with three profiles."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return tmp_path


def test_unknown_profile_is_refused_at_start(home: Path) -> None:
    """With those that there are, and the nearest; no cassette is made, nobody is waited for."""
    for words in (
        ("record", "new.tape", "--upstream", "aws:dve", *OPTIONS),
        ("serve", "--miss-policy", "forward", "--upstream", "aws:dve", *OPTIONS),
        ("exec", "--no-config", "--record", "new.tape", "--upstream", "aws:dve", "--", "true"),
        ("verify", str(TAPE), "--upstream", "aws:dve"),
    ):
        found = sagetape(home, *words, environ=ALONE)
        assert (found.returncode, found.stdout) == (7, "")
        assert found.stderr == (
            "sagetape: error: The upstream aws:dve would be signed for with the AWS profile 'dve', which no file of "
            "this user has; did you mean 'dev'? There are default, dev, profile-of-keys. Name one that there is with "
            "--upstream aws:<profile>, or make it: aws configure --profile dve\n"
        )
    assert not (home / "new.tape").exists()


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
@pytest.mark.parametrize("upstream", ["aws", "aws+http://127.0.0.1:9"])
def test_unknown_profile_of_the_environment_is_refused_too(variable: str, upstream: str, tmp_path: Path) -> None:
    """botocore takes no other one, even where it has keys. Here there is none at all."""
    words = ("record", "new.tape", "--upstream", upstream, *OPTIONS)
    found = sagetape(tmp_path, *words, environ={variable: "gone", **ALONE})
    assert found.returncode == 7
    assert "the AWS profile 'gone', which no file of this user has. There is none. Name one" in found.stderr


@pytest.mark.parametrize("profile", ["dev", "default", "profile-of-keys"])
def test_known_profile_starts(profile: str, home: Path) -> None:
    """Whether it has credentials is asked by the first call: `dev` would start a process for them."""
    found = sagetape(home, "record", "new.tape", "--upstream", f"aws:{profile}", *OPTIONS, environ=ALONE)
    assert found.returncode == 0, found.stderr


def test_profile_in_a_place_that_botocore_alone_expands_starts(home: Path) -> None:
    """It decides when calls are signed."""
    (home / "apart").write_text("[profile apart]\nregion = eu-west-1\n")
    environ = {"AWS_CONFIG_FILE": "$HOME/apart", **ALONE}
    found = sagetape(home, "record", "new.tape", "--upstream", "aws:apart", *OPTIONS, environ=environ)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("serve", "--cassette", str(TAPE), "--upstream", "aws:gone"),
        ("serve", "--mode", "once", "--record-to", "own.tape", "--upstream", "aws:gone"),
        ("replay", str(TAPE)),
    ],
    ids=["none", "once", "replay"],
)
def test_server_that_asks_nobody_needs_no_profile(words: tuple[str, ...], tmp_path: Path) -> None:
    """A recording is played where its recorder's profile is unknown."""
    (tmp_path / "own.tape").write_bytes(TAPE.read_bytes())
    found = sagetape(tmp_path, *words, *OPTIONS, environ={"AWS_PROFILE": "gone", **ALONE})
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--record", "new.tape", "--upstream", "aws"), {}),
        (("--record", "new.tape", "--upstream", "aws:dev"), {}),
        (("--miss-policy", "forward", "--upstream", "aws"), {"AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}),
    ],
)
def test_verdict_of_calls_that_nothing_could_sign_is_7(
    words: tuple[str, ...], environ: dict[str, str], home: Path
) -> None:
    """The server starts, because a process or a metadata service might have given credentials."""
    (home / ".aws" / "credentials").unlink()
    command = (sys.executable, "-c", CALL)
    found = sagetape(home, "exec", "--no-config", "--auth", "off", *words, "--", *command, environ={**ALONE, **environ})
    assert (found.returncode, found.stdout) == (7, "502\n")
    assert "Sagetape has no credentials for its upstream aws" in found.stderr
    assert found.stderr.endswith("sagetape: verdict: 1 request (1 live), failed with 7\n")


def test_verdict_of_an_upstream_that_is_not_there_stays_5(home: Path) -> None:
    """It could have been signed for."""
    words = ("exec", "--no-config", "--auth", "off", "--record", "new.tape", "--upstream", "aws+http://127.0.0.1:1")
    found = sagetape(home, *words, "--", sys.executable, "-c", CALL, environ=ALONE)
    assert found.returncode == 5
    assert found.stderr.endswith("failed with 5\n")


def test_verifying_without_credentials_ends_with_7(tmp_path: Path) -> None:
    """Nothing was asked."""
    found = sagetape(tmp_path, "verify", str(TAPE), "--upstream", "aws", environ=ALONE)
    assert found.returncode == 7
    assert "Sagetape has no credentials for its upstream aws" in found.stdout
