"""A deck for each test: isolation, environment, network, scopes, markers."""

from __future__ import annotations

import os

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project, outcomes_of, text_of

pytest_plugins = ["pytester"]

ECHO = "function:user_models:echo"


def test_swallowed_miss_fails_the_test(project: Project) -> None:
    """A miss fails the test although the code under test caught the exception, with the difference and the remedy."""
    project.write("""
        def test_swallows(sagemaker_runtime):
            try:
                ask(sagemaker_runtime)
            except ClientError:
                pass
    """)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert "No recording answers" in text_of(result)
    assert "--sagetape-record=once" in text_of(result)


def test_miss_shows_the_nearest_recording(project: Project, real: Standin) -> None:
    """The report of a failing test names the nearest recording and what differs, by meaning."""
    text = """
        def test_near(sagemaker_runtime):
            ask(sagemaker_runtime, b'{"customer": %d, "plan": "a"}')
    """
    project.write(text % 7)
    project.run("--sagetape-record=once")
    project.write(text % 8)
    result = project.run()
    result.assert_outcomes(failed=1)
    section = text_of(result).partition("\n1 request of test_it.py::test_near had no recorded answer.")[2]
    assert "  Nearest: interaction 0 in test_near.tape, recorded " in section
    assert "  First difference: body, $.customer: recorded 7, asked 8 (1 apart).\n" in section
    assert "Record it:  pytest --sagetape-record=new_episodes test_it.py::test_near\n" in section


def test_allow_misses_lets_a_test_expect_one(project: Project) -> None:
    """A test that is about a miss says so, and passes."""
    project.write("""
        @pytest.mark.sagetape(allow_misses=True)
        def test_expects(sagetape, sagemaker_runtime):
            with pytest.raises(ClientError, match="SagetapeMiss"):
                ask(sagemaker_runtime)
            assert len(sagetape.misses) == 1
    """)
    project.run().assert_outcomes(passed=1)


