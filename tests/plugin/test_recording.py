"""The plugin records, replays, and knows when not to."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path

import pytest

from tests.client.standin import Standin, frame, stream
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

ONE = """
    def test_one(sagemaker_runtime):
        assert ask(sagemaker_runtime) == b'{"number": 1}'
"""


def test_journey_from_nothing_to_a_green_offline_test(project: Project, real: Standin) -> None:
    """A test without a cassette fails with the command that records it; once recorded it is green without a service."""
    project.write(ONE)
    first = project.run()
    first.assert_outcomes(failed=1)
    assert "pytest --sagetape-record=once test_it.py::test_one" in text_of(first)
    assert real.arrived == []
    project.run("--sagetape-record=once", "test_it.py::test_one").assert_outcomes(passed=1)
    assert project.tapes() == ["cassettes/test_it/test_one.tape"]
    assert real.bad_signatures == []
    project.run().assert_outcomes(passed=1)
    assert len(real.arrived) == 1


def test_recording_over_http_catches_code_that_makes_its_own_clients(project: Project, real: Standin) -> None:
    """A client made inside the code under test is recorded and replayed through the environment."""
    project.write("""
        @pytest.mark.sagetape
        def test_own():
            assert call() == b'{"number": 1}'
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    assert len(real.arrived) == 1


def test_record_modes_mean_what_vcrpy_means(project: Project, real: Standin) -> None:
    """`once` adds nothing to a cassette, `new_episodes` adds what is new, `none` asks nobody."""
    project.write(ONE)
    project.run("--sagetape-record=once")
    project.write("""
        def test_one(sagemaker_runtime):
            assert ask(sagemaker_runtime) == b'{"number": 1}'
            assert ask(sagemaker_runtime, b'{"new": 1}') == b'{"number": 2}'
    """)
    project.run("--sagetape-record=once").assert_outcomes(failed=1)
    project.run("--sagetape-record=none").assert_outcomes(failed=1)
    assert len(real.arrived) == 1
    project.run("--sagetape-record=new_episodes").assert_outcomes(passed=1)
    assert len(real.arrived) == 2
    project.run().assert_outcomes(passed=1)


def test_rewrite_replaces_a_cassette_after_a_clean_end_only(project: Project, real: Standin) -> None:
    """A run that fails leaves the old recording; one that passes replaces it."""
    project.write(ONE)
    project.run("--sagetape-record=once")
    project.write(ONE.replace("== b'{\"number\": 1}'", "== b'something else'"))
    failed = project.run("--sagetape-record=rewrite")
    failed.assert_outcomes(failed=1)
    assert "no cassette was replaced" in text_of(failed)
    project.write(ONE)
    project.run().assert_outcomes(passed=1)
    project.write(ONE.replace('{"number": 1}', '{"number": 3}'))
    project.run("--sagetape-record=rewrite").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("way", ["variable", "ini"])
