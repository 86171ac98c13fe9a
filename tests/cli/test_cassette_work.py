"""scan, scrub, diff, merge, compact, ls and show: what they do to files, say, and end with."""

from __future__ import annotations

import base64
import gzip
import json
import os
import struct
import zlib
from pathlib import Path

import pytest
from cassette_line import NO_TERMINAL_CODES, as_json, made, names, output, read, run, write
from tests.core.exchange_samples import interaction

from sagetape.core.cassette import CassetteSettings
from sagetape.core.framing import frame
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.payload import pack
from sagetape.core.wire import Abort, Chunk, Head, body_of
from sagetape.shell.store import Cassette

KEY = "AKIA" + "IOSFODNN7EXAMPLE"
LIVE = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYsecretsecret"


# --- scan and scrub -------------------------------------------------------------------------------------------------


def test_scan_finds_a_key_and_ends_with_7(tmp_path: Path) -> None:
    """The place is named, the secret is not shown; a clean cassette ends with 0."""
    hidden = base64.b64encode(gzip.compress(f'{{"key":"{KEY}"}}'.encode())).decode()
    tape = write(tmp_path / "a.tape", made("a"), made("b", json.dumps({"blob": hidden}).encode()))
    text = output("cassette", "scan", tape, code=7)
    assert "AWS access key id" in text
    assert "interaction 1, endpoint churn, response body" in text
    assert "gzip" in text
    assert KEY not in text
    (found,) = as_json("cassette", "scan", tape, code=7)["findings"]
    assert (found["interaction"], found["kind"]) == (1, "AWS access key id")
    assert "no secrets found" in output("cassette", "scan", write(tmp_path / "b.tape", made("a")))


def test_scan_knows_the_credentials_of_this_environment(tmp_path: Path) -> None:
    """A secret key matches no pattern; it is known because it is this user's."""
    tape = write(tmp_path / "a.tape", made("a", LIVE.encode()))
    environ = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": LIVE}
    assert "live secret" in output("cassette", "scan", tape, code=7, **environ)


def test_scan_allows_a_false_alarm_for_good(tmp_path: Path) -> None:
    """The fingerprint is stored in the cassette; what is no fingerprint is refused."""
    tape = write(tmp_path / "a.tape", made("a", KEY.encode()))
    mark = as_json("cassette", "scan", tape, code=7)["findings"][0]["fingerprint"]
    output("cassette", "scan", "--allow", mark, tape)
    output("cassette", "scan", tape)
    assert "is not 16 hexadecimal digits" in run("cassette", "scan", "--allow", "nonsense", tape).output


def test_scan_sees_what_is_not_played(tmp_path: Path) -> None:
    """Records of a newer version are on the disk all the same."""
    tape = write(tmp_path / "a.tape", made("a", KEY.encode()))
    secret = b"ASIA" + KEY[4:].encode() + b" in a record of a kind that this version does not know"
    with tape.open("ab") as file:
        file.write(b"".join(frame(200, pack({"data": secret}))))
    found = as_json("cassette", "scan", tape, code=7)["findings"]
    assert sorted((one["interaction"] is None, one["where"].split(" at ")[0]) for one in found) == [
        (False, "interaction 0, endpoint churn"),
        (True, "record of kind 200"),
    ]


@pytest.mark.skipif(not pytest.importorskip("backports.zstd"), reason="needs the extra [zstd]")
def test_scan_looks_inside_zstd(tmp_path: Path) -> None:
    """With the extra a key inside zstd is found; a clean zstd body is clean."""
    from backports import zstd

    for body, code in ((f"key {KEY}", 7), ("nothing at all to be seen here", 0)):
        tape = tmp_path / f"{code}.tape"
        write(tape, made("a", zstd.compress(body.encode() * 3)))
        output("cassette", "scan", tape, code=code)


