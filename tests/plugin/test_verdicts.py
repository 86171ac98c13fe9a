"""The verdict of a run: on the terminal, in files, and as the exit code of a strict run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from sagetape.core.reports.html import html_report
from sagetape.core.verdict import CassetteUse, Prices, RunVerdict, Unread, Unvisited, Verdict
from sagetape.shell.store import Cassette
from tests.client.standin import Standin
from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

TWO = """
    def test_two(sagemaker_runtime):
        ask(sagemaker_runtime, b'{"n": 1}')
        ask(sagemaker_runtime, b'{"n": 2}')
"""
HALF = """
    def test_two(sagemaker_runtime):
        ask(sagemaker_runtime, b'{"n": 1}')
"""


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ({"recorded": 2}, "hit"),
        ({"recorded": 1, "live": 1}, "partial"),
        ({"recorded": 1, "miss": 1, "live": 1}, "miss"),
        ({"live": 1}, "live"),
        ({"local": 1, "fault": 2, "refused": 1, "emulated": 1}, "hit"),
        ({}, "idle"),
    ],
)
def test_word_follows_from_the_counts(counts: dict[str, int], word: str) -> None:
    """The word is that of the worst thing that happened; what a test asked for itself makes nothing worse."""
    assert Verdict(counts=counts).word == word


def test_verdict_survives_its_journey_between_processes() -> None:
    """A verdict that became JSON and came back is the same."""
    whole = Verdict(
        name="t",
        counts={"recorded": 1},
        kept=2,
        cassettes=(CassetteUse("a.tape", 3, (0, 2)),),
        unread=(Unread("llm", 1, 3),),
        unvisited=(Unvisited("lane", (1, 2)),),
        open_sessions=("s",),
        damage=("d",),
        warnings=("w",),
        misses=("m",),
        failures=("f",),
        blocked=("h",),
        seconds_saved=1.5,
        money_saved=0.25,
        allow_unused=True,
    )
    assert Verdict.from_dict(json.loads(json.dumps(whole.as_dict()))) == whole


def test_run_adds_up_what_its_tests_played() -> None:
    """An interaction that any test played is not unused, however many left it."""
    run = RunVerdict(
        (
            Verdict("a", cassettes=(CassetteUse("x.tape", 3, (0,)),), seconds_saved=1.0),
            Verdict("b", cassettes=(CassetteUse("x.tape", 3, (1,)),), seconds_saved=2.0, money_saved=0.5),
        ),
        unused_files=("y.tape",),
    )
    assert run.cassettes == (CassetteUse("x.tape", 3, (0, 1)),)
    assert run.complaints == ("x.tape: 1 of 3 interactions were never played", "y.tape: no test uses it")
    assert (run.seconds_saved, run.money_saved) == (3.0, 0.5)


def test_prices_are_per_endpoint() -> None:
    """An endpoint without a price of its own has the default one."""
    assert [Prices({"a": 2.0}, 0.5).of(name) for name in ("a", "b")] == [2.0, 0.5]


def test_strict_run_fails_on_what_is_unused(project: Project, real: Standin) -> None:
    """Unplayed interactions are warned of, fail a strict run, and are forgiven where the marker says so."""
    project.write(TWO)
    project.run("--sagetape-record=once")
    project.write(HALF)
    loose = project.run()
    loose.assert_outcomes(passed=1)
    assert loose.ret == 0
    assert "warning: cassettes/test_it/test_two.tape: 1 of 2 interactions were never played" in text_of(loose)
    strict = project.run("--sagetape-strict")
    assert strict.ret == 1
    assert "FAILED: cassettes/test_it/test_two.tape" in text_of(strict)
    project.write("\n    @pytest.mark.sagetape(allow_unused=True)" + HALF)
    assert project.run("--sagetape-strict").ret == 0


def test_damaged_cassette_is_told_with_the_verdict(project: Project, real: Standin) -> None:
    """A cassette that ends too early: the test that needs no more of it passes, the summary and a strict run tell."""
    project.write(TWO)
    project.run("--sagetape-record=once")
    project.write(HALF)
    tape = project.path / project.tapes()[0]
    with Cassette.open(tape) as cassette:
        last = max(one.offset for one in cassette.summaries())
    tape.write_bytes(tape.read_bytes()[: last + 45])
    result = project.run("--sagetape-report=report.json")
    assert result.ret == 0
    assert "cassettes damaged in 1 place" in text_of(result)
    assert "an unfinished record of 45 bytes" in text_of(result)
    assert len(json.loads((project.path / "report.json").read_text())["damage"]) == 1
    assert project.run("--sagetape-strict").ret == 1


def test_strict_may_stand_in_the_ini_file(project: Project, real: Standin) -> None:
    """`sagetape_strict = true` is the same."""
    project.write(TWO)
    project.run("--sagetape-record=once")
    project.write(HALF)
    project.pytester.makeini("[pytest]\nsagetape_strict = true\nasyncio_default_fixture_loop_scope = function\n")
    assert project.run().ret == 1


def test_files_that_no_test_uses_are_named(project: Project, real: Standin) -> None:
    """A cassette beside the others that no test opens is told, but not when only some tests ran."""
    project.write(ONE_AND_OTHER)
    project.run("--sagetape-record=once")
    project.write(ONE_AND_OTHER.partition("def test_other")[0])
    assert "test_other.tape: no test uses it" in text_of(project.run())
    assert "no test uses it" not in text_of(project.run("-k", "one"))


@pytest.mark.parametrize("way", ["attach(sagemaker_runtime, path)", "Emulator(path)"])
def test_files_that_a_test_opens_itself_are_used(project: Project, real: Standin, way: str) -> None:
    """By `attach` or an `Emulator`: the plugin's own decks are not the only ones."""
    project.write(ONE_AND_OTHER)
    project.run("--sagetape-record=once")
    project.write(f"""
        from sagetape import Emulator, attach

        def test_one(sagemaker_runtime):
            ask(sagemaker_runtime)

        def test_opens(request):
            path = request.path.parent / "cassettes/test_it/test_other.tape"
            with {way.replace("sagemaker_runtime", 'boto3.client("sagemaker-runtime", region_name="us-east-1")')}:
                pass
    """)
    result = project.run("--sagetape-strict")
    result.assert_outcomes(passed=2)
    assert result.ret == 0, text_of(result)


