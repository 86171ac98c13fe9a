"""Which Host a request may name."""

from __future__ import annotations

import pytest

from sagetape.core.hosts import HostRule

RULE = HostRule(port=7243, bound=("192.168.0.7",), listed=("build.internal", "*.test.internal"))


@pytest.mark.parametrize(
    "value",
    [
        *("127.0.0.1:7243", "localhost:7243", "LOCALHOST:7243", "[::1]:7243", "api.localhost:7243", "127.8.9.1:7243"),
        *("127.0.0.1", "localhost", "[::1]", "192.168.0.7:7243", "build.internal:7243", "a.test.internal:7243"),
        "localhost.:7243",
    ],
)
def test_host_that_names_us_is_served(value: str) -> None:
    """Loopback by any of its names, what we are bound to, and what is listed; the port is ours or left out."""
    assert RULE.allows(value.encode())


@pytest.mark.parametrize(
    "value",
    [
        *("", "evil.example:7243", "127.0.0.1.evil.example:7243", "localhost.evil.example", "127.0.0.1:80", "::1"),
        *("127.0.0.1:7243:1", "user@localhost:7243", "a b", "localhost:7243/", "127.0.0.1:", "[::1", "10.0.0.1:7243"),
        *("test.internal:7243", "evil-test.internal.example", "0x7f000001:7243", "2130706433:7243", "[fe80::1]:7243"),
        *("127.0.0.1:72431", "\x00localhost", "localhost\x7f", "l" * 400, "[::ffff:10.0.0.1]:7243", "localhost:-1"),
    ],
)
def test_host_of_somebody_else_is_refused(value: str) -> None:
    """A page on a rebound name sends its own name; nothing that merely looks like ours passes."""
    assert not RULE.allows(value.encode("latin-1"))


def test_host_for_the_admin_api_needs_the_port() -> None:
    """On AWS's paths signers may leave the port out; on ours nobody has a reason to."""
    assert RULE.allows(b"localhost:7243", needs_port=True)
    assert not RULE.allows(b"localhost", needs_port=True)
    assert HostRule(port=80).allows(b"localhost", needs_port=True)
