"""edit, import, export and init-git, with real editors, files and git."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cassette_line import as_json, made, names, output, read, run, write
from command_line import PYTHON_PATH, sagetape
from tests.core.exchange_samples import interaction, stream

from sagetape.cli.progress import Progress
from sagetape.core.cassette import CassetteSettings
from sagetape.core.exchange import Adopter
from sagetape.core.wire import body_of
from sagetape.shell.store import Cassette

GOLDEN = Path(__file__).parent.parent / "golden" / "exchange"


# --- edit ---


def editor(folder: Path, code: str) -> str:
    """An EDITOR that changes the document `d` of the file it is given by some Python code."""
    script = folder / "editor.py"
    script.write_text(
        "import json, sys\npath = sys.argv[1]\ntext = open(path, encoding='utf-8').read()\n"
        f"{code}\nopen(path, 'w', encoding='utf-8').write(text)\n"
    )
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(script))}"


IN_JSON = "d = json.loads(text); i = d['interactions']\n{}\ntext = json.dumps(d)"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write(tmp_path / "a.tape", made("a"), made("b", b"\xff\x00"), interaction(b"s", script=stream(b"1", b"2")))


@pytest.mark.parametrize("format_name", ["json", "yaml"])
def test_edit_without_a_change_leaves_the_file(tape: Path, tmp_path: Path, format_name: str) -> None:
    """An editor that only looks changes no byte; neither does one that writes the same in another spacing."""
    before = tape.read_bytes()
    assert "unchanged" in output("cassette", "edit", tape, "--format", format_name, EDITOR="true")
    again = editor(tmp_path, IN_JSON.format("") if format_name == "json" else "text += '\\n\\n'")
    assert "unchanged" in output("cassette", "edit", tape, "--format", format_name, EDITOR=again)
    assert tape.read_bytes() == before
    assert not list(tmp_path.glob(".a.tape*"))


def test_edit_takes_over_what_was_changed_added_and_deleted(tape: Path, tmp_path: Path) -> None:
    """A changed answer replays, a changed request is found under its new key, the rest keeps its bytes."""
    code = (
        "i[0]['answer'][1]['chunk'] = {'json': {'label': 'leaves'}}\n"
        "i.append({**i[0], 'body': {'text': 'new'}})\n"
        "del i[1]"
    )
    before = {one.call.body: one for one in read(tape)}
    said = output("cassette", "edit", tape, EDITOR=editor(tmp_path, IN_JSON.format(code)))
    assert "1 changed, 1 added, 1 deleted" in said
    after = {one.call.body: one for one in read(tape)}
    assert body_of(after[b'{"id":"a"}'].script) == b'{"label":"leaves"}'
    assert body_of(after[b"new"].script) == b'{"label":"leaves"}'
    assert after[b"s"] == before[b"s"]
    assert set(after) == {b'{"id":"a"}', b"new", b"s"}
    assert "sound" in output("cassette", "verify", tape)


def test_edit_of_some_interactions_leaves_the_others(tape: Path, tmp_path: Path) -> None:
    """Only what was shown can be changed or deleted."""
    output("cassette", "edit", tape, "0", EDITOR=editor(tmp_path, IN_JSON.format("i.clear()")))
    assert len(read(tape)) == 2


def test_edit_in_yaml_takes_over_a_change(tape: Path, tmp_path: Path) -> None:
    """The same in YAML, bodies with any characters included."""
    code = "text = text.replace('stays', 'leaves')"
    assert "1 changed" in output("cassette", "edit", tape, "--format", "yaml", EDITOR=editor(tmp_path, code))
    assert b'{"label":"leaves"}' in [body_of(one.script) for one in read(tape)]


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("text = 'no json'", 8, "not JSON"),
        (IN_JSON.format("i[0]['endpont'] = 1"), 8, "nearest is 'endpoint'"),
        (IN_JSON.format("i[0]['answer'] = []"), 8, "does not begin with its head"),
        (IN_JSON.format("i[0]['body'] = {'text': 'AKIA' + 'IOSFODNN7EXAMPLE'}"), 7, "secret"),
    ],
)
def test_edit_that_cannot_be_stored_is_kept_beside(
    tape: Path, tmp_path: Path, code: str, exit_code: int, said: str
) -> None:
    """Nothing is changed, the message names the place, and nobody's work is lost."""
    before = tape.read_bytes()
    done = run("cassette", "edit", tape, EDITOR=editor(tmp_path, code))
    assert done.exit_code == exit_code
    assert said in done.stderr
    assert tape.read_bytes() == before
    (kept,) = tmp_path.glob(".a.tape.edit.*")
    assert str(kept) in done.stderr
    assert kept.stat().st_mode & 0o077 == 0


