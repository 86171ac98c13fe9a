"""What a test may reach while a cassette plays, and what it is told when it tries more."""

from __future__ import annotations

import textwrap

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

QUIET = ("-W", "ignore::ResourceWarning")  # sockets that a refused caller leaves behind
HEAD = """
import asyncio, socket
from sagetape.pytest_plugin.guard import NetworkBlocked, loopback_names

def datagram():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

"""
FAR = "('192.0.2.2', 9)"


def guarded(body: str, marker: str = "") -> str:
    """A test module with one test under a guard."""
    return f"{HEAD}@pytest.mark.sagetape({marker})\ndef test_it():\n{textwrap.indent(textwrap.dedent(body), '    ')}"


@pytest.mark.parametrize(
    "call",
    [
        "socket.gethostbyname('far.invalid')",
        "socket.gethostbyname_ex('far.invalid')",
        "socket.gethostbyaddr('192.0.2.2')",
        f"socket.getnameinfo({FAR}, 0)",
        f"datagram().sendto(b'x', {FAR})",
        f"datagram().sendmsg([b'x'], [], 0, {FAR})",
        f"socket.socket().connect_ex({FAR})",
        "asyncio.run(asyncio.open_connection('192.0.2.2', 9))",
    ],
)
def test_every_way_out_is_refused(project: Project, call: str) -> None:
    """Look-ups of names and of addresses, and datagrams, as connections are."""
    project.write(guarded(f"with pytest.raises(NetworkBlocked, match='192.0.2.2|far.invalid'):\n    {call}"))
    project.run(*QUIET).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "call",
    [
        "asyncio.open_connection('192.0.2.2', 9)",
        "asyncio.open_connection('far.invalid', 9)",
        "asyncio.get_running_loop().getaddrinfo('far.invalid', 9)",
        "asyncio.get_running_loop().getnameinfo(('192.0.2.2', 9))",
        "asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=('192.0.2.2', 9))",
    ],
)
def test_uvloop_is_refused_too(project: Project, call: str) -> None:
    """A loop in C connects behind Python's sockets, and is asked about all the same, also when it is imported late."""
    pytest.importorskip("uvloop")
    project.write(
        guarded(
            f"""
            import uvloop

            async def out():
                await {call}

            async def near():
                server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                assert await reader.read() == b""
                writer.close()
                server.close()

            with pytest.raises(NetworkBlocked, match="192.0.2.2|far.invalid"):
                uvloop.run(out())
            uvloop.run(near())
            """
        )
    )
    project.run_cold(*QUIET).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("('fd00::1', 80, 0, 0)", "allow-host=fd00::1 or"),
        ("('::ffff:192.0.2.2', 80, 0, 0)", "allow-host=192.0.2.2 or"),
    ],
)
def test_the_advice_names_the_whole_address(project: Project, address: str, advice: str) -> None:
    """What it says to write is what lets the address pass."""
    host = advice.partition("=")[2].partition(" ")[0]
    project.write(
        guarded(f"""
        with socket.socket(socket.AF_INET6) as one, pytest.raises(NetworkBlocked, match={advice!r}):
            one.connect({address})
        """)
    )
    project.run().assert_outcomes(passed=1)
    project.write(
        guarded(
            f"""
            with socket.socket(socket.AF_INET6) as one:
                one.settimeout(0.001)
                with pytest.raises(OSError):
                    one.connect({address})
            """,
            f"allow_hosts=[{host!r}]",
        )
    )
    project.run().assert_outcomes(passed=1)


def test_hosts_are_the_same_in_any_letters(project: Project) -> None:
    """Names know no capitals, and a dot at their end means nothing."""
    project.write(
        guarded(
            """
            for name in ("far.INVALID", "FAR.invalid.", b"far.invalid"):
                with pytest.raises(socket.gaierror):
                    socket.getaddrinfo(name, 80)
            with pytest.raises(NetworkBlocked):
                socket.getaddrinfo("farther.invalid", 80)
            """,
            "allow_hosts=['Far.Invalid']",
        )
    )
    project.run().assert_outcomes(passed=1)