def test_scan_refuses_zstd_that_it_cannot_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, what was not looked at is not known to be clean."""
    zstd = pytest.importorskip("backports.zstd")
    tape = write(tmp_path / "a.tape", made("a", zstd.compress(b"nothing at all")))
    monkeypatch.setattr("sagetape.shell.scanning.find_zstd", lambda: None)
    (found,) = as_json("cassette", "scan", tape, code=7)["findings"]
    assert found["kind"] == "unreadable"


def test_scrub_applies_rules_everywhere_and_stores_them(tmp_path: Path) -> None:
    """The value is gone from the file, the key is computed anew, and the rules are in the header."""
    one = interaction(b'{"user":{"mail":"anna@example.com"}}', b'{"sent":"anna@example.com"}', CustomAttributes="t=1")
    tape = write(tmp_path / "a.tape", one)
    words = ("cassette", "scrub", tape, "--json-path", "user.mail", "--pattern", r"[a-z]+@example\.com")
    text = output(*words, "--header", "CustomAttributes")
    assert "1 of 1 interaction changed" in text
    assert b"anna" not in tape.read_bytes()
    (kept,) = read(tape)
    assert kept.call.members["CustomAttributes"] == "scrubbed"
    with Cassette.open(tape) as cassette:
        assert cassette.settings.scrub["json_paths"] == ["user.mail"]
    before = tape.read_bytes()
    output(*words, "--header", "CustomAttributes")
    assert tape.read_bytes() == before


def test_scrub_takes_a_named_account_out_everywhere(tmp_path: Path) -> None:
    """In ARNs of requests and answers and as a bare number in a text; the file does not hold it any more."""
    said = b'{"text": "endpoint arn:aws:sagemaker:us-east-1:482913765021:endpoint/x of account 482913765021"}'
    one = interaction(b'{"arn":"arn:aws:iam::482913765021:role/x"}', said, CustomAttributes="account 482913765021")
    tape = write(tmp_path / "a.tape", one, made("b"))
    assert "1 of 2 interactions changed" in output("cassette", "scrub", tape, "--account", "482913765021")
    kept = next(one for one in read(tape) if "arn" in one.call.body.decode())
    assert body_of(kept.script) == said.replace(b"482913765021", b"000000000000")
    assert kept.call.body.startswith(b'{"arn":"arn:aws:iam::000000000000:role/principal-')
    assert kept.call.members["CustomAttributes"] == "account 000000000000"
    assert b"482913765021" not in tape.read_bytes()
    done = run("cassette", "scrub", tape, "--account", "4829-1376-5021")
    assert done.exit_code == 2
    assert "an account is twelve digits" in done.output


def test_scrub_tells_what_is_still_there(tmp_path: Path) -> None:
    """A secret that no rule takes out ends the command with 7, and names the place."""
    tape = write(tmp_path / "a.tape", made("a", KEY.encode()))
    done = run("cassette", "scrub", tape)
    assert done.exit_code == 7
    assert "still there: AWS access key id" in done.stderr


def test_scrub_refuses_rules_that_make_two_requests_one(tmp_path: Path) -> None:
    """A replay could not tell them apart; nothing is changed."""
    tape = write(tmp_path / "a.tape", made("a"), made("b", b"other"))
    before = tape.read_bytes()
    done = run("cassette", "scrub", tape, "--json-path", "id")
    assert done.exit_code == 8
    assert "interactions 0 and 1 differ only in what these rules remove" in done.stderr
    assert tape.read_bytes() == before


# --- diff and merge -------------------------------------------------------------------------------------------------


def test_diff_tells_changes_by_meaning(tmp_path: Path) -> None:
    """Spacing and time are no change; a number is, unless within the tolerance."""
    old = write(tmp_path / "old.tape", made("a", b'{"p":0.5}'), made("b"))
    same = write(tmp_path / "same.tape", made("b", at=9.0), made("a", b'{ "p": 0.50 }'))
    new = write(tmp_path / "new.tape", made("a", b'{"p":0.6}'), made("c"))
    assert "no difference" in output("cassette", "diff", old, same)
    text = output("cassette", "diff", old, new, code=3)
    assert "$.p: recorded 0.5, now 0.6" in text
    changes = as_json("cassette", "diff", old, new, code=3)["changes"]
    assert [change["kind"] for change in changes] == ["changed", "removed", "added"]
    kinds = as_json("cassette", "diff", old, new, "--absolute", "0.2", code=3)["changes"]
    assert [change["kind"] for change in kinds] == ["removed", "added"]


def test_merge_takes_both_sides_into_ours(tmp_path: Path) -> None:
    """Both branches' recordings are there, the file is canonical, and merging again changes nothing."""
    base, ours, theirs = (tmp_path / f"{name}.tape" for name in ("base", "ours", "theirs"))
    write(base, made("a"))
    write(ours, made("a"), made("b"))
    write(theirs, made("c"), made("a"))
    assert "3 interactions, 1 change taken" in output("cassette", "merge", base, ours, theirs)
    assert names(ours) == ["a", "b", "c"]
    before = ours.read_bytes()
    output("cassette", "merge", base, ours, theirs)
    assert ours.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.tape", "ours.tape", "theirs.tape"]