def test_edit_says_when_there_is_no_editor(tape: Path) -> None:
    """And when it fails or is not there."""
    assert "Set one: EDITOR=nano" in run("cassette", "edit", tape, EDITOR="", VISUAL="").stderr
    assert "ended with 1" in run("cassette", "edit", tape, EDITOR="false", VISUAL="").stderr
    assert "cannot be started" in run("cassette", "edit", tape, EDITOR="/nowhere/editor", VISUAL="").stderr


# --- import and export ---


@pytest.mark.parametrize(
    ("file", "words", "imported", "skipped"),
    [
        ("vcr_boto3.yaml", (), 3, 1),
        ("vcr.json", (), 2, 0),
        ("browser.har", (), 2, 2),
        ("capture.jsonl", ("--endpoint", "churn", "--member", "Accept=text/csv"), 2, 1),
        ("moto.json", ("--endpoint", "churn"), 2, 1),
    ],
)
def test_import_takes_in_and_importing_again_changes_nothing(
    tmp_path: Path, file: str, words: tuple[str, ...], imported: int, skipped: int
) -> None:
    """Each format becomes a sound cassette; the second import finds everything known."""
    tape = tmp_path / "a.tape"
    report = as_json("cassette", "import", GOLDEN / file, "-o", tape, *words)
    assert (report["imported"], report["known"], len(report["skipped"])) == (imported, 0, skipped)
    assert "sound" in output("cassette", "verify", tape)
    assert all(one.origin.source.startswith("import:") for one in read(tape))
    before = tape.read_bytes()
    report = as_json("cassette", "import", GOLDEN / file, "-o", tape, *words)
    assert (report["imported"], report["known"]) == (0, imported)
    assert tape.read_bytes() == before
    if "--member" in words:
        assert {one.call.members["Accept"] for one in read(tape)} == {"text/csv"}


ODD_BODIES = {
    "har answer": ("browser.har", ("log", "entries", 0, "response", "content", "encoding"), "rot13"),
    "har answer, no text": ("browser.har", ("log", "entries", 0, "response", "content", "encoding"), 64),
    "har request": ("browser.har", ("log", "entries", 0, "request", "postData", "encoding"), "base32"),
    "vcr charset": ("vcr.json", ("interactions", 0, "response", "body"), {"encoding": "EBCDIC", "string": "x"}),
    "vcr form": ("vcr.json", ("interactions", 0, "response", "body"), {"rot13_string": "x"}),
    "moto": ("moto.json", ("results", 0, "Body"), {"base64": "eA=="}),
}


@pytest.mark.parametrize("name", ODD_BODIES)
def test_import_leaves_out_a_body_in_an_encoding_that_is_not_known(tmp_path: Path, name: str) -> None:
    """Encoded text is no answer: taken as it stands it would be served as one."""
    file, place, value = ODD_BODIES[name]
    document = json.loads((GOLDEN / file).read_text())
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    source = tmp_path / f"a{Path(file).suffix}"
    source.write_text(json.dumps(document))
    whole, odd = (
        as_json("cassette", "import", path, "-o", tmp_path / f"{number}.tape", "--endpoint", "churn")
        for number, path in enumerate((GOLDEN / file, source))
    )
    assert odd["imported"] == whole["imported"] - 1
    (reason,) = [one["reason"] for one in odd["skipped"] if one not in whole["skipped"] and " 0" in one["where"]]
    assert "encoding" in reason or "is in none of" in reason or "is not a text" in reason


