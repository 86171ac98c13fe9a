"""A batch: JSON Lines in and out, in order, each failure its own line, resumed with nothing asked twice."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sagetape_client.batch import read_line
from sagetape_client.cli import invoke
from sagetape_client.errors import ParameterError
from sagetape_client.journal import digest, digest_defaults, journal_path, read_progress
from sagetape_client.progress import Bar, Summary, bar_text, percentiles
from tests.client.standin import Answer, Arrived, Standin, as_json, error
from tests.client.test_contract import python_path

E = digest_defaults({"EndpointName": "e"})
"""What the argument adds to every line of these batches."""


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_batch(path: Path, count: int) -> Path:
    """A batch of that many lines, each with its number as the body."""
    path.write_text("".join(json.dumps({"Body": str(number)}) + "\n" for number in range(1, count + 1)))
    return path


def run(service: Standin, *args: str, stdin: str | None = None) -> Any:
    environ: dict[str, str | None] = dict(service.environ())
    return CliRunner().invoke(invoke, list(args), input=stdin, env=environ)


def test_batch_keeps_the_order(service: Standin, environ: Any, tmp_path: Path) -> None:
    """Answers come in the input's order although later lines are answered first."""
    first = threading.Event()

    def answer(arrived: Arrived) -> Answer:
        if arrived.body == b"1":
            first.wait(5)
        elif arrived.body == b"4":
            first.set()
        return as_json({"n": int(arrived.body)})

    service.answer = answer
    done = run(service, "e", "--batch", str(write_batch(tmp_path / "in", 20)), "--concurrency", "4")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert list(range(1, 21)) == [a["line"] for a in answers] == [json.loads(a["Body"])["n"] for a in answers]
    assert "20 answered, 0 failed; 20 in" in done.stderr
    assert all(word in done.stderr for word in ("p50", "p90", "p99", "max"))


def test_batch_goes_on_after_bad_lines(service: Standin, environ: Any, tmp_path: Path) -> None:
    """Lines without sense and one that the service refuses are named by number; the rest is answered."""
    batch = tmp_path / "in"
    batch.write_bytes(
        b'{"Body": "1"}\noops\n\n[1]\n{"Boody": 1}\n{"Body": "boom"}\n{"Body": "x", "BodyEncoding": "base64"}\n'
        b'\xff\n{"EndpointName": "other", "Body": {"a": [1]}, "custom_attribute": "k"}\n'
    )
    service.answer = lambda a: error(424, "ModelError", "no") if a.body == b"boom" else as_json({})
    out = tmp_path / "out"
    done = run(service, "e", "--batch", str(batch), "-o", str(out))
    answers = {a["line"]: a for a in lines_of(out)}
    assert list(answers) == [1, 2, 4, 5, 6, 7, 8, 9]
    texts = {line: a["error"]["message"] for line, a in answers.items() if "error" in a}
    assert list(texts) == [2, 4, 5, 6, 7, 8]
    assert "Line 2 of the batch is not JSON" in texts[2]
    assert "Line 4 of the batch is a list" in texts[4]
    assert "Line 5 of the batch" in texts[5]
    assert "'body'" in texts[5]
    assert "not base64" in texts[7]
    assert (answers[6]["error"]["code"], answers[6]["error"]["status"]) == ("ModelError", 424)
    assert done.exit_code == 2
    assert "2 answered, 6 failed (ModelError: 1, ParameterError: 5)" in done.stderr
    other = next(a for a in service.arrived if a.path.startswith("/endpoints/other/"))
    assert (other.body, other.headers["content-type"]) == (b'{"a":[1]}', "application/json")
    assert other.headers["x-amzn-sagemaker-custom-attributes"] == "k"
    assert not Path(journal_path(str(out))).exists()


def test_batch_reads_standard_input(service: Standin, environ: Any) -> None:
    """`-` for the input, standard output for the answers, options as defaults, a summary as JSON."""
    done = run(
        service, "e", "--batch", "-", "--json", "-a", "text/csv", stdin='{"Body": "1"}\n{"Accept": "b/c", "Body": ""}\n'
    )
    assert len(done.stdout.splitlines()) == 2
    summary = json.loads(done.stderr)
    assert (summary["answered"], summary["failed"], summary["interrupted"]) == (2, {}, False)
    assert {"p50", "p90", "p99", "max"} == set(summary["latency_s"])
    assert Counter(["text/csv", "b/c"]) == Counter(a.headers["accept"] for a in service.arrived)


