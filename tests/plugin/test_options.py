"""Every option, ini line, record mode and marker argument does what the table says it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sagetape.core.wire import Pause, body_of
from sagetape.shell.store import Cassette
from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

ONE = """
    def test_one(sagemaker_runtime):
        assert ask(sagemaker_runtime) == b'{"number": 1}'
"""
CONNECTS = """
    import socket
    from sagetape.pytest_plugin.guard import NetworkBlocked

    def is_blocked(host):
        try:
            with socket.socket() as one:
                one.settimeout(0.001)
                one.connect((host, 9))
        except NetworkBlocked:
            return True
        except OSError:
            return False  # tried, and nobody is there
        return False

    @pytest.mark.sagetape
    def test_connects():
        assert is_blocked("192.0.2.1") is {listed}
        assert is_blocked("198.51.100.1") is {other}
"""


def test_mode_all_asks_always_and_records_always(project: Project, real: Standin) -> None:
    """What is recorded is not played; the new answer is another take of its request, behind the old one."""
    project.write(ONE)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.write(ONE.replace('"number": 1', '"number": 2'))
    result = project.run("--sagetape-record=all")
    result.assert_outcomes(passed=1)
    assert "tests: 1 live; requests: 1 live" in text_of(result)
    assert len(real.arrived) == 2
    with Cassette.open(project.path / "cassettes/test_it/test_one.tape") as cassette:
        bodies = [body_of(cassette.script(number)) for number in cassette.numbers()]
    assert bodies == [b'{"number": 1}', b'{"number": 2}']


def test_words_of_recording_runs(project: Project, real: Standin) -> None:
    """`live` when all calls left this machine, `partial` when some were answered from the cassette."""
    text = """
        def test_n(sagemaker_runtime):
            for n in range({}):
                ask(sagemaker_runtime, b'{{"n": %d}}' % n)
    """
    project.write(text.format(1))
    assert "tests: 1 live; requests: 1 live" in text_of(project.run("--sagetape-record=new_episodes"))
    project.write(text.format(2))
    shown = text_of(project.run("--sagetape-record=new_episodes"))
    assert "tests: 1 partial; requests: 1 live, 1 recorded" in shown
    assert "tests: 1 hit; requests: 2 recorded" in text_of(project.run())


def slowed(path: Path, *, seconds: float) -> None:
    """The same cassette, whose answers were waited for this long."""
    with Cassette.open(path) as old:
        kept = [(old.read(number), old.key(number)) for number in old.numbers()]
        fresh = path.with_suffix(".fresh")
        with Cassette.open(fresh, writable=True, settings=old.settings) as new:
            for one, key in kept:
                rest = tuple(step for step in one.script if not isinstance(step, Pause))
                new.append(replace(one, script=(Pause(seconds), *rest)), key)
        fresh.replace(path)


def test_speed_plays_recorded_waits_and_without_it_they_are_saved(project: Project, real: Standin) -> None:
    """A client that waits five seconds bears a recorded wait of three once, and not twice; left out it is saved."""
    text = """
        from botocore.config import Config
        from botocore.exceptions import ReadTimeoutError

        @pytest.mark.sagetape("slow"{})
        def test_waits(sagetape):
            config = Config(read_timeout=5, retries={{"total_max_attempts": 1}})
            client = boto3.client("sagemaker-runtime", config=config)
            sagetape.attach(client)
            {}
    """
    asks, times_out = "ask(client)", "with pytest.raises(ReadTimeoutError): ask(client)"
    project.write(text.format("", asks))
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    slowed(project.path / "cassettes/slow.tape", seconds=3.0)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "saved: 3 seconds of waiting" in text_of(result)
    project.write(text.format(", speed=1", asks))
    result = project.run()
    result.assert_outcomes(passed=1)
    project.write(text.format(", speed=2", times_out))
    project.run().assert_outcomes(passed=1)


def test_exhausted_takes(project: Project, real: Standin) -> None:
    """When all takes were played a request misses, gets the last again, or all from the first on."""
    text = """
        @pytest.mark.sagetape("takes"{})
        def test_takes(sagemaker_runtime):
            assert [ask(sagemaker_runtime)[-2:-1] for _ in range({})] == {}
    """
    project.write(text.format("", 2, [b"1", b"2"]))
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    for argument, expected in (("last", [b"1", b"2", b"2", b"2"]), ("cycle", [b"1", b"2", b"1", b"2"])):
        project.write(text.format(f", exhausted={argument!r}", 4, expected))
        project.run().assert_outcomes(passed=1)
    project.write(text.format(", exhausted='miss'", 3, [b"1", b"2", b"2"]))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "had no recorded answer" in text_of(result)


def test_scrub_of_the_marker_keeps_a_value_off_the_disk(project: Project, real: Standin) -> None:
    """What the rule names is in no cassette, and a request with another value at that place is answered."""
    text = """
        @pytest.mark.sagetape(scrub={"json_paths": ["$.customer"]})
        def test_scrubs(sagemaker_runtime):
            ask(sagemaker_runtime, b'{"customer": "%s"}')
    """
    project.write(text % "Ada Lovelace")
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    assert b"Ada Lovelace" in real.arrived[0].body
    (tape,) = project.tapes()
    with Cassette.open(project.path / tape) as cassette:
        assert "Ada" not in repr(cassette.read(0))
    project.write(text % "Grace Hopper")
    project.run().assert_outcomes(passed=1)


def test_seed_of_the_command_line(project: Project) -> None:
    """It is every deck's whose marker gives none."""
    project.write("""
        def test_given(sagetape):
            assert sagetape.seed == 5

        @pytest.mark.sagetape(seed=7)
        def test_own(sagetape):
            assert sagetape.seed == 7
    """)
    project.run("--sagetape-seed=5").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("arguments", "listed", "other"),
    [
        ((), True, True),
        (("--sagetape-allow-host=192.0.2.1",), False, True),
        (("-o", "sagetape_allow_hosts=192.0.2.*"), False, True),
        (("-o", "sagetape_block_network=false"), False, False),
    ],
)
def test_hosts_that_may_be_reached(project: Project, arguments: tuple[str, ...], listed: bool, other: bool) -> None:
    """None, the one that is listed, or all."""
    project.write(CONNECTS.format(listed=listed, other=other))
    project.run(*arguments).assert_outcomes(passed=1)


