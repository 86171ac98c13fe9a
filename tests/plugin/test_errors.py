"""What goes wrong inside the server surfaces in the test that caused it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]


def test_defect_fails_the_test_that_met_it(project: Project) -> None:
    """A 500 of the emulator that the code under test swallowed fails its test alone, with the traceback."""
    project.write("""
        class Broken:
            def decide(self, call, *, now):
                raise ZeroDivisionError("in the deck")

        @pytest.mark.sagetape(allow_misses=True)
        def test_meets(sagetape, monkeypatch):
            player = sagetape._backing.opened.player
            broken = Broken()
            broken.settings, broken.router = player.deck.settings, player.deck.router
            whole, player.deck = player.deck, broken
            from botocore.config import Config
            client = sagetape.client(config=Config(retries={"max_attempts": 0}))
            with pytest.raises(ClientError, match="SagetapeInternalError"):
                ask(client)
            player.deck = whole

        @pytest.mark.sagetape(allow_misses=True)
        def test_other(sagetape):
            pass
    """)
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    assert "a defect of the emulator" in text_of(result)
    assert "ZeroDivisionError: in the deck" in text_of(result)


def test_models_exception_is_in_the_section(project: Project) -> None:
    """A failing test's section holds the traceback of the model function that raised."""
    Path(project.path, "own_models.py").write_text('def breaks(invocation):\n    raise KeyError("no such plan")\n')
    project.write("""
        @pytest.mark.sagetape(upstream="function:own_models:breaks")
        def test_asks(sagetape):
            call()
    """)
    result = project.run("-p", "no:logging")
    result.assert_outcomes(failed=1)
    section = text_of(result).partition(" Sagetape ")[2]
    assert "own_models.py" in section
    assert "no such plan" in section


def test_parts_of_a_stream_over_http_are_counted(project: Project) -> None:
    """A stream that is read whole over HTTP leaves nothing; of one that is left, the verdict says what was not read."""
    Path(project.path, "long_models.py").write_text("def long(invocation):\n    return iter([bytes(500_000)] * 64)\n")
    project.write("""
        def stream():
            client = boto3.client("sagemaker-runtime")
            return client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")["Body"]

        @pytest.mark.sagetape("long")
        def test_reads(sagetape, request):
            assert len(list(stream())) == 64
            if request.config.getoption("sagetape_record") is None:
                assert sagetape.journal[-1].parts_total == 64
            assert sagetape.verdict().unread == ()

        @pytest.mark.sagetape("long")
        def test_leaves(sagetape, request):
            if request.config.getoption("sagetape_record") is None:
                body = stream()
                next(iter(body))
                body.close()
    """)
    record = ("--sagetape-record=once", "--sagetape-upstream=function:long_models:long")
    project.run(*record).assert_outcomes(passed=2)
    result = project.run("--sagetape-strict")
    assert result.ret == 1
    assert "test_leaves" in text_of(result)
    assert "of 64 parts of a stream of llm were not read" in text_of(result)
    assert text_of(result).count("were not read") == 1


def test_models_exception_of_a_process_apart_is_in_the_section(project: Project) -> None:
    """With `server="process"` the traceback of the model function comes over to the test that failed."""
    Path(project.path, "own_models.py").write_text('def breaks(invocation):\n    raise KeyError("no such plan")\n')
    project.write("""
        @pytest.mark.sagetape(server="process", upstream="function:own_models:breaks")
        def test_asks(sagetape):
            call()
    """)
    result = project.run()
    result.assert_outcomes(failed=1)
    section = text_of(result).partition(" Sagetape ")[2]
    assert "own_models.py" in section
    assert "no such plan" in section


BREAKS = """
import sys
from sagetape.core.deck import Deck

def breaks(self, call, *, now):
    raise ZeroDivisionError("in the deck")

if "sagetape.inprocess.child" in sys.orig_argv:
    Deck.decide = breaks
"""