def start(service: Standin, *args: str) -> subprocess.Popen[str]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "sagetape_client", "e", *args]
    return subprocess.Popen(
        command, env=python_path() | service.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class HalfWay:
    """Answers until half of a batch came, then holds until released."""

    def __init__(self, service: Standin, count: int) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._service, self._count = service, count
        service.answer = self._answer

    def _answer(self, arrived: Arrived) -> Answer:
        if len(self._service.arrived) >= self._count // 2:
            self.reached.set()
            self.go_on.wait(20)
        return as_json({"n": int(arrived.body)})


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to a process group there")
def test_batch_stopped_by_ctrl_c_is_resumed_with_nothing_asked_twice(service: Standin, tmp_path: Path) -> None:
    """1,000 lines, Ctrl-C half-way: those on their way are awaited; resumed, every line was asked exactly once."""
    batch, out = write_batch(tmp_path / "in", 1000), tmp_path / "out"
    half = HalfWay(service, 1000)
    args = ("--batch", str(batch), "-o", str(out), "--concurrency", "8")
    with start(service, *args) as process:
        assert half.reached.wait(60)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "Ctrl-C again" not in process.stderr.readline():
            assert process.poll() is None
        half.go_on.set()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in said
    assert 500 <= len(lines_of(out)) < 1000
    with start(service, *args, "--resume") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert (
        list(range(1, 1001))
        == [a["line"] for a in lines_of(out)]
        == [json.loads(a["Body"])["n"] for a in lines_of(out)]
    )
    assert {1} == set(Counter(a.body for a in service.arrived).values())
    assert len(service.arrived) == 1000
    assert "done before" in said
    assert not Path(journal_path(str(out))).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
@pytest.mark.parametrize(("once", "count"), [(False, 1000), (True, 200)])
def test_batch_killed_is_resumed_and_lost_answers_are_known(
    service: Standin, tmp_path: Path, once: bool, count: int
) -> None:
    """After kill -9 only the lines on their way are asked again, under their old invocation ids, or are reported."""
    batch, out = write_batch(tmp_path / "in", count), tmp_path / "out"
    half = HalfWay(service, count)
    args = ("--batch", str(batch), "-o", str(out), "--concurrency", "4")
    with start(service, *args) as process:
        assert half.reached.wait(60)
        while len(service.arrived) < count // 2 + 3:  # three more calls are on their way beside the one that waits
            assert process.poll() is None
        process.kill()
        process.communicate(timeout=20)
    half.go_on.set()
    lost = read_progress(str(out)).lost
    assert 1 <= len(lost) <= 4
    before = {a.body: a.headers["amz-sdk-invocation-id"] for a in service.arrived}
    asked = len(service.arrived)
    with start(service, *args, "--resume", *(["--at-most-once"] if once else [])) as process:
        _, said = process.communicate(timeout=60)
    answers = lines_of(out)
    assert list(range(1, count + 1)) == [a["line"] for a in answers]
    again = [a for a in service.arrived[asked:] if a.body in before]
    assert all(before[a.body] == a.headers["amz-sdk-invocation-id"] for a in again)
    if once:
        assert again == []
        assert lost == [a["line"] for a in answers if "error" in a]
        assert process.returncode == 1
        assert f"{len(lost)} failed (AnswerLost: {len(lost)})" in said
        assert "asked again" not in said
    else:
        assert lost == sorted(int(a.body) for a in again)
        assert f"{len(lost)} asked again" in said
        assert process.returncode == 0


def test_resume_cuts_torn_lines_and_keeps_what_is_whole(service: Standin, environ: Any, tmp_path: Path) -> None:
    """Half a line at the end of either file is cut off; a done line of the journal is not asked."""
    batch, out = write_batch(tmp_path / "in", 4), tmp_path / "out"
    kept = {"line": 1, "input": digest('{"Body": "1"}', E), "Body": "kept", "Retries": 0}
    done_before = {"line": 3, "input": digest('{"Body": "3"}', E), "Body": "from the journal", "Retries": 0}
    out.write_text(json.dumps(kept) + '\n{"line":2,"Bo')
    Path(journal_path(str(out))).write_text(json.dumps({"done": 3, "answer": done_before}) + '\n{"sent":4,"id":"x')
    done = run(service, "e", "--batch", str(batch), "-o", str(out), "--resume")
    assert done.exit_code == 0, done.stderr
    assert [a["Body"] for a in lines_of(out)] == ["kept", '{"ok": true}', "from the journal", '{"ok": true}']
    assert {b"2", b"4"} == {a.body for a in service.arrived}


def test_resume_with_another_input_is_refused(service: Standin, environ: Any, tmp_path: Path) -> None:
    """A line that changed since it was asked is named."""
    batch, out = write_batch(tmp_path / "in", 2), tmp_path / "out"
    Path(journal_path(str(out))).write_text('{"sent":1,"id":"x","digest":"0000000000000000"}\n')
    done = run(service, "e", "--batch", str(batch), "-o", str(out), "--resume")
    assert done.exit_code == 2
    assert "Line 1 of the batch is not the line that was asked before" in done.stderr


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        ((1, 7, 3), "e", "Line 2 of the batch is not the line that was asked before"),
        ((1, 2), "e", "The batch has 2 lines, and 3 were asked before"),
        ((), "e", "The batch has 0 lines, and 3 were asked before"),
        ((1, 2, 3), "f", "Line 1 of the batch is not the line that was asked before, or the options"),
    ],
)
def test_finished_run_is_not_resumed_with_another_input(
    service: Standin, environ: Any, tmp_path: Path, lines: tuple[int, ...], name: str, words: str
) -> None:
    """A changed line, a lost line and another endpoint are refused after a clean end too; the answers stay."""
    batch, out = write_batch(tmp_path / "in", 3), tmp_path / "out"
    assert run(service, "e", "--batch", str(batch), "-o", str(out)).exit_code == 0
    before = out.read_bytes()
    batch.write_text("".join(json.dumps({"Body": str(number)}) + "\n" for number in lines))
    done = run(service, name, "--batch", str(batch), "-o", str(out), "--resume")
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    assert (before, len(service.arrived)) == (out.read_bytes(), 3)
    assert not Path(journal_path(str(out))).exists()