@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_export_to_standard_output_by_name(tape: Path, tmp_path: Path, target: str) -> None:
    """`-o -` and `-o /dev/stdout` are the same as none, and make no file."""
    words = ("cassette", "export", str(tape.absolute()))
    plain = sagetape(tmp_path, *words).stdout
    assert plain.startswith("{")
    before = sorted(tmp_path.iterdir())
    done = sagetape(tmp_path, *words, "-o", target)
    assert (done.returncode, done.stdout) == (0, plain)
    assert sorted(tmp_path.iterdir()) == before


def test_export_into_a_fifo_goes_to_its_reader(tape: Path, tmp_path: Path) -> None:
    """It was replaced by a file, and who read it waited for ever."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as pool:
        read_out = pool.submit(fifo.read_text)
        done = sagetape(tmp_path, "cassette", "export", str(tape.absolute()), "-o", str(fifo))
        if not fifo.is_fifo():
            os.close(os.open(fifo, os.O_RDWR))
        assert done.returncode == 0, done.stderr
        assert read_out.result(timeout=30) == output("cassette", "export", tape)
    assert fifo.is_fifo()


def test_export_through_a_link_writes_what_it_points_to(tape: Path, tmp_path: Path) -> None:
    """The link stays one."""
    (tmp_path / "real.jsonl").write_text("old")
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    assert run("cassette", "export", tape, "-o", tmp_path / "link.jsonl").exit_code == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "real.jsonl").read_text() == output("cassette", "export", tape)


def test_import_of_a_tree_of_data_capture(tmp_path: Path) -> None:
    """A folder stands for its JSON Lines files; endpoint and variant are its folders' names."""
    folder = tmp_path / "churn" / "blue" / "2022" / "02" / "14" / "17"
    folder.mkdir(parents=True)
    shutil.copy(GOLDEN / "capture.jsonl", folder / "25-49-123-u.jsonl")
    (folder / "link.jsonl").symlink_to("/etc/passwd")
    report = as_json("cassette", "import", tmp_path / "churn", "-o", tmp_path / "a.tape")
    assert (report["files"], report["imported"]) == (1, 2)
    assert {one.call.endpoint for one in read(tmp_path / "a.tape")} == {"churn"}


def test_import_keeps_secrets_out(tmp_path: Path) -> None:
    """What would carry a key to the disk is left out, the rest is taken in, and the command ends with 7."""
    document = json.loads((GOLDEN / "vcr.json").read_text())
    document["interactions"][0]["request"]["body"] = "AKIA" + "IOSFODNN7EXAMPLE"
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    tape = tmp_path / "a.tape"
    done = run("cassette", "import", source, "-o", tape)
    assert done.exit_code == 7
    assert "AWS access key id" in done.stderr
    assert len(read(tape)) == 1
    assert b"AKIA" not in tape.read_bytes()