def test_this_machine_is_open_by_all_its_names(project: Project) -> None:
    """IPv4 inside IPv6, the host's own name, and those that its own file gives to loopback."""
    project.write(
        guarded("""
        with socket.socket(socket.AF_INET6) as one, pytest.raises(OSError) as caught:
            one.connect(("::ffff:127.0.0.1", 1))
        assert not isinstance(caught.value, NetworkBlocked)
        for name in ("localhost", socket.gethostname(), *loopback_names()):
            try:
                found = socket.getaddrinfo(name, 1, type=socket.SOCK_STREAM)
            except socket.gaierror:
                continue
            for family, kind, protocol, _, address in found:
                with socket.socket(family, kind, protocol) as one, pytest.raises(OSError) as caught:
                    one.connect(address)
                assert not isinstance(caught.value, NetworkBlocked), name
        """)
    )
    project.run().assert_outcomes(passed=1)


# --- places on this machine -------------------------------------------------------------------------------------------


EARLY = """
    EARLY = boto3.Session(region_name="us-east-1").client("sagemaker-runtime")

    @pytest.mark.sagetape({marker})
    def test_early():
        ask(EARLY)
    """


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_replaced_endpoint_is_refused_on_loopback_too(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A client that was made before the deck does not reach the developer's own container behind its back."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", real.url.replace("127.0.0.1", name))
    project.write(EARLY.format(marker=""))
    result = project.run(*QUIET)
    result.assert_outcomes(failed=1)
    shown = text_of(result)
    assert "which AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME named before the test's deck" in shown
    assert "sagetape.attach(client)" in shown
    assert real.arrived == []


@pytest.mark.parametrize("named", ["allowed", "upstream", "another service"])
def test_the_replaced_endpoint_may_be_meant(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Where it is allowed, is the deck's own upstream, or serves others too, connections to it pass."""
    marker = {"allowed": "allow_hosts=['127.0.0.1']", "upstream": f"upstream='aws+{real.url}'"}.get(named, "")
    if named == "another service":
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", real.url)
    project.write(EARLY.format(marker=marker))
    project.run(*QUIET).assert_outcomes(passed=1)
    assert len(real.arrived) == 1


LEAK = """
    KEPT = []

    @pytest.mark.sagetape(upstream="function:user_models:echo", server="process")
    def test_first():
        KEPT.append(boto3.client("sagemaker-runtime"))
        ask(KEPT[0])

    {marker}
    def test_second():
        ask(KEPT[0])
    """


@pytest.mark.parametrize("marker", ["", '@pytest.mark.sagetape(server="process")', "@pytest.mark.sagetape"])
def test_a_client_of_an_ended_process_is_told(project: Project, marker: str) -> None:
    """It is told whose deck it was made for and what to do, in a test with a deck and in one without."""
    project.write(LEAK.format(marker=marker))
    result = project.run(*QUIET, "--dist=loadfile")
    result.assert_outcomes(passed=1, failed=1)
    shown = text_of(result)
    assert "made for the deck of test_it.py::test_first" in shown
    assert 'scope="module"' in shown


def test_an_address_that_another_server_took_is_open(project: Project) -> None:
    """A port of an ended deck that somebody listens on again is that somebody's."""
    project.write("""
        import socket
        from urllib.parse import urlsplit
        PORTS = []

        @pytest.mark.sagetape(upstream="function:user_models:echo", server="process")
        def test_first(sagetape):
            PORTS.append(urlsplit(sagetape.url).port)

        @pytest.mark.sagetape
        def test_second():
            with socket.create_server(("127.0.0.1", PORTS[0])) as server:
                socket.create_connection(("127.0.0.1", PORTS[0])).close()
    """)
    project.run("--dist=loadfile").assert_outcomes(passed=2)


def test_a_deck_in_a_process_is_not_told_to_attach(project: Project) -> None:
    """The advice is what works for the kind of deck."""
    project.write(
        guarded(
            """
            with pytest.raises(NetworkBlocked) as caught:
                socket.getaddrinfo("far.invalid", 80)
            assert "sagemaker_runtime" in str(caught.value)
            assert "attach" not in str(caught.value)
            """,
            "server='process'",
        )
    )
    project.run().assert_outcomes(passed=1)