def test_finished_run_is_resumed_with_an_input_that_grew(service: Standin, environ: Any, tmp_path: Path) -> None:
    """Only the new lines are asked."""
    out = tmp_path / "out"
    run(service, "e", "--batch", str(write_batch(tmp_path / "in", 2)), "-o", str(out))
    done = run(service, "e", "--batch", str(write_batch(tmp_path / "in", 4)), "-o", str(out), "--resume")
    assert "2 answered, 0 failed, 2 done before" in done.stderr
    assert sorted(a.body for a in service.arrived) == [b"1", b"2", b"3", b"4"]
    assert [a["line"] for a in lines_of(out)] == [1, 2, 3, 4]


def test_resume_never_reopens_a_session(service: Standin, environ: Any, tmp_path: Path) -> None:
    """A lost line that opens a session is reported, not repeated."""
    batch, out = tmp_path / "in", tmp_path / "out"
    text = '{"Body": "1", "SessionId": "NEW_SESSION"}'
    batch.write_text(text + "\n")
    Path(journal_path(str(out))).write_text(json.dumps({"sent": 1, "id": "x", "digest": digest(text, E)}) + "\n")
    run(service, "e", "--batch", str(batch), "-o", str(out), "--resume")
    assert service.arrived == []
    assert "not asked twice" in lines_of(out)[0]["error"]["message"]