def test_merge_conflict_ends_with_1_and_leaves_a_whole_file(tmp_path: Path) -> None:
    """What git's driver must do; without an ancestor git hands out an empty file."""
    base, ours, theirs = (tmp_path / f"{name}.tape" for name in ("base", "ours", "theirs"))
    base.write_bytes(b"")
    write(ours, made("a", b'{"p":1}'))
    write(theirs, made("a", b'{"p":2}'), made("b"))
    done = run("cassette", "merge", base, ours, theirs, "--label", "tapes/churn.tape")
    assert done.exit_code == 1
    assert "CONFLICT in tapes/churn.tape: InvokeEndpoint churn" in done.stderr
    assert "ours 1, theirs 2 (1 apart); ours was kept" in done.stderr
    assert "sound" in output("cassette", "verify", ours)
    assert names(ours) == ["a", "b"]
    other = tmp_path / "other.tape"
    output("cassette", "merge", base, ours, theirs, "--favor", "theirs", "-o", other, code=1)
    assert b'{"p":2}' in [bytes(one.script[1].data) for one in read(other)]  # type: ignore[union-attr]


def test_merge_brings_sides_under_the_match_rules_that_one_changed(tmp_path: Path) -> None:
    """The side that was recorded under the older rules gets its keys anew."""
    loose = CassetteSettings(match=MatchRules(ignore_paths=("trace",)).as_dict(), seed=7)
    base, theirs = (write(tmp_path / f"{name}.tape", made("a")) for name in ("base", "theirs"))
    ours = write(tmp_path / "ours.tape", made("b"), settings=loose)
    output("cassette", "merge", base, ours, theirs)
    with Cassette.open(ours) as cassette:
        assert cassette.settings.match["ignore_paths"] == ["trace"]
    assert names(ours) == ["b"]


def test_merge_refuses_a_damaged_side(tmp_path: Path) -> None:
    """What is missing from it would look like a deletion."""
    base, ours = write(tmp_path / "base.tape", made("a")), write(tmp_path / "ours.tape", made("a"), made("b"))
    theirs = write(tmp_path / "theirs.tape", made("a"), made("c", b"x" * 50))
    data = bytearray(theirs.read_bytes())
    data[data.index(b"x" * 50)] ^= 1
    theirs.write_bytes(bytes(data))
    before = ours.read_bytes()
    assert run("cassette", "merge", base, ours, theirs).exit_code == 6
    assert ours.read_bytes() == before