def test_environment_is_set_and_restored(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are those of `sagetape exec`, and are as before afterwards."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
    before = dict(os.environ)
    project.write("""
        import os

        def test_inside(sagetape):
            assert os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"] == sagetape.url
            assert os.environ["AWS_ACCESS_KEY_ID"].startswith("SAGETAPE")
            assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"
            assert "AWS_PROFILE" not in os.environ
            assert "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" not in os.environ
            assert "127.0.0.1" in os.environ["NO_PROXY"]
            assert sagetape.environ["AWS_REGION"]

        def test_outside():
            assert os.environ["AWS_PROFILE"] == "mine"
            assert "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME" not in os.environ
    """)
    project.run().assert_outcomes(passed=2)
    assert {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"} == {
        k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"
    }


def test_decks_are_fresh_and_shared_by_every_way_in(project: Project) -> None:
    """The client of the fixture, an own client and an attached one reach one deck; the next test has another."""
    project.write(f"""
        @pytest.mark.sagetape(upstream="{ECHO}")
        @pytest.mark.parametrize("n", [1, 2])
        def test_ways(sagetape, sagemaker_runtime, n):
            ask(sagemaker_runtime)
            call()
            own = boto3.Session(region_name="us-east-1").client("sagemaker-runtime", endpoint_url="http://127.0.0.1:1")
            sagetape.attach(own)
            ask(own)
            ask(sagetape.client())
            assert [entry.number for entry in sagetape.journal] == [1, 2, 3, 4]
            assert [request.endpoint for request in sagetape.requests] == ["churn"] * 4
    """)
    project.run().assert_outcomes(passed=2)


def test_network_is_blocked_while_a_cassette_plays(project: Project) -> None:
    """A client that was made before the deck is stopped, with the test's name and what to do."""
    project.write("""
        EARLY = boto3.client(
            "sagemaker-runtime", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )

        @pytest.mark.sagetape
        def test_early():
            ask(EARLY)
    """)
    result = project.run()
    result.assert_outcomes(failed=1)
    shown = text_of(result)
    assert "runtime.sagemaker.us-east-1.amazonaws.com" in shown
    assert "test_it.py::test_early tried to reach" in shown
    assert "sagetape.attach(client)" in shown
    assert "blocked: a connection to" in shown


def test_network_guard_lets_loopback_and_listed_hosts_pass(project: Project) -> None:
    """Loopback is always open; a host that is listed is open for that test alone; addresses are as good as names."""
    project.write("""
        import socket
        from sagetape.pytest_plugin.guard import NetworkBlocked

        def connect(address):
            with socket.socket() as one:
                one.settimeout(0.001)
                one.connect(address)

        @pytest.mark.sagetape
        def test_loopback():
            with pytest.raises(ConnectionRefusedError):
                connect(("127.0.0.1", 1))

        @pytest.mark.sagetape(allow_hosts=["192.0.2.*"])
        def test_listed():
            with pytest.raises(OSError):
                connect(("192.0.2.1", 9))
            with pytest.raises(NetworkBlocked):
                connect(("198.51.100.1", 9))

        @pytest.mark.sagetape
        def test_not_listed():
            with pytest.raises(NetworkBlocked, match="allow-host=192.0.2.1"):
                connect(("192.0.2.1", 9))

        @pytest.mark.sagetape
        def test_names():
            with pytest.raises(NetworkBlocked, match="example.invalid"):
                socket.getaddrinfo("example.invalid", 80)

        def test_open():
            with pytest.raises(OSError):
                socket.getaddrinfo("example.invalid", 80)
    """)
    project.run().assert_outcomes(passed=5)


@pytest.mark.parametrize("way", ["http", "in-process"])
def test_client_that_outlives_its_test_is_told(project: Project, way: str) -> None:
    """A client kept in a module from one test to the next names the test that it was made for."""
    make = 'boto3.client("sagemaker-runtime")' if way == "http" else "sagemaker_runtime"
    project.write(f"""
        KEPT = []

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_makes(sagemaker_runtime):
            KEPT.append({make})
            ask(KEPT[0])

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_uses(sagetape):
            ask(KEPT[0])
    """)
    result = project.run("--dist=loadfile")
    result.assert_outcomes(passed=1, failed=1)
    assert "deck of test_it.py::test_makes" in text_of(result)
    assert 'scope="module"' in text_of(result)


@pytest.mark.parametrize("way", ["http", "in-process", "stream"])
def test_late_call_whose_error_is_swallowed_is_a_finding(project: Project, way: str) -> None:
    """It names both tests and the remedy, fails a strict run, and comes from a worker too."""
    make = 'boto3.client("sagemaker-runtime")' if way == "http" else "sagemaker_runtime"
    operation = "invoke_endpoint_with_response_stream" if way == "stream" else "invoke_endpoint"
    project.write(f"""
        KEPT = []

        def use(client):
            answer = client.{operation}(EndpointName="churn", Body=b"{{}}")
            return answer["Body"].read() if "{way}" != "stream" else KEPT.append(iter(answer["Body"]))

        @pytest.mark.sagetape(upstream="function:user_models:documents")
        def test_makes(sagemaker_runtime):
            KEPT.append({make})
            use(KEPT[0])

        def test_uses():
            try:
                next(KEPT[1]) if "{way}" == "stream" else use(KEPT[0])
            except Exception as error:
                print(error)
    """)
    result = project.run("--dist=loadfile", "--sagetape-strict")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["FAILED: test_it.py::test_makes: a client of its deck called while test_it.py::test_uses ran,*each test*"]
    )


def test_scope_shares_one_deck(project: Project, real: Standin) -> None:
    """The tests of a module with one scope share a deck and a cassette named after the module."""
    project.write("""
        pytestmark = pytest.mark.sagetape(scope="module")

        def test_first(sagetape, sagemaker_runtime):
            assert ask(sagemaker_runtime) == b'{"number": 1}'

        def test_second(sagetape, sagemaker_runtime):
            assert ask(sagemaker_runtime) == b'{"number": 2}'
            assert len(sagetape.journal) == 2
    """)
    project.run("--sagetape-record=once", "--dist=loadfile").assert_outcomes(passed=2)
    assert project.tapes() == ["cassettes/test_it.tape"]
    result = project.run("--dist=loadfile")
    result.assert_outcomes(passed=2)
    assert "tests: 2 on 1 deck: 1 hit" in text_of(result)