def test_stopped_run_is_not_overwritten(service: Standin, environ: Any, tmp_path: Path) -> None:
    """A journal that stands refuses a new beginning; so does an output that is no batch's."""
    batch, out = write_batch(tmp_path / "in", 1), tmp_path / "out"
    out.write_text("precious\n")
    done = run(service, "e", "--batch", str(batch), "-o", str(out), "--resume")
    assert done.exit_code == 2
    assert "line 1 is not JSON" in done.stderr
    Path(journal_path(str(out))).write_text("")
    done = run(service, "e", "--batch", str(batch), "-o", str(out))
    assert done.exit_code == 2
    assert "--resume" in done.stderr
    assert out.read_text() == "precious\n"


def test_resumed_failures_still_count(service: Standin, environ: Any, tmp_path: Path) -> None:
    """The exit code is that of the first line that failed, in an earlier run too."""
    batch, out = write_batch(tmp_path / "in", 2), tmp_path / "out"
    failed = {"line": 1, "input": digest('{"Body": "1"}', E), "error": {"code": "ModelError", "exit_code": 4}}
    out.write_text(json.dumps(failed) + "\n")
    assert run(service, "e", "--batch", str(batch), "-o", str(out), "--resume").exit_code == 4


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ('{"Body": "x"}', {"Body": "x"}),
        ('{"body": "eA==", "BodyEncoding": "base64"}', {"Body": b"x"}),
        ('{"Body": 1.5}', {"Body": b"1.5", "ContentType": "application/json"}),
        ('{"Body": [[1, 2]], "content_type": "text/csv"}', {"Body": b"1,2\n", "ContentType": "text/csv"}),
        ('{"EndpointName": "e", "Body": null}', {"EndpointName": "e"}),
    ],
)
def test_line_is_parameters(text: str, given: dict[str, Any]) -> None:
    """Any spelling; a body that is no text goes through its type's codec."""
    assert given == read_line(1, text)


def test_line_with_another_encoding_is_named() -> None:
    """Only base64 is known."""
    with pytest.raises(ParameterError, match=r"Line 3 .*rot13"):
        read_line(3, '{"Body": "x", "BodyEncoding": "rot13"}')


def test_percentiles_are_nearest_rank() -> None:
    """Of 1..100 they are the ranks themselves; of one value, it; of none, none."""
    assert percentiles(list(range(100, 0, -1))) == {"p50": 50, "p90": 90, "p99": 99, "max": 100}
    assert percentiles([7]) == {"p50": 7, "p90": 7, "p99": 7, "max": 7}
    assert percentiles([]) == {}


@pytest.mark.parametrize(
    ("done", "total", "errors", "rate", "text"),
    [
        (412, 1000, 2, 93.1, "[#########---------------] 412/1000  41%  93.1/s  2 errors  7 s left"),
        (1000, 1000, 1, 50.0, "[########################] 1000/1000  100%  50.0/s  1 error"),
        (7, None, 0, 3.5, "7 done  3.5/s  0 errors"),
        (0, 10, 0, 0.0, "[------------------------] 0/10  0%  0.0/s  0 errors"),
    ],
)
def test_bar_shows_rate_errors_and_time_left(done: int, total: int | None, errors: int, rate: float, text: str) -> None:
    """One line; without a total, no share."""
    assert text == bar_text(done, total=total, errors=errors, rate=rate)


def test_bar_is_drawn_over_and_cleared() -> None:
    """Nothing before half a second, then at most ten times a second, and the line is left empty."""
    out = io.StringIO()
    bar = Bar(out, total=10, started_s=100.0)
    for moment in (100.1, 100.51, 100.55, 100.7):
        bar.update(5, errors=0, now_s=moment)
    assert out.getvalue().count("\r") == 2
    bar.clear()
    assert out.getvalue().endswith(" \r")


def test_summary_names_what_happened() -> None:
    """Counts by code, what was done before, the next step after a stop."""
    summary = Summary(
        answered=3, failed={"ModelError": 2}, resumed=4, repeated=1, retries=5, latencies_s=[0.1], elapsed_s=2.0
    )
    summary.is_interrupted = True
    text = summary.text()
    assert "3 answered, 2 failed (ModelError: 2), 4 done before, 1 asked again, 5 retries; 1 in 2.0 s, 0.5/s" in text
    assert "p50 100.0 ms" in text
    assert "--resume" in text