def test_folder_and_upstream_of_the_ini_file(project: Project) -> None:
    """`sagetape_cassettes` names the folder, `sagetape_upstream` what is asked while recording."""
    project.write("""
        def test_echo(sagemaker_runtime):
            assert ask(sagemaker_runtime, b"[1]") == b'{"echo":"[1]"}'
    """)
    lines = ("-o", "sagetape_cassettes=tapes", "-o", "sagetape_upstream=function:user_models:echo")
    project.run("--sagetape-record=once", *lines).assert_outcomes(passed=1)
    assert project.tapes() == ["tapes/test_it/test_echo.tape"]
    project.run(*lines[:2]).assert_outcomes(passed=1)
    project.run().assert_outcomes(failed=1)


def test_server_of_the_ini_file(project: Project, real: Standin) -> None:
    """`sagetape_server = process`: every test's deck is a process of its own; a marker may say otherwise."""
    project.write("""
        def test_apart(sagetape, sagemaker_runtime):
            assert ask(sagemaker_runtime)
            with pytest.raises(Exception, match="process of its own"):
                sagetape.attach(sagemaker_runtime)

        @pytest.mark.sagetape(server="thread")
        def test_here(sagetape, sagemaker_runtime):
            assert ask(sagemaker_runtime)
            sagetape.attach(boto3.client("sagemaker-runtime"))
    """)
    for arguments in (["--sagetape-record=once"], []):
        project.run("-o", "sagetape_server=process", *arguments).assert_outcomes(passed=2)
