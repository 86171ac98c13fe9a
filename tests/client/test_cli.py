"""`sagetape invoke`: what it prints, what it says, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sagetape_client.cli import invoke
from sagetape_client.options import make_options, rewrite
from sagetape_client.parameters import TABLE, Parameter
from tests.client.standin import Answer, Arrived, Standin, as_json, error, frame, stream
from tests.client.test_contract import python_path

BLUE = {"Content-Type": "application/json", "x-Amzn-Invoked-Production-Variant": "blue"}


class Terminal:
    """Runs the command against the stand-in."""

    def __init__(self, service: Standin) -> None:
        self.environ: dict[str, str | None] = dict(service.environ())

    def __call__(self, *args: str, stdin: str | bytes | None = None, **environ: str | None) -> Result:
        return CliRunner().invoke(invoke, list(args), input=stdin, env={**self.environ, **environ})


@pytest.fixture
def run(service: Standin, environ: dict[str, str]) -> Terminal:
    """The command, with keys, region and endpoint URL in its environment."""
    return Terminal(service)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    monkeypatch.setattr("sagetape_client.ways._output.__enter__", lambda self: (sys.stdout.buffer, True))


def test_body_goes_out_raw_when_piped(run: Terminal, service: Standin) -> None:
    """To a pipe the answer is its bytes, nothing more."""
    service.script(Answer(200, {"Content-Type": "application/x-npy"}, b"\x93\x00\n"))
    done = run("churn", "-b", "hi", "-c", "text/plain")
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, b"\x93\x00\n", "")
    (arrived,) = service.arrived
    assert (arrived.path, arrived.body) == ("/endpoints/churn/invocations", b"hi")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (Answer(200, BLUE, b'{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}\n'),
        (Answer(200, BLUE, b"{oops"), "{oops\n"),
        (Answer(200, {"Content-Type": "text/plain"}, b"\x1b[31mred\x07"), "\\x1b[31mred\\x07\n"),
        (
            Answer(200, {"Content-Type": "image/png"}, b"\xff" * 1500),
            "<1,500 bytes, image/png; write them with --output",
        ),
    ],
)
def test_body_is_made_readable_on_a_terminal(
    run: Terminal, service: Standin, on_terminal: None, answer: Answer, shown: str
) -> None:
    """JSON indented, control characters shown and not obeyed, other bytes counted."""
    service.script(answer)
    assert run("churn", "-b", "x").stdout.startswith(shown)


def test_error_of_a_server_does_not_drive_the_terminal(run: Terminal, service: Standin) -> None:
    """Its text, its members and its code are shown, not obeyed; also where they would turn the direction of writing."""
    hostile = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\r"
    body = as_json({"Message": hostile, "OriginalMessage": hostile, "OriginalStatusCode": 500, "LogStreamArn": hostile})
    service.script(Answer(424, {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}, body.body))
    done = run("churn", "-b", "x")
    assert done.exit_code == 4
    assert not set(done.stderr) & set("\x1b\x07\r\u202e")
    assert done.stderr.count("\\x1b]0;owned\\x07\\x1b[2J\\u202egnp.exe\\r") == 3


@pytest.mark.parametrize(
    ("args", "stdin", "sent"),
    [
        (["-b", "text"], None, b"text"),
        (["-b", ""], None, b""),
        (["-b", "@{file}"], None, b"from a file\x00"),
        (["-b", "fileb://{file}"], None, b"from a file\x00"),
        (["-b", "file://{file}"], None, b"from a file\x00"),
        (["-b", "-"], b"from stdin\xff", b"from stdin\xff"),
        (["-b", "@-"], b"from stdin\xff", b"from stdin\xff"),
        (["-Body", "a", "-Body", "b"], None, b"a\nb\n"),
        (["-Body:a"], None, b"a"),
    ],
)
def test_body_comes_from_where_it_is_said(
    run: Terminal, service: Standin, tmp_path: Path, args: list[str], stdin: bytes | None, sent: bytes
) -> None:
    """Text, files in both spellings, standard input; repeated it is a list of lines."""
    file = tmp_path / "body"
    file.write_bytes(b"from a file\x00")
    assert run("churn", *(a.format(file=file) for a in args), stdin=stdin).exit_code == 0
    assert sent == service.arrived[0].body


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        (["-EndpointName", "e"], ["--endpoint-name", "e"]),
        (["-endpointname:e"], ["--endpoint-name", "e"]),
        (["--EndpointName=e"], ["--endpoint-name", "e"]),
        (["-Force:$true", "-PassThru:$false"], ["--force"]),
        (["--custom-attributes", "-EndpointName"], ["--custom-attributes", "-EndpointName"]),
        (["-b", "-Force", "-Force"], ["-b", "-Force", "--force"]),
        (["--", "-EndpointName"], ["--", "-EndpointName"]),
        (["-btext", "-h", "--help"], ["-btext", "-h", "--help"]),
        (["-AK", "x", "-ProfilesLocation", "y"], ["--access-key", "x", "--profile-location", "y"]),
    ],
)
def test_powershell_spellings_are_understood(given: list[str], understood: list[str]) -> None:
    """Case, colons and switches with a value; values and what follows `--` are left alone."""
    assert understood == rewrite(given, make_options())


@pytest.mark.parametrize(
    ("parameter", "alias"), [(parameter, alias) for parameter in TABLE for alias in parameter.aliases]
)
def test_every_alias_of_the_cmdlet_is_an_option(parameter: Parameter, alias: str) -> None:
    """Of the table, as PowerShell writes it and with a colon."""
    long = rewrite([f"-{parameter.name}", "x"], make_options())
    assert long == rewrite([f"-{alias}", "x"], make_options()) == rewrite([f"-{alias.lower()}:x"], make_options())


@pytest.mark.parametrize(
    ("spelt", "hint"),
    [
        ("-Casette", "There is no option -Casette. Did you mean --cassette"),
        ("--cassett", "There is no option --cassett. Did you mean --cassette"),
        ("--contenttypes=x", "There is no option --contenttypes. Did you mean --content-type"),
        ("-Zzzz", "There is no option -Zzzz. --help lists them all."),
    ],
)
def test_misspelt_options_name_the_nearest_first(run: Terminal, spelt: str, hint: str) -> None:
    """Either way of writing them."""
    done = run("e", spelt)
    assert (done.exit_code, hint in done.stderr) == (2, True), done.stderr


def test_keys_by_their_aliases_sign(run: Terminal, service: Standin) -> None:
    """-AK and -SK stand for the keys, a secret from standard input too."""
    secret = str(run.environ["AWS_SECRET_ACCESS_KEY"])
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    done = run("e", "-b", "x", "-AK", "AKIDEXAMPLE", "-SK", "-", stdin=secret + "\n", **nothing)
    assert (done.exit_code, service.bad_signatures) == (0, [])


@pytest.mark.parametrize("way", [[], ["--stream"], ["--async"], ["--batch", "-"]])
def test_output_that_cannot_be_written_costs_no_call(
    run: Terminal, service: Standin, tmp_path: Path, way: list[str]
) -> None:
    """Missing folders and folders in the place of files are named before anything is sent."""
    for path, words in ((tmp_path / "no" / "x", "cannot be written: there is no folder"), (tmp_path, "directory")):
        done = run("e", *way, "-o", str(path))
        assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    assert service.arrived == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device there")
@pytest.mark.parametrize("way", [[], ["--stream"], ["--batch", "-"]])
def test_full_disk_names_the_file(run: Terminal, service: Standin, tmp_path: Path, way: list[str]) -> None:
    """The file that could not take the answer, in every way of asking."""
    service.script(stream([frame(b"x")]) if "--stream" in way else as_json({}))
    full = tmp_path / "answer"
    full.symlink_to("/dev/full")
    given = [] if "--batch" in way else ["-b", "x"]
    done = run("e", *given, *way, "-o", str(full), stdin='{"Body": "x"}\n')
    assert done.exit_code == 1
    assert f"No space left on device: {full}." in done.stderr
    assert "standard output" not in done.stderr


def test_broken_stream_speaks_of_what_was_printed(run: Terminal, service: Standin) -> None:
    """No exception's attribute on the command line, and no word that what was printed was not used."""
    service.script(stream([frame(b"half"), frame(b"lost")[:-3]], cuts=True))
    done = run("e", "-b", "x", "--stream")
    assert (done.exit_code, done.stdout) == (4, "half")
    assert "What was printed is not the whole answer" in done.stderr
    assert not any(words in done.stderr for words in ("received", "Nothing of it", "exception"))