def test_class_scope_names_the_class(project: Project, real: Standin) -> None:
    """A class's tests share one cassette with the class's name."""
    project.write("""
        @pytest.mark.sagetape(scope="class")
        class TestTalk:
            def test_a(self, sagemaker_runtime):
                assert ask(sagemaker_runtime) == b'{"number": 1}'

            def test_b(self, sagetape, sagemaker_runtime):
                assert ask(sagemaker_runtime) == b'{"number": 2}'
                assert len(sagetape.journal) == 2
    """)
    project.run("--sagetape-record=once", "--dist=loadscope").assert_outcomes(passed=2)
    assert project.tapes() == ["cassettes/test_it/TestTalk.tape"]
    result = project.run("--dist=loadscope")
    result.assert_outcomes(passed=2)
    assert "tests: 2 on 1 deck: 1 hit; requests: 2 recorded" in text_of(result)


def test_marker_arguments_reach_the_deck(project: Project) -> None:
    """Clock, seed, faults, endpoints and matching are the marker's."""
    project.write(f"""
        @pytest.mark.sagetape(
            endpoints={{"churn": {{"upstream": "{ECHO}", "sessions": True}}}},
            seed=7, clock="2026-01-15T12:30:00+00:00", faults=["throttle:position=2"],
        )
        def test_all(sagetape, sagemaker_runtime):
            opened = sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{{}}", SessionId="NEW_SESSION")
            assert "Expires=2026-01-15T12:50:00Z" in opened["NewSessionId"]
            ask(sagemaker_runtime)
            assert sagetape.journal[1].source == "fault"
            assert sagetape.seed == 7
            sagetape.advance(1300)
            with pytest.raises(ClientError):
                ask(sagemaker_runtime, SessionId=opened["NewSessionId"].partition(";")[0])

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_fault(sagetape, sagemaker_runtime):
            sagetape.fault("model-error", status=503)
            with pytest.raises(sagemaker_runtime.exceptions.ModelError):
                ask(sagemaker_runtime)
            sagetape.clear_faults()
            ask(sagemaker_runtime)
    """)
    project.run().assert_outcomes(passed=2)


def test_match_rules_of_the_marker_are_recorded_and_played(project: Project, real: Standin) -> None:
    """A place that the marker ignores may differ at replay."""
    text = """
        @pytest.mark.sagetape(match={"ignore_paths": ["when"]})
        def test_ignores(sagemaker_runtime):
            ask(sagemaker_runtime, b'{"when": %d, "x": 1}')
    """
    project.write(text % 1)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.write(text % 2)
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("upstreams=1", "Did you mean upstream?"),
        ("scope='package'", "none of function, class, module, session"),
        ("server='fork'", "none of thread, process"),
        ("faults=['throtle']", "Did you mean 'throttle'?"),
        ("upstream='functoin:a:b'", "did you mean 'function:a:b'?"),
        ("match={'ignore_path': []}", "ignore_paths"),
    ],
)
def test_wrong_marker_is_said_with_the_test(project: Project, marker: str, message: str) -> None:
    """A mistake in a marker names the test and the nearest word that would have worked."""
    project.write(f"""
        @pytest.mark.sagetape({marker})
        def test_wrong(sagetape):
            pass
    """)
    result = project.run()
    result.assert_outcomes(errors=1)
    assert "test_it.py::test_wrong" in text_of(result)
    assert message in text_of(result)