def test_defect_of_a_process_apart_fails_the_test_that_met_it(project: Project) -> None:
    """A 500 that the code swallowed fails its own test by name, not the next one and not the end of the run."""
    Path(project.path, "breaking.py").write_text(BREAKS + "\ndef echo(invocation):\n    return {}\n")
    project.write("""
        from botocore.config import Config

        @pytest.mark.sagetape(server="process", endpoints={"churn": {"upstream": "function:breaking:echo"}})
        def test_meets(sagetape):
            client = sagetape.client(config=Config(retries={"total_max_attempts": 1}))
            with pytest.raises(ClientError, match="SagetapeInternalError"):
                ask(client)

        @pytest.mark.sagetape(server="process")
        def test_other(sagetape):
            pass
    """)
    result = project.run()
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    assert len(failed) == 1, text_of(result)
    assert "test_it.py::test_meets: a defect of the emulator, not of the test." in text_of(result)
    assert "ZeroDivisionError: in the deck" in text_of(result)
    assert "ERROR test_it.py::test_other" not in text_of(result)


def test_process_that_dies_is_told_by_the_test_it_died_in(project: Project) -> None:
    """A server apart that is killed fails its test with its exit code and what can be done; the next has its own."""
    project.write("""
        import os, signal

        @pytest.mark.sagetape(server="process", upstream="function:user_models:echo")
        def test_kills(sagetape):
            os.kill(sagetape._backing.emulator._server.pid, signal.SIGKILL)

        @pytest.mark.sagetape(server="process", upstream="function:user_models:echo")
        def test_other(sagetape):
            assert call()
    """)
    result = project.run()
    result.assert_outcomes(failed=1, passed=1, errors=1)
    assert "test_it.py::test_kills: The emulator's process ended with -9" in text_of(result)
    assert 'server="thread"' in text_of(result)


@pytest.mark.parametrize("server", ["thread", "process"])
@pytest.mark.parametrize(
    "silence",
    ["logging.config.dictConfig({'version': 1})", "logging.disable()", "logging.getLogger().handlers.clear()"],
)
def test_defect_is_seen_where_logging_is_off(project: Project, server: str, silence: str) -> None:
    """A swallowed 500 fails its test also in a project that sets logging up in its own way, or switches it off."""
    breaking = BREAKS.replace('if "sagetape.inprocess.child" in sys.orig_argv:\n    ', "")
    Path(project.path, "breaking.py").write_text(
        f"import logging.config\n{breaking}\n{silence}\n\ndef echo(invocation):\n    return {{}}\n"
    )
    project.write(f"""
        import logging.config
        from botocore.config import Config
        ONCE = Config(retries={{"max_attempts": 0}})

        @pytest.mark.sagetape(server="{server}", endpoints={{"churn": {{"upstream": "function:breaking:echo"}}}})
        def test_meets(sagetape):
            import breaking
            {silence}
            with pytest.raises(ClientError, match="SagetapeInternalError"):
                ask(sagetape.client(config=ONCE))
    """)
    result = project.run_apart()
    result.assert_outcomes(failed=1, errors=int(server == "process"))
    assert text_of(result).count("a defect of the emulator, not of the test") == 1
    assert "ZeroDivisionError: in the deck" in text_of(result)


def test_a_server_that_cannot_start_says_why_at_once(project: Project) -> None:
    """What forbids sockets (as pytest-socket does) is in the report of each test that needed a server, in its words."""
    project.pytester.makeconftest("""
        import socket

        def refuse(*arguments, **named):
            raise RuntimeError("no sockets in these tests")

        def pytest_runtest_setup(item):
            socket.socketpair = refuse
    """)
    project.write("""
        @pytest.mark.sagetape
        def test_first():
            pass

        @pytest.mark.sagetape
        def test_second():
            pass
    """)
    result = project.run_apart("--timeout=20", "-p", "timeout")
    result.assert_outcomes(errors=2)
    assert text_of(result).count("RuntimeError: no sockets in these tests") >= 2
    assert "could not start" in text_of(result)