@pytest.mark.parametrize("missing", ["ours", "theirs"])
def test_merge_of_a_side_that_is_not_there_ends_with_6(tmp_path: Path, missing: str) -> None:
    """A mistyped name was read as "everything was deleted", and the recordings with it."""
    sides = {name: write(tmp_path / f"{name}.tape", made("a")) for name in ("base", "ours", "theirs")}
    before = sides["ours"].read_bytes()
    sides[missing] = tmp_path / "typo.tape"
    done = run("cassette", "merge", sides["base"], sides["ours"], sides["theirs"])
    assert done.exit_code == 6
    assert "typo.tape: no such cassette. The nearest is" in done.stderr
    assert not (tmp_path / "typo.tape").exists()
    assert (tmp_path / "ours.tape").read_bytes() == before


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("cut", ["empty", "in the header", "in the last record"])
def test_merge_refuses_a_side_that_lacks_records(tmp_path: Path, side: str, cut: str) -> None:
    """An empty file, half a header, a torn tail: nothing of it counts as deleted, and for git it is a conflict."""
    sides = {
        name: write(tmp_path / f"{name}.tape", made("a"), made("b", b"x" * 500)) for name in ("base", "ours", "theirs")
    }
    whole = sides[side].read_bytes()
    sides[side].write_bytes({"empty": b"", "in the header": whole[:9], "in the last record": whole[:-300]}[cut])
    before = sides["ours"].read_bytes()
    done = run("cassette", "merge", *sides.values())
    assert done.exit_code == 6, done.output
    assert side in done.stderr
    done = run("cassette", "merge", *sides.values(), "--label", "tapes/churn.tape")
    assert done.exit_code == 1
    assert "CONFLICT in tapes/churn.tape: " in done.stderr
    assert sides["ours"].read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


def test_merge_counts_one_as_one(tmp_path: Path) -> None:
    """`1 interaction`, `1 change`."""
    base = write(tmp_path / "base.tape", made("a"))
    ours, theirs = write(tmp_path / "ours.tape", made("a")), write(tmp_path / "theirs.tape", made("a", b"2"))
    assert "1 interaction, 1 change taken from theirs" in output("cassette", "merge", base, ours, theirs)


@pytest.mark.parametrize("words", [("ls",), ("verify",), ("merge", "base", "ours"), ("export",), ("scan",)])
def test_folder_is_called_one(tmp_path: Path, words: tuple[str, ...]) -> None:
    """It was called a FIFO or a device, perhaps."""
    for name in ("base", "ours"):
        write(tmp_path / f"{name}.tape", made("a"))
    known = [tmp_path / f"{word}.tape" for word in words[1:]]
    done = run("cassette", words[0], *known, tmp_path)
    assert done.exit_code == 6
    assert "it is a directory. Name a file in it" in done.stderr
    assert "FIFO" not in done.stderr


@pytest.mark.parametrize("name", ["compact", "scan", "verify", "export", "show", "ls", "edit", "scrub"])
def test_missing_cassette_is_not_to_be_recorded_by_a_command_that_reads(tmp_path: Path, name: str) -> None:
    """The advice is the same command over what is there."""
    write(tmp_path / "churn.tape", made("a"))
    done = run("cassette", name, tmp_path / "chrun.tape", EDITOR="true")
    assert done.exit_code == 6
    assert f"Name one that is there: sagetape cassette {name} " in done.stderr
    assert "churn.tape" in done.stderr.partition("Name one")[2]
    assert "--upstream" not in done.stderr


BAD_VALUES = [
    ("ls", "--max-size", "1e3"),
    ("ls", "--max-size", "-5"),
    ("ls", "--max-size", "1.5.k"),
    ("compact", "--match", "{"),
    ("compact", "--match", "[]"),
    ("compact", "--match", '{"ignore_path": []}'),
    ("scan", "--allow", "x"),
    ("scrub", "--pattern", "("),
    ("scrub", "--json-path", "a..b"),
    ("scrub", "--header", "a:"),
    ("import", "--allow", "x"),
    ("import", "--member", "Accept"),
    ("export", "--format", "xml"),
]