def test_server_in_a_process_of_its_own(project: Project, real: Standin) -> None:
    """The same test against a separate process: recorded, replayed, with its requests and verdict."""
    project.write("""
        @pytest.mark.sagetape(server="process")
        def test_apart(sagetape, sagemaker_runtime):
            assert call() == b'{"number": 1}'
            sagetape.assert_invoked("churn", times=1, body={})
            with pytest.raises(Exception, match="process of its own"):
                sagetape.attach(sagemaker_runtime)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "tests: 1 hit" in text_of(result)


def test_assertions_say_what_was_sent(project: Project) -> None:
    """`assert_invoked` compares by meaning and shows every request when it fails; `assert_no_misses` shows misses."""
    project.write(f"""
        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_right(sagetape, sagemaker_runtime):
            ask(sagemaker_runtime, b'{{ "b": 1.0, "a": [1] }}')
            sagetape.assert_invoked("churn", times=1, body={{"a": [1], "b": 1}})
            sagetape.assert_invoked("churn", body=b'{{"a":[1],"b":1}}')
            sagetape.assert_invoked("other", times=0)
            sagetape.assert_no_misses()
            assert sagetape.requests[0].json() == {{"a": [1], "b": 1}}

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_wrong(sagetape, sagemaker_runtime):
            ask(sagemaker_runtime, b'{{"customer": 7}}')
            sagetape.assert_invoked("churn", body={{"customer": 8}})

        def test_nothing(sagetape):
            sagetape.assert_invoked("churn")

        def test_missed(sagetape, sagemaker_runtime):
            with pytest.raises(ClientError):
                ask(sagemaker_runtime)
            sagetape.assert_no_misses()
    """)
    result = project.run()
    result.assert_outcomes(passed=1, failed=3)
    shown = text_of(result)
    assert "customer" in shown
    assert "Nothing was invoked" in shown
    assert "had no recorded answer" in shown


def test_rechunk_marker_finds_a_parser_that_takes_parts_for_documents(project: Project) -> None:
    """The parser passes as recorded and fails where a document is cut; the right one passes everywhere."""
    project.write("""
        import json

        def parts(client):
            answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")
            return [event["PayloadPart"]["Bytes"] for event in answer["Body"]]

        @pytest.mark.sagetape(upstream="function:user_models:documents")
        @pytest.mark.sagetape_rechunk("byte", "line", seed=3)
        def test_naive(sagemaker_runtime):
            assert [json.loads(part)["token"] for part in parts(sagemaker_runtime)] == ["0", "1", "2"]

        @pytest.mark.sagetape(upstream="function:user_models:documents")
        @pytest.mark.sagetape_rechunk
        def test_right(sagemaker_runtime, sagetape_rechunk):
            found = parts(sagemaker_runtime)
            assert b"".join(found) == b'{"token": "0"}{"token": "1"}{"token": "2"}'
            assert len(found) == {None: 3, "byte": 42, "character": 3}.get(sagetape_rechunk, len(found))

        @pytest.mark.sagetape(upstream="function:user_models:documents", rechunk="byte")
        def test_option(sagetape, sagemaker_runtime):
            assert len(parts(sagemaker_runtime)) == 42

        @pytest.mark.sagetape(upstream="function:user_models:documents")
        def test_method(sagetape, sagemaker_runtime):
            sagetape.rechunk("byte")
            assert len(parts(sagemaker_runtime)) == 42
    """)
    result = project.run("-v")
    result.assert_outcomes(passed=8, failed=2)
    ended = outcomes_of(result)
    assert ended["test_it.py::test_naive[rechunk=recorded]"] == "PASSED"
    assert ended["test_it.py::test_naive[rechunk=byte]"] == "FAILED"


def test_rechunked_runs_share_the_cassette(project: Project, real: Standin) -> None:
    """Every cut of a test plays the one recording of it."""
    from tests.client.standin import frame, stream

    real.answer = lambda arrived: stream([frame(b"a b"), frame(b"c d")])
    project.write("""
        def parts(client):
            answer = client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")
            return b"".join(event["PayloadPart"]["Bytes"] for event in answer["Body"])

        @pytest.mark.sagetape_rechunk("byte", "byte")  # a cut that is named twice is made once
        @pytest.mark.parametrize("n", [1])
        def test_cut(sagemaker_runtime, n):
            assert parts(sagemaker_runtime) == b"a bc d"
    """)
    project.run("--sagetape-record=once", "-k", "recorded").assert_outcomes(passed=1)
    assert len(project.tapes()) == 1
    project.run().assert_outcomes(passed=2)
    assert len(real.arrived) == 1


def test_wrong_cut_is_said_at_collection(project: Project) -> None:
    """An unknown cut names the test and the cuts that there are."""
    project.write("""
        @pytest.mark.sagetape_rechunk("words")
        def test_cut(sagetape):
            pass
    """)
    result = project.run()
    assert "has no 'words'" in text_of(result)
    assert "character, line, byte, anywhere" in text_of(result)


def test_async_tests_of_pytest_asyncio_have_decks(project: Project) -> None:
    """An asynchronous test's deck answers its clients, made inside or by the fixture."""
    project.write(f"""
        import asyncio

        @pytest.mark.asyncio
        @pytest.mark.sagetape(upstream="{ECHO}")
        async def test_async(sagetape, sagemaker_runtime):
            assert await asyncio.to_thread(call) == b'{{"echo":"{{}}"}}'
            assert ask(sagemaker_runtime) == b'{{"echo":"{{}}"}}'
    """)
    project.run().assert_outcomes(passed=1)


def test_async_tests_of_anyio_have_decks(project: Project) -> None:
    """The same with anyio's plugin."""
    pytest.importorskip("anyio", reason="anyio is not installed: pip install anyio")
    project.write(f"""
        @pytest.mark.anyio
        @pytest.mark.sagetape(upstream="{ECHO}")
        async def test_async(sagemaker_runtime):
            assert ask(sagemaker_runtime) == b'{{"echo":"{{}}"}}'

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
    """)
    project.run("-p", "anyio").assert_outcomes(passed=1)


def test_parallel_threads_have_their_own_takes(project: Project, real: Standin) -> None:
    """Under pytest-run-parallel every thread plays the recording from its beginning."""
    pytest.importorskip("pytest_run_parallel", reason="pytest-run-parallel is not installed")
    project.write("""
        def test_takes(sagemaker_runtime):
            assert ask(sagemaker_runtime) == b'{"number": 1}'
            assert ask(sagemaker_runtime) == b'{"number": 2}'
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.run_apart("-p", "pytest_run_parallel.plugin", "--parallel-threads=4").assert_outcomes(passed=1)


PARALLEL = ("-p", "pytest_run_parallel.plugin")


@pytest.mark.parametrize(
    ("marker", "options", "how"),
    [
        ("", ("--parallel-threads=4",), "with --parallel-threads=1"),
        ("@pytest.mark.force_parallel_threads(4)", (), "without its marker force_parallel_threads"),
    ],
)
def test_parallel_threads_record_nothing(
    project: Project, real: Standin, marker: str, options: tuple[str, ...], how: str
) -> None:
    """Each thread would record takes that no replay plays; a test that is not run in parallel is recorded."""
    project.write(f"""
        {marker}
        def test_it(sagemaker_runtime):
            ask(sagemaker_runtime)

        @pytest.mark.thread_unsafe
        def test_alone(sagemaker_runtime):
            ask(sagemaker_runtime)
    """)
    result = project.run_apart(*PARALLEL, *options, "--sagetape-record=once")
    result.assert_outcomes(passed=1, errors=1)
    assert f"test_it.py::test_it: its 4 threads would each record what is to be recorded once. Record it {how}" in (
        text_of(result)
    )
    assert len(real.arrived) == 1


def test_miss_over_http_in_parallel_threads_names_the_client_that_helps(project: Project, real: Standin) -> None:
    """Calls over HTTP use up the takes together, so the threads that come late miss; the command records alone."""
    project.write("""
        def test_it(sagetape):
            call()
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    result = project.run_apart(*PARALLEL, "--parallel-threads=4")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = text_of(result)
    assert "This test runs in 4 threads, which over HTTP use up its takes together." in text
    assert "sagemaker_runtime, or one that sagetape.attach(client) answers." in text
    assert "pytest --sagetape-record=new_episodes --parallel-threads=1 test_it.py::test_it" in text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork_in_the_middle_names_the_test(project: Project) -> None:
    """A forked child's in-process call names the test and the way that works; its HTTP calls are seen."""
    project.write(f"""
        import os

        @pytest.mark.filterwarnings("ignore")
        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_forks(sagetape, sagemaker_runtime):
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    ask(sagemaker_runtime)
                except BaseException as error:
                    os.write(writing, str(error).encode())
                os._exit(0)
            os.waitpid(child, 0)
            text = os.read(reading, 2000).decode()
            assert "test_it.py::test_forks" in text
            assert "make its own client" in text
            os.close(reading), os.close(writing)
    """)
    project.run().assert_outcomes(passed=1)


def test_default_session_does_not_leak_between_tests(project: Project) -> None:
    """boto3's default session, which remembers its first credentials, is a fresh one in every test with a deck."""
    project.write(f"""
        def test_before():
            boto3.setup_default_session(aws_access_key_id="REALKEY", aws_secret_access_key="x", region_name="eu-west-1")

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_with_a_deck():
            assert call()

        def test_after():
            assert boto3.DEFAULT_SESSION.region_name == "eu-west-1"
    """)
    project.run().assert_outcomes(passed=3)


def test_open_session_is_told(project: Project) -> None:
    """A test that opens a session and never closes it is told at the end."""
    project.write(f"""
        @pytest.mark.sagetape(endpoints={{"churn": {{"upstream": "{ECHO}", "sessions": True}}}})
        def test_leaks(sagemaker_runtime):
            sagemaker_runtime.invoke_endpoint(EndpointName="churn", Body=b"{{}}", SessionId="NEW_SESSION")
    """)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "test_it.py::test_leaks: session" in text_of(result)
    assert "was opened and not closed" in text_of(result)


@pytest.mark.parametrize("hook", ["pytest_collection_modifyitems(items)", "pytest_itemcollected(item)"])
def test_marker_that_a_conftest_adds_counts(project: Project, real: Standin, hook: str) -> None:
    """A test that is marked after it was collected has its deck, and does not reach the service."""
    several = "items" if "items" in hook else "[item]"
    project.pytester.makeconftest(f"""
        import pytest

        def {hook}:
            for one in {several}:
                one.add_marker(pytest.mark.sagetape("churn"))
    """)
    project.write("""
        def test_asks():
            call()
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    assert project.tapes() == ["cassettes/churn.tape"]
    project.run("--sagetape-strict").assert_outcomes(passed=1)
    assert len(real.arrived) == 1


def test_users_own_fixture_of_our_name_has_no_deck(project: Project, real: Standin) -> None:
    """A project's own `sagemaker_runtime` is the project's: nothing is put in its way."""
    project.write("""
        import os

        @pytest.fixture
        def sagemaker_runtime():
            return os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"]

        def test_own(sagemaker_runtime):
            assert "/deck/" not in sagemaker_runtime
    """)
    project.run().assert_outcomes(passed=1)
    project.write("""
        @pytest.fixture
        def sagemaker_runtime(sagemaker_runtime):
            return sagemaker_runtime

        @pytest.fixture
        def early():
            return boto3.client("sagemaker-runtime")

        def test_extended(early, sagemaker_runtime):
            ask(sagemaker_runtime)
            ask(early)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=1)
    project.run("--sagetape-strict").assert_outcomes(passed=1)


def test_rechunk_of_a_unittest_method_is_refused(project: Project) -> None:
    """pytest runs such a test once: it would be green without one cut."""
    project.write("""
        import unittest

        class TestOld(unittest.TestCase):
            @pytest.mark.sagetape_rechunk
            def test_old(self):
                pass
    """)
    result = project.run()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "test_it.py::TestOld::test_old: sagetape_rechunk runs a test several times" in text_of(result)


def test_late_calls_are_told_once(project: Project) -> None:
    """A client that goes on calling while another test is set up, called and torn down is one finding."""
    project.write(f"""
        KEPT = []

        def call_late():
            with pytest.raises(Exception, match="is closed"):
                ask(KEPT[0])

        @pytest.mark.sagetape(upstream="{ECHO}")
        def test_leaves(sagemaker_runtime):
            KEPT.append(sagemaker_runtime)

        @pytest.fixture
        def around():
            call_late()
            yield
            call_late()

        def test_other(around):
            call_late()
    """)
    result = project.run("--dist=loadfile")
    result.assert_outcomes(passed=2)
    assert text_of(result).count("called while test_it.py::test_other ran") == 1