ONE_AND_OTHER = """
    def test_one(sagemaker_runtime):
        ask(sagemaker_runtime)

    def test_other(sagemaker_runtime):
        ask(sagemaker_runtime)
"""


def test_unread_parts_are_told(project: Project) -> None:
    """A stream that the code left in the middle is told with its parts."""
    project.write("""
        @pytest.mark.sagetape(upstream="function:user_models:documents")
        def test_leaves(sagetape, sagemaker_runtime):
            pass
    """)
    project.run().assert_outcomes(passed=1)
    project.write("""
        from sagetape import attach

        def stream(client):
            return client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"{}")["Body"]

        def test_records(tmp_path_factory, request):
            client = boto3.Session(region_name="us-east-1").client("sagemaker-runtime")
            path = request.path.parent / "cassettes" / "llm.tape"
            with attach(client, path, mode="once", upstream="function:user_models:documents"):
                list(stream(client))

        @pytest.mark.sagetape("llm")
        def test_leaves(sagemaker_runtime):
            next(iter(stream(sagemaker_runtime)))
    """)
    assert "test_leaves: 2 of 3 parts of a stream of llm were not read" in text_of(project.run("--dist=loadfile"))


def test_reports_are_written_as_json_html_and_junit(project: Project, real: Standin) -> None:
    """One run gives all three forms; prices come from the ini file."""
    project.pytester.makeini(
        "[pytest]\nsagetape_prices =\n    churn = 0.25\n    * = 1\nasyncio_default_fixture_loop_scope = function\n"
    )
    project.write(TWO)
    project.run("--sagetape-record=once")
    result = project.run(
        "--sagetape-report=out/v.json",
        "--sagetape-report=out/v.html",
        "--junit-xml=out/j.xml",
        "-o",
        "junit_family=xunit1",
    )
    result.assert_outcomes(passed=1)
    assert "0.5 in calls" in text_of(result)
    report = json.loads((project.path / "out/v.json").read_text())
    assert report["words"] == {"hit": 1}
    assert report["tests"][0]["name"] == "test_it.py::test_two"
    assert report["money_saved"] == 0.5
    assert "test_it.py::test_two" in (project.path / "out/v.html").read_text()
    junit = (project.path / "out/j.xml").read_text()
    assert '<property name="sagetape_verdict" value="hit"' in junit
    assert '<property name="sagetape_recorded" value="2"' in junit