@pytest.mark.parametrize("words", BAD_VALUES)
def test_bad_value_of_a_flag_is_a_matter_of_usage(tmp_path: Path, words: tuple[str, str, str]) -> None:
    """2 everywhere; 8 is for what stands in files and variables."""
    tape = write(tmp_path / "a.tape", made("a"))
    more = ["-o", tmp_path / "b.tape"] if words[0] == "import" else []
    done = run("cassette", *words, tape, *more)
    assert done.exit_code == 2, done.output
    assert words[1] in done.stderr


@pytest.mark.parametrize(("name", "code"), [("ls", 0), ("show", 0), ("export", 0), ("verify", 6)])
def test_torn_cassette_is_told_with_what_to_do(tmp_path: Path, name: str, code: int) -> None:
    """Each command says it once, with the command that mends it; after that all is sound."""
    tape = write(tmp_path / "a.tape", made("a"), made("b", b"x" * 500))
    tape.write_bytes(tape.read_bytes()[:-50])
    done = run("cassette", name, tape)
    assert done.exit_code == code
    assert done.stderr.count("an unfinished record of") == 1
    assert done.stderr.count(f"sagetape cassette compact --salvage {tape}") == 1
    output("cassette", "compact", "--salvage", tape)
    assert run("cassette", name, tape).stderr == ""


# --- compact, ls, show ----------------------------------------------------------------------------------------------


def test_compact_drops_what_is_not_played_and_changes_rules(tmp_path: Path) -> None:
    """Records of a newer version go; new match rules get new keys, under which the recording is found."""
    tape = write(tmp_path / "a.tape", made("a"))
    with tape.open("ab") as file:
        file.write(b"".join(frame(200, pack({"data": bytes(5000)}))))
    report = as_json("cassette", "compact", tape)
    assert (report["kept"], report["lost"]) == (1, [])
    assert report["after_bytes"] < report["before_bytes"]
    output("cassette", "compact", tape, "--match", '{"ignore_paths": ["id"]}')
    loose = Matcher(MatchRules(ignore_paths=("id",)))
    with Cassette.open(tape) as cassette:
        assert len(cassette.takes(loose.key(made("anything").call))) == 1
    assert run("cassette", "compact", tape, "--match", "[]").exit_code == 2


def test_strict_verify_tells_answers_that_are_right_by_luck(tmp_path: Path) -> None:
    """Two answers to one request: sound, and doubtful under --strict only, where it ends with 3."""
    tape = write(tmp_path / "a.tape", made("a", b"1"), made("a", b"2"), made("b"))
    output("cassette", "verify", tape)
    done = run("cassette", "verify", "--strict", tape)
    assert done.exit_code == 3
    assert "2 different answers are recorded for one request" in done.stderr
    assert run("cassette", "verify", "--strict", write(tmp_path / "b.tape", made("a"))).exit_code == 0


def test_ls_tells_sizes_and_fails_over_the_limit(tmp_path: Path) -> None:
    """--max-size is a check for CI: 3 when a cassette is larger, with what to do."""
    tape = write(tmp_path / "a.tape", made("a", os.urandom(3000)), made("b"))
    assert "churn     2" in output("cassette", "ls", "--sizes", tape)
    output("cassette", "ls", "--max-size", "1MB", tape)
    done = run("cassette", "ls", "--max-size", "2k", tape)
    assert done.exit_code == 3
    assert "cassette compact" in done.stderr
    listing = as_json("cassette", "ls", tape)
    assert listing["endpoints"][0]["largest_bytes"] == 3000 + len('{"id":"a"}')
    assert run("cassette", "ls", "--max-size", "plenty", tape).exit_code == 2