def test_ci_is_not_mentioned_where_no_test_has_a_deck(
    project: Project, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A project whose ini file or shell names a mode is left alone in runs that have nothing to do with it."""
    monkeypatch.setenv("CI", "true")
    if way == "variable":
        monkeypatch.setenv("SAGETAPE_RECORD", "once")
    else:
        project.pytester.makeini("[pytest]\nsagetape_record = once\nasyncio_default_fixture_loop_scope = function\n")
    project.write("def test_nothing(): pass")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "sagetape ===" not in text_of(result)


def test_worker_says_what_became_of_the_users_credentials(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of a role cannot be known to a server: the summary says so, once, and what to do."""
    config = tmp_path / "aws-config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} -c pass\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    project.write("""
        @pytest.mark.parametrize("n", range(4))
        @pytest.mark.sagetape(upstream="function:user_models:echo")
        def test_n(sagetape, n):
            pass
    """)
    text = text_of(project.run("--sagetape-record=once"))
    assert text.count("note: The credentials of profile default are temporary") == 1
    assert "To keep yours while recording, make them static: aws configure export-credentials --format env" in text


@pytest.mark.parametrize("way", ["option", "variable", "ini"])
def test_nothing_is_recorded_under_ci(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Under CI a record option is an error, and a variable or an ini line is ignored with a note."""
    monkeypatch.setenv("CI", "true")
    project.write(ONE)
    if way == "option":
        result = project.run("--sagetape-record=once")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "--sagetape-record-in-ci" in "\n".join([*result.outlines, *result.errlines])
    else:
        if way == "variable":
            monkeypatch.setenv("SAGETAPE_RECORD", "once")
        else:
            project.pytester.makeini(
                "[pytest]\nsagetape_record = once\nasyncio_default_fixture_loop_scope = function\n"
            )
        result = project.run()
        result.assert_outcomes(failed=1)
        assert "is ignored under CI" in text_of(result)
    assert real.arrived == []


def test_ci_records_when_it_is_told_to(project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said twice, a CI job records."""
    monkeypatch.setenv("CI", "true")
    project.write(ONE)
    project.run("--sagetape-record=once", "--sagetape-record-in-ci").assert_outcomes(passed=1)
    assert len(real.arrived) == 1


def test_record_mode_is_another_name_while_nobody_owns_it(project: Project, real: Standin) -> None:
    """`--record-mode` works like `--sagetape-record` where no other plugin has it."""
    project.write(ONE)
    project.run("--record-mode=once").assert_outcomes(passed=1)
    assert project.tapes() == ["cassettes/test_it/test_one.tape"]


CLAIMS = """
    def pytest_addoption(parser):
        parser.addoption("{}", default=None)
"""


def test_record_mode_stays_with_its_owner(project: Project, real: Standin) -> None:
    """Another plugin's `--record-mode` is left alone; the header names that plugin and says how to record here."""
    project.pytester.makeconftest(CLAIMS.format("--record-mode"))
    project.write(ONE)
    result = project.run("--record-mode=once")
    result.assert_outcomes(failed=1)
    header = next(line for line in result.outlines if line.startswith("sagetape: --record-mode belongs to"))
    assert str(project.path / "conftest.py") in header
    assert "--sagetape-record=MODE" in header
    assert real.arrived == []


@pytest.mark.alone
@pytest.mark.parametrize("option", ["--sagetape-record", "--sagetape-strict"])
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_conftest_that_claims_our_option_is_named(project: Project, option: str, workers: tuple[str, ...]) -> None:
    """Two owners of one option: one line that names the option, both owners and what can be done; no traceback."""
    project.pytester.makeconftest(CLAIMS.format(option))
    project.write("def test_nothing(): pass")
    result = project.run_apart(*workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (told,) = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert f"{option} is claimed twice" in told
    assert "the plugin 'sagetape' (" in told
    assert f"the conftest {project.path / 'conftest.py'}" in told
    assert "-p no:sagetape" in told
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize("way", ["before", "after", "distribution"])
def test_plugin_that_claims_our_option_is_named(project: Project, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Whether it is loaded before ours, after it, or from a distribution: the message is the same, and names it."""
    project.pytester.makepyfile(claimer=textwrap.dedent(CLAIMS.format("--sagetape-record")))
    project.write("def test_nothing(): pass")
    monkeypatch.setenv("PYTHONPATH", str(project.path), prepend=os.pathsep)
    if way == "after":
        monkeypatch.setenv("PYTEST_PLUGINS", "claimer")
    if way == "distribution":
        described = project.path / "rival-2.5.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 2.5\n")
        (described / "entry_points.txt").write_text("[pytest11]\nclaimer = claimer\n")
    result = project.run_apart(*(("-p", "claimer") if way == "before" else ()))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    told = result.stderr.str()
    assert "--sagetape-record is claimed twice: by the plugin 'sagetape'" in told
    assert f"the plugin 'claimer' ({'rival 2.5, ' if way == 'distribution' else ''}{project.path}" in told
    assert "-p no:claimer or -p no:sagetape" in told


def test_plugins_own_mistake_keeps_its_traceback(project: Project) -> None:
    """A plugin that claims nothing of ours and breaks is told by pytest as ever."""
    project.pytester.makeconftest("def pytest_addoption(parser):\n    raise ValueError('my own mistake')\n")
    project.write("def test_nothing(): pass")
    result = project.run_apart()
    assert "ValueError: my own mistake" in result.stderr.str()
    assert "claimed twice" not in result.stderr.str()


def test_missing_cassette_that_is_named_stops_the_test(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named cassette that is not there: which test, the nearest there is, what to do; under CI also why."""
    project.write("""
        @pytest.mark.sagetape("cahnges")
        def test_named(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    folder = project.path / "cassettes"
    folder.mkdir()
    (folder / "changes.tape").write_bytes(b"")
    result = project.run()
    result.assert_outcomes(errors=1)
    shown = text_of(result)
    assert "test_it.py::test_named" in shown
    assert "changes.tape" in shown
    assert "pytest --sagetape-record=once" in shown
    assert shown.count("no such cassette") == 1
    monkeypatch.setenv("CI", "1")
    told = text_of(project.run()).partition(" ERRORS ")[2].partition("short test summary")[0]
    assert told.count("no such cassette") == 1
    assert "Was the file committed?" in told
    assert "record it on your own machine and commit cassettes/cahnges.tape:  pytest --sagetape-record=once" in told
    assert "--sagetape-record-in-ci" in told


@pytest.mark.parametrize(
    ("test", "tape"),
    [
        ("def test_a(sagemaker_runtime): ask(sagemaker_runtime)", "test_a.tape"),
        ("class TestX:\n    def test_b(self, sagemaker_runtime): ask(sagemaker_runtime)", "TestX.test_b.tape"),
        (
            "@pytest.mark.parametrize('n', ['x'])\ndef test_c(sagemaker_runtime, n): ask(sagemaker_runtime)",
            "test_c-x-?.tape",
        ),
        (
            "@pytest.mark.parametrize('n', ['../../CON:*'])\ndef test_d(sagemaker_runtime, n): ask(sagemaker_runtime)",
            "test_d-..-..-CON-????????.tape",
        ),
    ],
)
def test_cassettes_have_safe_names(project: Project, real: Standin, test: str, tape: str) -> None:
    """Every test's cassette has a name of its own that every file system can hold, beside the test."""
    import fnmatch
    import textwrap

    project.write(textwrap.indent(test, "    "))
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    (found,) = project.tapes()
    pattern = "cassettes/test_it/" + tape.replace("-?.", "*.")
    assert fnmatch.fnmatch(found, pattern), (found, pattern)
    project.run().assert_outcomes(passed=1)
    assert len(real.arrived) == 1


def test_unittest_classes_have_decks(project: Project, real: Standin) -> None:
    """A marked unittest class is recorded and replayed through the environment."""
    project.write("""
        import unittest

        @pytest.mark.sagetape
        class TestOld(unittest.TestCase):
            def test_old(self):
                self.assertEqual(call(), b'{"number": 1}')
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    assert len(real.arrived) == 1


@pytest.mark.alone
def test_xdist_workers_record_parts_that_are_merged(project: Project, real: Standin) -> None:
    """Two workers record into one cassette; afterwards it holds what both recorded, and no part is left."""
    project.write("""
        @pytest.mark.parametrize("n", range(4))
        @pytest.mark.sagetape("shared", allow_unused=True)
        def test_n(sagemaker_runtime, n):
            ask(sagemaker_runtime, b'{"n": %d}' % n)
    """)
    result = project.run_apart("-n2", "--sagetape-record=new_episodes")
    result.assert_outcomes(passed=4)
    assert "recorded: 4 interactions" in text_of(result)
    assert project.tapes() == ["cassettes/shared.tape"]
    assert not (project.path / ".sagetape-parts").exists()
    result = project.run_apart("-n2")
    result.assert_outcomes(passed=4)
    assert "tests: 4 hit" in text_of(result)
    assert len(real.arrived) == 4


@pytest.mark.alone
def test_xdist_loses_nothing_when_a_worker_dies(project: Project, real: Standin) -> None:
    """All that two workers had recorded is in the cassette, also of the one that was killed."""
    text = """
        import os, pathlib, time

        def wait_for(name, request):
            until = time.monotonic() + 30
            while not (pathlib.Path(request.config.rootpath) / name).exists():
                assert time.monotonic() < until

        @pytest.mark.sagetape("shared")
        def test_dies(sagemaker_runtime, request):
            for n in range(3):
                ask(sagemaker_runtime, b'{{"dies": %d}}' % n)
            {}

        @pytest.mark.sagetape("shared")
        def test_lives(sagemaker_runtime, request):
            for n in range(3):
                ask(sagemaker_runtime, b'{{"lives": %d}}' % n)
            (pathlib.Path(request.config.rootpath) / "lived").touch()
    """
    project.write(text.format("wait_for('lived', request); os._exit(1)"))  # so that it is not the other's worker
    result = project.run_apart("-n2", "--sagetape-record=once", "--max-worker-restart=0")
    result.assert_outcomes(passed=1, failed=1)
    assert project.tapes() == ["cassettes/shared.tape"]
    assert not (project.path / ".sagetape-parts").exists()
    assert len(real.arrived) == 6
    project.write(text.format(""))
    result = project.run()
    result.assert_outcomes(passed=2)
    assert "requests: 6 recorded" in text_of(result)


def test_recording_without_credentials_says_what_is_missing(project: Project, service: Standin) -> None:
    """Recording needs credentials; botocore's own error says so and nothing is kept."""
    project.write(ONE)
    result = project.run("--sagetape-record=once")
    result.assert_outcomes(failed=1)
    assert "credentials" in text_of(result)
    assert service.arrived == []


def test_secret_in_an_answer_fails_the_test_and_stays_off_the_disk(
    project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that holds a live secret is passed on, not recorded, and the test says so."""
    from tests.client.standin import SECRET_KEY, as_json

    real.script(as_json({"leak": SECRET_KEY}))
    project.write("""
        def test_leak(sagemaker_runtime):
            assert b"leak" in ask(sagemaker_runtime)
    """)
    result = project.run("--sagetape-record=once")
    result.assert_outcomes(passed=1, errors=1)
    assert "fingerprint" in text_of(result)
    for tape in project.path.rglob("*.tape*"):
        assert SECRET_KEY.encode() not in tape.read_bytes()


def test_order_of_record_sources(project: Project, real: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option beats the variable, the variable the ini line."""
    project.pytester.makeini("[pytest]\nsagetape_record = once\nasyncio_default_fixture_loop_scope = function\n")
    monkeypatch.setenv("SAGETAPE_RECORD", "none")
    project.write(ONE)
    project.run().assert_outcomes(failed=1)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)


def test_cassette_changed_while_it_plays_is_told(project: Project, real: Standin) -> None:
    """A test whose cassette is written or replaced under it fails, with the file's name and what to do."""
    project.write(ONE)
    project.run("--sagetape-record=once")
    project.write("""
        def test_one(sagemaker_runtime, request):
            path = request.path.parent / "cassettes/test_it/test_one.tape"
            copy = path.with_suffix(".copy")
            copy.write_bytes(path.read_bytes())
            copy.replace(path)
            assert ask(sagemaker_runtime) == b'{"number": 1}'
    """)
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    assert "test_one.tape was changed while this test played it" in text_of(result)


def test_a_stream_that_the_test_leaves_is_recorded(project: Project, real: Standin) -> None:
    """Left after one part, never read, or still held: paid for, counted as live, and played afterwards."""
    real.script(stream([frame(b"a"), frame(b"b")]))
    project.write(
        """
        HELD = []

        def start(client):
            return client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")["Body"]

        def test_left(sagemaker_runtime):
            for event in start(sagemaker_runtime):
                break

        def test_never_read(sagemaker_runtime):
            start(sagemaker_runtime)

        def test_held(sagemaker_runtime):
            HELD.append(iter(start(sagemaker_runtime)))
            assert next(HELD[0])["PayloadPart"]["Bytes"] == b"a"
        """
    )
    recording = project.run("--sagetape-record=once")
    recording.assert_outcomes(passed=3)
    assert "3 live" in text_of(recording)
    assert len(project.tapes()) == 3
    project.run().assert_outcomes(passed=3)
    assert len(real.arrived) == 3
