"""A server that listens for other machines says so on standard error, and what limits them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.command_line import ROOT, sagetape

TAPE = str(ROOT / "cassettes" / "text.tape")
OPTIONS = ("--no-config", "--port", "0", "--idle-timeout-s", "0.05")
OPEN = ("--host", "0.0.0.0", "--allowed-host", "sagetape")
KNOWN = "calls signed with a key that it knows"


@pytest.mark.parametrize(
    ("words", "who"),
    [
        (("replay", TAPE), f"{KNOWN}, the public development pair among them"),
        (("replay", TAPE, "--auth", "lenient"), "every call that looks signed, whoever signed it (--auth lenient)"),
        (("replay", TAPE, "--auth", "off"), "every call, signed or not (--auth off)"),
        (("record", "new.tape", "--upstream", "aws"), KNOWN),
    ],
)
def test_open_server_says_who_is_answered(words: tuple[str, ...], who: str, tmp_path: Path) -> None:
    """In one line, before anybody has called."""
    done = sagetape(tmp_path, *words, *OPTIONS, *OPEN)
    assert done.returncode == 0, done.stderr
    port = done.stdout.split()[2].rpartition(":")[2]
    said, ended = done.stderr.splitlines()
    assert said == (
        f"warning: other machines can reach this server, without TLS, on 0.0.0.0 port {port}. It answers {who}; the "
        "admin API answers them only with its token. Leave --host out to keep it to this machine, or have a firewall "
        "say who may come."
    )
    assert ended == "sagetape ended: 0 requests"


@pytest.mark.parametrize("host", [(), ("--host", "127.0.0.1"), ("--host", "localhost"), ("--host", "127.0.0.2")])
def test_server_of_this_machine_says_nothing(host: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever its name for it."""
    assert sagetape(tmp_path, "replay", TAPE, *OPTIONS, *host).stderr == "sagetape ended: 0 requests\n"