@pytest.mark.parametrize(
    ("line", "message"),
    [("churn: 2", "churn = 0.002"), ("churn = x", "churn = 0.002"), ("churn = -1", "churn = 0.002")],
)
def test_wrong_price_is_a_usage_error(project: Project, line: str, message: str) -> None:
    """A line that is no price is shown with one that is."""
    project.pytester.makeini(f"[pytest]\nsagetape_prices =\n    {line}\n")
    project.write(HALF)
    result = project.run("--sagetape-report=x.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in "\n".join([*result.outlines, *result.errlines])


def test_report_of_an_unknown_form_is_a_usage_error(project: Project) -> None:
    """The form is told by the name's end, and the message names those that there are."""
    project.write(HALF)
    result = project.run("--sagetape-report=verdict.xml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert ".json or .html" in "\n".join([*result.outlines, *result.errlines])


@pytest.mark.alone
def test_summary_is_the_controllers_under_xdist(project: Project, real: Standin) -> None:
    """With workers there is one summary, with every worker's tests."""
    project.write("""
        @pytest.mark.parametrize("number", range(4))
        def test_asks(sagemaker_runtime, number):
            ask(sagemaker_runtime, b"%d" % number)
    """)
    project.run("--sagetape-record=once").assert_outcomes(passed=4)
    result = project.run_apart("-n2", "-v")
    result.assert_outcomes(passed=4)
    assert {f"[gw{worker}]" for worker in range(2)} <= set(text_of(result).split())
    assert text_of(result).count("tests: 4 hit; requests: 4 recorded") == 1


@pytest.mark.alone  # its workers start warm: they have imported everything
def test_run_without_a_deck_says_nothing(project: Project) -> None:
    """Tests that do not use the plugin see no section of it, and it imports nothing for them."""
    project.pytester.makepyfile("""
        import sys

        def test_plain():
            heavy = [name for name in sys.modules if name.startswith("sagetape.") and name != "sagetape.testing"]
            assert set(heavy) <= {"sagetape.version"}
            assert {"boto3", "botocore", "aiohttp", "msgpack", "uvloop"}.intersection(sys.modules) == set()
    """)
    result = project.run_cold("-p", "no:asyncio", "-k", "plain", "-c", "/dev/null", f"--rootdir={project.path}")
    result.assert_outcomes(passed=1)
    assert "sagetape ===" not in text_of(result)


# --- the page -----------------------------------------------------------------------------------------------------


class Strict(HTMLParser):
    """Collects what a page would load, run or show."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


HOSTILE = "</pre></td><script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[31m\u202e\"'&"


def test_page_takes_hostile_texts_as_texts() -> None:
    """Markup in a test's name, a miss or a path is shown and never interpreted; control characters are named."""
    page = html_report(
        RunVerdict(
            (Verdict(HOSTILE, {"miss": 1}, misses=(HOSTILE,), failures=(HOSTILE,), blocked=(HOSTILE,)),),
            unused_files=(HOSTILE,),
            notes=(HOSTILE,),
        ),
        version=HOSTILE,
    )
    strict = Strict()
    strict.feed(page)
    assert not strict.tags & {"script", "img", "link", "iframe", "object", "svg", "form"}
    assert not [name for name in strict.attributes if name.startswith("on") or name in ("src", "href", "srcset")]
    assert "&lt;script&gt;" in page
    assert not re.search(r"[\x00-\x08\x1b\u202e]", page)


def test_page_is_self_contained() -> None:
    """Nothing in the page points anywhere else, and its policy forbids what would."""
    page = html_report(RunVerdict(()), version="0")
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|url\(|@import", page)