def test_show_marks_an_answer_that_breaks_off(tmp_path: Path) -> None:
    """In every form: text, JSON, textconv, listing and both exports."""
    tape = write(tmp_path / "a.tape", made("a", script=(Head(200), Chunk(b"half"), Abort("reset"))))
    assert "breaks off" in output("cassette", "show", tape)
    assert "breaks off" in output("cassette", "ls", tape)
    assert "the connection breaks: reset" in output("cassette", "show", "--textconv", tape)
    assert json.loads(output("cassette", "show", "--json", tape))["is_complete"] is False
    assert '"abort": "reset"' in output("cassette", "export", tape)
    assert '"_error": "reset"' in output("cassette", "export", "--format", "har", tape)


def test_textconv_does_not_depend_on_the_order_of_recording(tmp_path: Path) -> None:
    """So git diff shows what changed and nothing else; JSON bodies have a line for every value."""
    one = write(tmp_path / "one.tape", made("a"), made("b"))
    other = write(tmp_path / "other.tape", made("b"), made("a"))
    text = output("cassette", "show", "--textconv", one)
    assert text == output("cassette", "show", "--textconv", other)
    assert '        "label": "stays"' in text
    empty = tmp_path / "empty.tape"
    empty.write_bytes(b"")
    assert output("cassette", "show", "--textconv", empty) == ""


@NO_TERMINAL_CODES
def test_recorded_text_cannot_move_the_terminal(tmp_path: Path, hostile: str) -> None:
    """Control characters out of a cassette are shown, not obeyed, by every command that prints recorded text."""
    one = interaction(
        hostile.encode(),
        hostile.encode(),
        endpoint=f"churn{hostile}",
        TargetModel=hostile,
        notes={hostile: hostile},
        script=(Head(200, (("X-Note", hostile.replace("\r", "")),)), Chunk(hostile.encode()), Abort(hostile)),
    )
    tape, empty = write(tmp_path / "a.tape", one), write(tmp_path / "b.tape", made("a"))
    base = tmp_path / "none.tape"
    for words in (
        ["show", tape],
        ["show", "--whole", tape],
        ["show", "--textconv", tape],
        ["ls", tape],
        ["ls", "--sizes", tape],
        ["diff", empty, tape],
        ["export", tape],
        ["export", "--format", "har", tape],
        ["scan", tape],
        ["merge", base, tape, empty, "-o", tmp_path / "c.tape"],
    ):
        done = run("cassette", *words)
        assert done.exit_code == (3 if words[0] == "diff" else 0), done.output
        assert hostile[:1] not in done.output.replace("a", "") if hostile[0] != "a" else "\r" not in done.output


@pytest.mark.parametrize(
    "words",
    [
        ("scan",),
        ("scrub",),
        ("compact",),
        ("show",),
        ("ls",),
        ("export",),
        ("edit",),
    ],
)
def test_command_says_what_is_wrong_with_a_path(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Missing, a folder, a link, a FIFO, no cassette, a newer version: each has its message, and the code 6."""
    good = write(tmp_path / "good.tape", made("a"))
    (tmp_path / "link.tape").symlink_to(good)
    (tmp_path / "text.tape").write_text("hello")
    newer = good.read_bytes().replace(b"\xa6format\x01", b"\xa6format\x02", 1)
    (tmp_path / "newer.tape").write_bytes(_with_checksums(newer))
    os.mkfifo(tmp_path / "fifo.tape")
    for name, said in {
        "missing.tape": "no such cassette",
        "link.tape": "symbolic link",
        "text.tape": "not a cassette",
        "newer.tape": "Upgrade",
        "fifo.tape": "FIFO",
    }.items():
        done = run("cassette", *words, str(tmp_path / name), EDITOR="true")
        assert done.exit_code == 6, (name, done.output)
        assert said in done.output, (name, done.output)


def _with_checksums(data: bytes) -> bytes:
    """The header record's two checksums made right after a byte of its payload was changed."""
    size = struct.unpack_from("<I", data, 8)[0]
    head = data[:32] + struct.pack("<I", zlib.crc32(data[40 : 40 + size]))
    return head + struct.pack("<I", zlib.crc32(head)) + data[40:]