@pytest.mark.parametrize(
    ("answer", "said", "unsaid"),
    [
        (error(502, "SagetapeUpstream", "The upstream is gone. Start it."), "Start it.", "AWS support"),
        (
            error(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
            "Check the keys",
            "X-Sagetape",
        ),
        (
            as_json(
                {"message": "invalid"}, 403, x_amzn_ErrorType="InvalidSignatureException", X_Sagetape_Reason="host"
            ),
            "sagetape invoke: host\n",
            "Check secret key",
        ),
    ],
)
def test_emulators_own_word_is_said_once(
    run: Terminal, service: Standin, answer: Answer, said: str, unsaid: str
) -> None:
    """A reason that the server sent replaces our advice; its own codes need none; the service's keep ours."""
    service.script(answer)
    done = run("e", "-b", "x")
    assert done.exit_code == 4
    assert done.stderr.count(said) == 1
    assert unsaid not in done.stderr


@pytest.mark.parametrize(
    ("args", "printed"),
    [
        (["--select", "Body"], '{"label": "stays"}'),
        (["-s", "invokedproductionvariant"], "blue\n"),
        (["-Select", "^endpointname"], "churn\n"),
        (["--pass-thru"], "churn\n"),
        (["-s", "NewSessionId"], ""),
        (["-s", "Body.Length"], "18\n"),
        (["-q", "Body.label"], '"stays"\n'),
        (["-q", "[InvokedProductionVariant, HTTPStatusCode]"], '["blue", 200]\n'),
    ],
)
def test_selection_and_query(run: Terminal, service: Standin, args: list[str], printed: str) -> None:
    """What is selected is printed; null values vanish; JMESPath sees into a JSON body."""
    service.script(Answer(200, BLUE, b'{"label": "stays"}'))
    assert printed == run("churn", "-b", "x", *args).stdout


@pytest.mark.parametrize("args", [["--select", "*"], ["--json"]])
def test_whole_response_is_one_object(run: Terminal, service: Standin, args: list[str]) -> None:
    """The service's names, absent headers null, a body that is no text in base64."""
    service.script(Answer(200, BLUE, b"\xff"))
    shown = json.loads(run("churn", "-b", "x", *args).stdout)
    assert (
        shown["Body"],
        shown["BodyEncoding"],
        shown["InvokedProductionVariant"],
        shown["NewSessionId"],
        shown["HTTPStatusCode"],
        shown["RequestId"],
    ) == ("/w==", "base64", "blue", None, 200, "request-1")


def test_output_file_is_written_only_on_success(run: Terminal, service: Standin, tmp_path: Path) -> None:
    """No file appears for an error."""
    file = tmp_path / "out"
    service.script(error(424, "ModelError"), Answer(200, {}, b"\x00whole"))
    assert run("churn", "-b", "x", "-o", str(file)).exit_code == 4
    assert not file.exists()
    assert run("churn", "-b", "x", "-o", str(file)).exit_code == 0
    assert file.read_bytes() == b"\x00whole"


@pytest.mark.parametrize(
    ("reading", "printed"),
    [
        ([], b'data: {"\xc3\xa9": 1}\n\ndata: x\n\n'),
        (["--as", "text"], b'data: {"\xc3\xa9": 1}\n\ndata: x\n\n'),
        (["--as", "events"], b'{"\xc3\xa9": 1}\nx\n'),
        (["--as", "lines"], b'data: {"\xc3\xa9": 1}\n\ndata: x\n\n'),
    ],
)
def test_stream_is_printed_as_it_is_read(run: Terminal, service: Standin, reading: list[str], printed: bytes) -> None:
    """Bytes as they come, or what they mean, a line each."""
    payload = 'data: {"é": 1}\n\ndata: x\n\n'.encode()
    service.script(stream([frame(payload[i : i + 5]) for i in range(0, len(payload), 5)]))
    assert printed == run("chat", "-b", "x", "--stream", *reading).stdout_bytes


def test_stream_that_breaks_prints_what_came_and_says_why(run: Terminal, service: Standin) -> None:
    """The parts are on standard output, the error on standard error, the code is 4."""
    service.script(stream([frame(b"one"), frame(b"two")], cuts=True))
    done = run("chat", "-b", "x", "--stream")
    assert (done.exit_code, done.stdout_bytes) == (4, b"onetwo")
    assert "broke after 6 bytes (ConnectionBroken)" in done.stderr


def test_async_prints_where_the_output_will_be(run: Terminal, service: Standin) -> None:
    """The submission as JSON, or what is selected of it."""
    service.script(Answer(202, {"X-Amzn-SageMaker-OutputLocation": "s3://b/k"}, b'{"InferenceId":"i"}'))
    shown = json.loads(run("e", "--async", "--input-location", "s3://b/in").stdout)
    assert (
        shown["InferenceId"],
        shown["OutputLocation"],
        shown["FailureLocation"],
        shown["HTTPStatusCode"],
    ) == ("i", "s3://b/k", None, 202)
    assert run("e", "--async", "--input-location", "s3://b/in", "-s", "outputlocation").stdout == "s3://b/k\n"


def test_pipeline_reads_names_and_objects(run: Terminal, service: Standin) -> None:
    """One call per line in order, JSON Lines out."""
    lines = 'one\n\n"two"\n{"EndpointName": "three", "customattribute": "k", "Body": {"a": 1}}\n'
    done = run("-", "-b", "common", stdin=lines)
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    assert [(a.path.split("/")[2], a.body) for a in service.arrived] == [
        ("one", b"common"),
        ("two", b"common"),
        ("three", b'{"a":1}'),
    ]
    assert service.arrived[2].headers["x-amzn-sagemaker-custom-attributes"] == "k"
    assert run("-", "-b", "", "-s", "^EndpointName", stdin="a\nb\n").stdout == '"a"\n"b"\n'


def test_pipeline_ends_at_the_first_error(run: Terminal, service: Standin) -> None:
    """As the cmdlet's errors do; what was answered before is printed."""
    service.script(as_json({}), error(424, "ModelError"))
    done = run("-", "-b", "", stdin="a\nb\nc\n")
    assert (done.exit_code, len(done.stdout.splitlines()), len(service.arrived)) == (4, 1, 2)


def test_what_if_sends_nothing_and_wins_over_force(run: Terminal, service: Standin) -> None:
    """The cmdlet's sentence, the request with the signature masked, exit code 0."""
    done = run("churn", "-b", "x", "-WhatIf", "-Force", "-Accept", "text/csv")
    assert (done.exit_code, service.arrived) == (0, [])
    first, second, *rest = done.stdout.splitlines()
    assert first == 'What if: Performing the operation "Invoke-SMREndpoint (InvokeEndpoint)" on target "churn".'
    assert f"POST {service.url}/endpoints/churn/invocations" == second
    assert "Accept: text/csv" in rest
    assert any(line.endswith("Signature=***") for line in rest)


def test_pipeline_rehearses_and_takes_the_endpoint_from_an_option(run: Terminal, service: Standin) -> None:
    """-WhatIf shows each input and sends none; -EndpointName is the default of objects without one."""
    done = run("-", "-EndpointName", "e", "-WhatIf", stdin='{"Body": "a"}\n{"EndpointName": "f"}\n')
    assert (done.exit_code, service.arrived) == (0, [])
    assert [line.split('"')[3] for line in done.stdout.splitlines() if line.startswith("What if")] == ["e", "f"]


def test_confirm_asks_and_force_does_not(run: Terminal, service: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer without a terminal; no means nothing is sent; Force goes on unasked."""
    done = run("churn", "-b", "x", "--confirm")
    assert done.exit_code == 2
    assert "--force" in done.stderr
    monkeypatch.setattr("sagetape_client.inputs.sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sagetape_client.ways.inputs.confirm", _refuse)
    done = run("churn", "-b", "x", "--confirm")
    assert (1, "Nothing was sent" in done.stderr) == (done.exit_code, True)
    assert service.arrived == []
    assert run("churn", "-b", "x", "--confirm", "--force").exit_code == 0


def _refuse(question: str) -> None:
    from sagetape_client.errors import Declined

    assert 'on target "churn"' in question
    raise Declined("Nothing was sent.")


@pytest.mark.parametrize(
    ("args", "environ", "code", "words"),
    [
        (["e", "-b", "@{missing}"], {}, 2, "missing' cannot be read: No such file"),
        (["-b", "x"], {}, 2, "EndpointName is missing"),
        (["e", "-e", "f", "-b", "x"], {}, 2, "Give one"),
        (["e", "-b", "x", "-s", "Nope"], {}, 2, "Invalid value for -Select parameter."),
        (["e", "-b", "x", "-q", "a["], {}, 2, "is not JMESPath"),
        (["e", "-b", "x", "--bodyy", "y"], {}, 2, "--body"),
        (["e", "-b", "x", "--stream", "--async"], {}, 2, "exclude one another"),
        (["e", "-b", "x", "--as", "lines"], {}, 2, "--stream"),
        (["e", "-b", "x", "--wait", "3"], {}, 2, "--async"),
        (["e", "-b", "x", "--resume"], {}, 2, "--batch"),
        (["e", "--batch", "x", "--resume"], {}, 2, "--output"),
        (["e", "--batch", "{missing}"], {}, 2, "missing' cannot be read: No such file"),
        (["e", "-b", "x", "--stream", "-q", "a"], {}, 2, "Leave --stream out"),
        (["e", "-b", "x", "--json", "-q", "a"], {}, 2, "Choose one"),
        (["e", "-b", "x", "--concurrency", "3"], {}, 2, "--batch"),
        (["e", "--batch", "-", "-s", "Body"], {}, 2, "--select is for one call"),
        (["e", "--batch", "-", "--what-if"], {}, 2, "--what-if is for one call"),
        (["e", "--batch", "-", "--confirm"], {}, 2, "use --force"),
        (["-", "--confirm"], {}, 2, "use --force"),
        (["-", "--stream"], {}, 2, "exclude one another"),
        (["e", "-b", "file:///bin/sh"], {}, 2, "fileb:///bin/sh"),
        (["e", "-b", "x", "-Force:maybe"], {}, 2, "$true nor $false"),
        (["e", "-b", "x", "--profile", "nobody"], {}, 7, "no profile 'nobody'"),
        (["e", "-b", "x"], {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, 7, "No credentials specified"),
        (["e", "-b", "x"], {"AWS_REGION": None}, 8, "No region specified"),
        (["e", "-b", "x", "-u", "localhost"], {}, 8, "has no scheme"),
        (["e", "-b", "x", "--client-config", "a"], {}, 2, "has no '='"),
        (["e", "-b", "x", "--client-config", "max_pool=3"], {}, 8, "max_pool_connections"),
        (["e", "-b", "x", "-u", "http://127.0.0.1:1"], {}, 5, "http://127.0.0.1:1"),
        (["e", "-b", "x", "--cassette", "c.tape", "-u", "http://a"], {}, 2, "exclude one another"),
    ],
)
def test_bad_input_names_place_and_remedy(
    run: Terminal, tmp_path: Path, args: list[str], environ: dict[str, str | None], code: int, words: str
) -> None:
    """Every mistake has its exit code and a text without a traceback."""
    done = run(*(arg.replace("{missing}", str(tmp_path / "missing")) for arg in args), **environ)
    assert (code, "") == (done.exit_code, done.stdout)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (error(400, "SagetapeMiss", "nearest: interaction 3"), 3, "nearest: interaction 3"),
        (error(424, "ModelError", "boom", OriginalStatusCode=500), 4, "OriginalStatusCode: 500"),
        (error(400, "ValidationError", "Endpoint e not found"), 4, "Check the endpoint's name"),
        (error(403, "AccessDeniedException", "no"), 4, "sagemaker:InvokeEndpoint"),
        (error(530, "InternalDependencyException", "no"), 4, "request id request-1"),
    ],
)
def test_errors_of_the_service_say_what_to_do(
    run: Terminal, service: Standin, answer: Answer, code: int, words: str
) -> None:
    """Code, text, members, the next step and the request id."""
    service.script(answer)
    done = run("e", "-b", "x")
    assert (code, "") == (done.exit_code, done.stdout)
    assert words in done.stderr


def test_time_out_is_nine(run: Terminal, service: Standin) -> None:
    """Silence beyond --read-timeout."""
    never = threading.Event()
    service.script(Answer(silent=never))
    done = run("e", "-b", "x", "--read-timeout", "0.05")
    never.set()
    assert done.exit_code == 9
    assert "0.05 s" in done.stderr


def test_missing_body_is_a_warning(run: Terminal, service: Standin) -> None:
    """An empty body is sent, as the cmdlet does."""
    done = run("e")
    assert (done.exit_code, service.arrived[0].body) == (0, b"")
    assert "Body is null" in done.stderr


@pytest.mark.parametrize("how", ["argument", "file", "stdin", "variable"])
def test_secret_key_from_everywhere(run: Terminal, service: Standin, tmp_path: Path, how: str) -> None:
    """From arguments with a warning; from a file, standard input or a variable without one."""
    secret = str(run.environ["AWS_SECRET_ACCESS_KEY"])
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    given = {"argument": [f"-SecretKey:{secret}"], "file": ["--secret-key-file", str(file)], "stdin": ["-SK", "-"]}
    args = given.get(how, [])
    if how == "stdin":
        args = ["-SecretKey", "-"]
    environ: dict[str, str | None] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    if how == "variable":
        environ["SAGETAPE_INVOKE_SECRET_KEY"] = secret
    done = run("e", "-b", "x", "-AccessKey", "AKIDEXAMPLE", *args, stdin=secret + "\n", **environ)
    assert (done.exit_code, service.bad_signatures) == (0, [])
    assert ("process list" in done.stderr) == (how == "argument")
    assert secret not in done.stderr


def test_verbose_says_where_it_went(run: Terminal, service: Standin) -> None:
    """The URL and the request id, on standard error."""
    done = run("e", "-b", "x", "-v")
    assert f"asked {service.url}: request id request-1, status 200" in done.stderr


def test_options_have_variables(run: Terminal, service: Standin) -> None:
    """SAGETAPE_INVOKE_<NAME> stands in for a flag; the flag wins."""
    run("e", "-b", "x", SAGETAPE_INVOKE_ACCEPT="text/csv")
    run("e", "-b", "x", "-a", "text/plain", SAGETAPE_INVOKE_ACCEPT="text/csv")
    assert [a.headers["accept"] for a in service.arrived] == ["text/csv", "text/plain"]


def test_cassette_is_played_by_the_entry_point(
    run: Terminal, service: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The embedded emulator's URL and keys are used, whatever the environment has; no region is needed."""
    seen: list[Any] = []
    environ = {name: str(run.environ[name]) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    @contextmanager
    def open_cassette(path: str, *, mode: str = "none") -> Any:
        seen.append((path, mode))
        yield SimpleNamespace(url=service.url, environ=environ)

    point = SimpleNamespace(load=lambda: open_cassette)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [point])
    nothing = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"))
    done = run("e", "-b", "x", "--cassette", "c.tape", AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME="http://elsewhere", **nothing)
    assert (done.exit_code, done.stdout_bytes) == (0, b'{"ok": true}')
    assert (seen, service.bad_signatures) == ([("c.tape", "none")], [])


def test_cassette_without_an_emulator_is_named(run: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """No entry point: what to install, exit code 6."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])
    done = run("e", "-b", "x", "--cassette", "c.tape")
    assert done.exit_code == 6
    assert "Install `sagetape`" in done.stderr


def test_cassette_that_cannot_be_opened_keeps_the_emulators_code(
    run: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulator's own text and exit code come through."""

    class Foreign(Exception):
        exit_code = 8

    def refuse(path: str, *, mode: str = "none") -> Any:
        raise Foreign("no such deck")

    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [SimpleNamespace(load=lambda: refuse)])
    done = run("e", "-b", "x", "--cassette", "c.tape")
    assert done.exit_code == 8
    assert "c.tape cannot be played: no such deck" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to one process there")
def test_ctrl_c_is_130(service: Standin) -> None:
    """A call that waits is left at once, without a traceback."""
    never = threading.Event()
    service.script(Answer(silent=never))
    command = [sys.executable, "-m", "sagetape_client", "e", "-b", "x"]
    environ = python_path() | service.environ()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not service.arrived:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=20)
    never.set()
    assert (process.returncode, out, said) == (130, "", "sagetape invoke: stopped by Ctrl-C\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE there")
def test_closed_pipe_is_141_and_quiet(service: Standin) -> None:
    """Whoever reads may leave early."""
    left = threading.Event()

    def answer(arrived: Arrived) -> Answer:
        left.wait(20)
        return Answer(200, {}, b"x" * 1_000_000)

    service.answer = answer
    command = [sys.executable, "-m", "sagetape_client", "e", "-b", "x"]
    environ = python_path() | service.environ()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        left.set()
        said = process.stderr.read()
    assert (process.returncode, said) == (141, b"")


def test_async_wait_prints_the_output(run: Terminal, service: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """--wait gives the output object's bytes; a failure object is an error."""
    service.script(Answer(202, {"X-Amzn-SageMaker-OutputLocation": "s3://b/k"}, b'{"InferenceId":"i"}'))
    monkeypatch.setattr("sagetape_client.outputs.S3Objects", lambda client: lambda location: (b"\x00out", None))
    done = run("e", "--async", "-b", "x", "--wait", "5")
    assert (done.exit_code, done.stdout_bytes) == (0, b"\x00out")


HEAVY = ("boto3", "botocore", "aiohttp", "numpy", "asyncio", "msgpack", "urllib3", "jmespath")


@pytest.mark.parametrize("what", ["help", "completion", "invoke"])
def test_start_imports_nothing_heavy(service: Standin, what: str) -> None:
    """Help, completion and a call to an emulator with keys in the environment load neither botocore nor its kin."""
    args = {"help": ["--help"], "completion": [], "invoke": ["e", "-b", "x", "-c", "text/csv"]}[what]
    environ = python_path() | service.environ()
    if what == "completion":
        environ |= {"_SAGETAPE_CLIENT_COMPLETE": "zsh_complete", "COMP_WORDS": "x --conten", "COMP_CWORD": "1"}
    script = (
        f"import sys; sys.argv[1:] = {args!r}\n"
        "from sagetape_client.cli import main\n"
        "try: main()\n"
        f"finally: sys.stderr.write(' '.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"help": "--content-type", "completion": "--content-type", "invoke": '{"ok": true}'}[what] in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_script_for_every_shell(shell: str) -> None:
    """Each shell's script names the program and its variable."""
    environ = python_path() | {"_SAGETAPE_CLIENT_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "sagetape_client"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_SAGETAPE_CLIENT_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("--sel", "--select"),
        ("-Sele", "-Select"),
        ("--select ContentT", "ContentType"),
        ("--accept application/j", "application/json"),
        ("--as doc", "documents"),
        ("--session-id N", "NEW_SESSION"),
        ("--profile oth", "other"),
    ],
)
def test_completion_offers_names_and_values(tmp_path: Path, words: str, offered: str) -> None:
    """Options in both spellings, their values, and the profiles of the shared files."""
    from click.shell_completion import ShellComplete

    (tmp_path / "credentials").write_text("[other]\n")
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_CONFIG_FILE": "/nonexistent"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        *before, incomplete = words.split()
        found = ShellComplete(invoke, {}, "x", "_X").get_completions(before, incomplete)
    assert offered in [item.value for item in found]