HOSTILE = {
    "object.yaml": ("!!python/object/apply:os.system ['touch owned']", "makes an object"),
    "inside.yaml": ("interactions: [!!python/name:os.system ]", "makes an object"),
    "deep.yaml": ("[" * 500, "nested deeper than 64"),
    "deeper.yaml": ("[" * 5000, "nest"),  # a newer libyaml has a limit of its own, of 1,000
    "merge.yaml": ("a: &a {b: c}\ninteractions: [{<<: *a}]", "merge keys"),
    "alias.yaml": ("interactions: *nowhere", "is not known"),
    "binary.yaml": ("interactions: [!!binary '***']", "not base64"),
    "two.yaml": ("a: b\n---\nc: d", "a second document"),
    "torn.yaml": ("a: [", "while parsing"),
    "deep.json": ("[" * 200_000, "nested too deeply"),
    "digits.json": ('{"log": {"entries": [' + "9" * 5000 + "]}}", "digits"),
    "words.json": ("hello", "Expecting value"),
    "other.json": ('{"hello": 1}', "in no format that is known"),
    "lines.jsonl": ('{"captureData": 1}\n{"captureData"', "line 2 is not JSON"),
    "bytes.json": (b"\xff\xfe\x00", "not UTF-8"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    """No object is made, no depth or alias blows up, the message says what is wrong, and no cassette is there."""
    content, said = HOSTILE[name]
    source = tmp_path / name
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("cassette", "import", source, "-o", tmp_path / "a.tape")
    assert done.exit_code == 6
    assert said in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_yaml_aliases_do_not_multiply(tmp_path: Path) -> None:
    """Ten levels of ten aliases are ten lists in memory; what comes of them is a reason, at once."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10) if n else 'x'}]" for n in range(10)]
    source = tmp_path / "a.yaml"
    source.write_text("\n".join([*levels, "interactions: *l9"]))
    report = as_json("cassette", "import", source, "-o", tmp_path / "a.tape", code=3)
    assert report["imported"] == 0
    assert len(report["skipped"]) == 10


def test_yaml_of_python_2_is_read_as_text(tmp_path: Path) -> None:
    """vcrpy wrote `!!python/unicode` then: a text, and nothing is called to make it."""
    source = tmp_path / "a.yaml"
    text = (GOLDEN / "vcr_boto3.yaml").read_text()
    source.write_text(
        text.replace("""string: '{"label":"stays"}'""", """string: !!python/unicode '{"label":"stays"}'""")
    )
    assert as_json("cassette", "import", source, "-o", tmp_path / "a.tape")["imported"] == 3
    assert b'{"label":"stays"}' in [body_of(one.script) for one in read(tmp_path / "a.tape")]


def test_yaml_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyYAML the message names the extra."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    done = run("cassette", "import", GOLDEN / "vcr_boto3.yaml", "-o", tmp_path / "a.tape")
    assert done.exit_code == 8
    assert "sagetape[yaml]" in done.stderr


def test_import_into_another_recording_adds_to_it(tape: Path) -> None:
    """What is there stays, keys and all."""
    before = read(tape)
    output("cassette", "import", GOLDEN / "vcr.json", "-o", tape)
    after = read(tape)
    assert len(after) == len(before) + 2
    assert all(one in after for one in before)


def test_moto_needs_a_cassette_of_its_own(tape: Path) -> None:
    """Its queue has other match rules than a recording; nothing is mixed."""
    before = tape.read_bytes()
    done = run("cassette", "import", GOLDEN / "moto.json", "-o", tape, "--endpoint", "churn")
    assert done.exit_code == 8
    assert "Import into a cassette of its own" in done.stderr
    assert tape.read_bytes() == before


def test_json_lines_round_trip_to_the_byte(tape: Path, tmp_path: Path) -> None:
    """Export and import give the same cassette: nothing is lost."""
    output("cassette", "compact", tape)
    lines = tmp_path / "a.jsonl"
    output("cassette", "export", tape, "-o", lines)
    back = tmp_path / "b.tape"
    output("cassette", "import", lines, "-o", back)
    assert sorted(map(str, read(back))) == sorted(map(str, read(tape)))
    assert output("cassette", "export", back) == output("cassette", "export", tape)


def test_one_line_of_json_lines_is_read(tmp_path: Path) -> None:
    """A file of one line is one JSON document; `cassette show --json` writes such a line too."""
    tape = write(tmp_path / "a.tape", made("a"))
    lines = tmp_path / "a.jsonl"
    lines.write_text(output("cassette", "show", "--json", tape))
    assert as_json("cassette", "import", lines, "-o", tmp_path / "b.tape")["imported"] == 1
    assert read(tmp_path / "b.tape") == read(tape)


def test_import_through_a_link_is_refused(tmp_path: Path) -> None:
    """A cassette is never written through a symbolic link, wherever it points."""
    (tmp_path / "link.tape").symlink_to(tmp_path / "elsewhere.tape")
    done = run("cassette", "import", GOLDEN / "vcr.json", "-o", tmp_path / "link.tape")
    assert done.exit_code == 6
    assert "symbolic link" in done.stderr
    assert not (tmp_path / "elsewhere.tape").exists()


def test_har_of_export_comes_back(tape: Path, tmp_path: Path) -> None:
    """What another tool could read, import reads."""
    har = tmp_path / "a.har"
    report = as_json("cassette", "export", tape, "--format", "har", "-o", har)
    assert report["interactions"] == 3
    output("cassette", "import", har, "-o", tmp_path / "b.tape")
    assert {body_of(one.script) for one in read(tmp_path / "b.tape")} == {body_of(one.script) for one in read(tape)}


def test_interrupted_import_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle ends with 130; the cassette that was there is as it was, and no scratch file is left."""
    tape = write(tmp_path / "a.tape", made("a"))
    before = tape.read_bytes()
    adopt = Adopter.adopt
    calls: list[str] = []

    def interrupted(self: Adopter, found: Any, where: str) -> Any:
        calls.append(where)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return adopt(self, found, where)

    monkeypatch.setattr(Adopter, "adopt", interrupted)
    assert run("cassette", "import", GOLDEN / "vcr.json", "-o", tape).exit_code == 130
    assert tape.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.tape"]


@pytest.mark.parametrize("command", ["compact", "scrub", "merge", "edit"])
def test_interrupted_rewriting_leaves_the_old_file(
    tape: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the new file is written: the old one is whole, and nothing else is there."""
    other = write(tmp_path / "b.tape", made("z"))
    words = {"merge": (tmp_path / "none.tape", tape, other)}.get(command, (tape,))
    before, append = tape.read_bytes(), Cassette.append

    def interrupted(self: Cassette, *given: Any, **options: Any) -> int:
        append(self, *given, **options)
        raise KeyboardInterrupt

    code = IN_JSON.format("i[0]['answer'][0]['head'] = 201")
    environ = {"EDITOR": editor(tmp_path, code)}
    monkeypatch.setattr(Cassette, "append", interrupted)
    assert run("cassette", command, *words, **environ).exit_code == 130
    assert tape.read_bytes() == before
    left = {path.name for path in tmp_path.glob("*tape*") if not path.name.startswith(".a.tape.edit.")}
    assert left <= {"a.tape", "b.tape"}  # and the edited text, which is the user's work


class Terminal:
    """A stream that says it is one."""

    def __init__(self, *, is_terminal: bool = True) -> None:
        self.text = ""
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None: ...


def test_progress_shows_after_a_second_on_a_terminal_only() -> None:
    """Quick work and pipes see nothing."""
    now = [0.0]
    quick, slow, piped = Terminal(), Terminal(), Terminal(is_terminal=False)
    for stream_, seconds in ((quick, 0.9), (slow, 1.1), (piped, 1.1)):
        now[0] = 0.0
        shown = Progress("importing", stream_, lambda: now[0])  # type: ignore[arg-type]
        shown(1, 10)
        now[0] = seconds
        shown(5, 10)
        shown.finish()
    assert (quick.text, piped.text) == ("", "")
    assert "importing" in slow.text
    assert slow.text.endswith("\n")


# --- git ---

git_needed = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


class Repository:
    """A scratch repository whose git sees a `sagetape` on its path."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        tools = home / "bin"
        tools.mkdir(exist_ok=True, parents=True)
        script = tools / "sagetape"
        script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(PYTHON_PATH)} exec {sys.executable} -m sagetape "$@"\n')
        script.chmod(0o755)
        self.environ = {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.com",
        }

    def run(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def commit(self, text: str) -> None:
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", text)


@git_needed
def test_git_diffs_and_merges_cassettes(tmp_path: Path) -> None:
    """A clone with `init-git` shows a changed number as a line, merges two branches' recordings, and on a conflict
    leaves a whole file and says so."""
    origin = Repository(tmp_path / "origin", tmp_path / "home")
    origin.folder.mkdir()
    origin.run("git", "init", "-q", "-b", "main")
    assert "a line for *.tape added" in origin.run("sagetape", "cassette", "init-git")
    write(origin.folder / "churn.tape", made("a", b'{"p":0.5}'))
    origin.commit("first")
    clone = Repository(tmp_path / "clone", tmp_path / "home")
    origin.run("git", "clone", "-q", str(origin.folder), str(clone.folder))
    assert "as it should be" in clone.run("sagetape", "cassette", "init-git")

    write(clone.folder / "churn.tape", made("b", b'{"p":0.25}'))
    diff = clone.run("git", "diff")
    assert '+        "p": 0.25' in diff
    assert '-        "p": 0.5' not in diff
    clone.run("git", "checkout", "-q", "-b", "mine")
    clone.commit("b")
    clone.run("git", "checkout", "-q", "-b", "yours", "main")
    write(clone.folder / "churn.tape", made("c"))
    clone.commit("c")
    clone.run("git", "merge", "-q", "--no-edit", "mine")
    assert names(clone.folder / "churn.tape") == ["a", "b", "c"]

    clone.run("git", "checkout", "-q", "-b", "other", "main")
    write(clone.folder / "churn.tape", made("b", b'{"p":0.75}'))
    clone.commit("b again")
    said = clone.run("git", "merge", "--no-edit", "mine", code=1)
    assert "CONFLICT in churn.tape: InvokeEndpoint churn: recorded on both sides" in said
    assert "ours 0.75, theirs 0.25" in said
    assert "sound" in output("cassette", "verify", clone.folder / "churn.tape")
    assert "UU churn.tape" in clone.run("git", "status", "--short")
    assert not list(clone.folder.glob("*.lock"))


@git_needed
def test_git_merge_fails_over_code_that_nobody_allowed(tmp_path: Path) -> None:
    """Rules of the other branch name a function: git reports a conflict, and the file is our side's to the byte."""
    clone = Repository(tmp_path / "clone", tmp_path / "home")
    clone.folder.mkdir()
    clone.run("git", "init", "-q", "-b", "main")
    clone.run("sagetape", "cassette", "init-git")
    tape = write(clone.folder / "churn.tape", made("a"))
    clone.commit("first")
    clone.run("git", "checkout", "-q", "-b", "theirs")
    tape.unlink()
    write(tape, made("a"), settings=CassetteSettings(match={"custom": ["own:word"]}, seed=7))
    clone.commit("rules")
    clone.run("git", "checkout", "-q", "main")
    write(tape, made("b"))
    clone.commit("b")
    ours = tape.read_bytes()
    said = clone.run("git", "merge", "--no-edit", "theirs", code=1)
    assert "--allow-custom own:word" in said
    assert "UU churn.tape" in clone.run("git", "status", "--short")
    assert tape.read_bytes() == ours


@git_needed
@pytest.mark.parametrize("emptied", ["mine", "yours"])
def test_git_merge_with_an_emptied_cassette_is_a_conflict(tmp_path: Path, emptied: str) -> None:
    """A branch on which the file became empty deletes nothing on the other."""
    repository = Repository(tmp_path / "r", tmp_path / "home")
    repository.folder.mkdir()
    repository.run("git", "init", "-q", "-b", "main")
    repository.run("sagetape", "cassette", "init-git")
    tape = write(repository.folder / "churn.tape", made("a"))
    repository.commit("first")
    for branch in ("mine", "yours"):
        repository.run("git", "checkout", "-q", "-b", branch, "main")
        if branch == emptied:
            tape.write_bytes(b"")
        else:
            write(tape, made(branch))
        repository.commit(branch)
    before = tape.read_bytes()
    said = repository.run("git", "merge", "--no-edit", "mine", code=1)
    assert "CONFLICT in churn.tape: " in said
    assert "is empty and no cassette" in said
    assert tape.read_bytes() == before
    assert "UU churn.tape" in repository.run("git", "status", "--short")


@git_needed
def test_init_git_refuses_what_is_no_repository_or_a_link(tmp_path: Path) -> None:
    """Each with what to do; a line is added once."""
    repository = Repository(tmp_path / "r", tmp_path / "home")
    repository.folder.mkdir()
    assert "git init" in repository.run("sagetape", "cassette", "init-git", code=8)
    repository.run("git", "init", "-q")
    (repository.folder / ".gitattributes").write_text("*.txt text")
    for _ in range(2):
        repository.run("sagetape", "cassette", "init-git")
    lines = (repository.folder / ".gitattributes").read_text().splitlines()
    assert lines == ["*.txt text", "*.tape -text diff=sagetape merge=sagetape"]
    (repository.folder / ".gitattributes").unlink()
    (repository.folder / ".gitattributes").symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in repository.run("sagetape", "cassette", "init-git", code=8)
