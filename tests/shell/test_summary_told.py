"""What a server's own lines say of refused secrets and of old recordings, before and at the end of a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.cassette_line import made, write
from tests.cli.command_line import sagetape
from tests.shell.server_wire import PATH, Wire
from tests.shell.test_server_life import OPTIONS, running

# Made up; Amazon's documentation has one of this form.
KEY = "AKIA" + "IOSFODNN7" + "WEXBMPQ"
MODEL = f'def model(invocation):\n    return {{"key": "{KEY}" if b"leak" in invocation.body else ""}}\n'


@pytest.mark.parametrize("as_json", [False, True])
def test_summary_counts_the_answers_that_secrets_kept_out(tmp_path: Path, *, as_json: bool) -> None:
    """The same finding is told at its first answer; the last line accounts for every one of them."""
    (tmp_path / "models.py").write_text(MODEL)
    words = ("record", "m.tape", "--upstream", "function:models:model", *OPTIONS, *(["--json"] if as_json else []))
    with running(tmp_path, *words) as server:
        url = json.loads(server.line)["url"] if as_json else server.url
        with Wire(url) as wire:
            for body in (b"leak 1", b"fine", b"leak 2", b"leak 3"):
                head = f"POST {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nContent-Length: {len(body)}\r\n\r\n"
                wire.send(head.encode() + body)
                assert wire.answer().status == 200
        assert server.end() == 7
        said = server.errors()
    if as_json:
        (ended,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert (ended["kept"], ended["withheld"]) == (1, 3)
    else:
        assert "4 requests (4 live); 1 kept; 3 were not kept: secrets, see above" in said
        assert "not recorded: " in said


@pytest.mark.parametrize("strict", [False, True])
def test_line_about_old_recordings_says_what_it_leads_to(tmp_path: Path, *, strict: bool) -> None:
    """A warning; under --strict an error, which says at start how the run will end."""
    write(tmp_path / "m.tape", made("a"))
    words = ("replay", "m.tape", "--max-age", "1d", *OPTIONS, *(["--strict"] if strict else []))
    with running(tmp_path, *words) as server:
        assert server.line.startswith("sagetape ready")
        assert server.end() == (3 if strict else 0)
        first, *_, last = server.errors().splitlines()
    about = "m.tape: 1 of 1 recording is older than 1 day"
    if strict:
        assert f"error: under --strict this run plays on and ends with 3: {about}" in first
        assert last.startswith(f"error: {about}")
    else:
        assert f"warning: {about}" in first
        assert last.startswith(f"warning: {about}")


EULA = """\
import http.client, os, urllib.parse
url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"])
for value in ("true", "true", "false"):
    connection = http.client.HTTPConnection(url.hostname, url.port)
    headers = {"Content-Type": "text/plain", "X-Amzn-SageMaker-Custom-Attributes": "accept_eula=" + value}
    connection.request("POST", "/endpoints/model/invocations", "a", headers)
    assert connection.getresponse().status == 200
"""
ASKED = """\
def model(invocation):
    return {"said": invocation.custom_attributes}
"""


@pytest.mark.parametrize("strict", [False, True])
def test_recording_of_what_the_key_leaves_out_is_not_clean(tmp_path: Path, *, strict: bool) -> None:
    """Two requests that differ in their custom attributes alone, answered differently: told in the run that records
    them, with the rule; with the rule, the run is clean."""
    (tmp_path / "models.py").write_text(ASKED)
    (tmp_path / "ask.py").write_text(EULA)
    words = ["exec", "--record", "m.tape", "--upstream", "function:models:model", "--auth", "off"]
    words += ["--no-config", *(["--strict"] if strict else [])]
    done = sagetape(tmp_path, *words, "--", sys.executable, "ask.py")
    assert done.returncode == (3 if strict else 0), done.stderr
    assert 'Custom-Attributes: recorded "accept_eula=true", then "accept_eula=false"' in done.stderr
    assert ", clean" not in done.stderr
    rule = done.stderr.partition("Tell them apart under [match]: ")[2].partition(", and record again")[0]
    (tmp_path / "sagetape.toml").write_text(f"[match]\n{rule}\n")
    words = [word if word != "m.tape" else "n.tape" for word in words if word != "--no-config"]
    done = sagetape(tmp_path, *words, "--", sys.executable, "ask.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr.rstrip().endswith(", clean")
