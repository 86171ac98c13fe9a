"""The configuration file: found, read, judged; every problem at once, with file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagetape.core.endpoints import Component, ContainerMode, ContainerSpec, MultiModel, Variant
from sagetape.core.errors import CassetteMissing, ConfigError
from sagetape.core.signing import Key
from sagetape.shell.config_file import find_config, read_config
from sagetape.shell.resolution import settings_for
from sagetape.shell.settings import ServerSettings
from sagetape.shell.toml_lines import key_lines, line_of

OUTLINE = """\
region = "us-east-1"
account = "123456789012"
seed = 7
clock = "virtual"
record_mode = "none"
cassettes = ["cassettes/*.tape"]
auth = "strict"

[[credentials]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "a secret"
session_token = "a token"
expires = 2026-01-15T12:30:00Z

[[credentials]]
access_key_id = "AKIDFILE"
secret_file = "secret.txt"

[endpoints.churn]
upstream = "function:models:churn"
timeout_s = 30

[endpoints.ab]
variants.blue  = { weight = 9, instances = 2, upstream = "http://127.0.0.1:8081" }
variants.green = { weight = 1, upstream = "function:models:green" }

[endpoints.many]
multi_model = { upstream = "http://127.0.0.1:8082", models = ["de.tgz", "team/fr.tgz"], load_s = 3.0, capacity = 2 }

[endpoints.direct]
containers.first  = { upstream = "function:models:first" }
containers.second = { upstream = ["function:models:second", "aws"] }
container_mode = "direct"

[endpoints.llm]
components.chat = { upstream = "function:models:chat", copies = 1 }

[[faults]]
endpoint = "churn"
fault = "throttle"
probability = 0.1

[match]
round_digits = 3

[scrub]
headers = ["X-Amzn-SageMaker-Custom-Attributes"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that ends the search for a configuration."""
    (tmp_path / ".git").mkdir()
    return tmp_path


def settings_of(folder: Path, text: str, **flags: Any) -> ServerSettings:
    """The settings of `serve` under a configuration file with this text."""
    (folder / "sagetape.toml").write_text(text)
    return settings_for("serve", flags, environ={}, folder=folder)


def problems_of(folder: Path, text: str, **flags: Any) -> list[str]:
    """The problems of a configuration, places without the folder."""
    with pytest.raises(ConfigError) as caught:
        settings_of(folder, text, **flags)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_file_in_outline_is_read_whole(folder: Path) -> None:
    """Every key of the documented outline reaches the settings, in its type."""
    (folder / "cassettes").mkdir()
    for name in ("b.tape", "a.tape", "notes.txt"):
        (folder / "cassettes" / name).touch()
    (folder / "secret.txt").write_text("another secret\n")
    found = settings_of(folder, OUTLINE)
    assert (found.regions, found.account, found.seed, found.clock) == (("us-east-1",), "123456789012", 7, "virtual")
    assert found.cassettes == (folder / "cassettes/a.tape", folder / "cassettes/b.tape")
    assert found.credentials == (
        Key("AKIDEXAMPLE", "a secret", "a token", 1768480200.0),
        Key("AKIDFILE", "another secret"),
    )
    assert [rule.fault for rule in found.faults] == ["throttle"]
    assert (found.match, found.scrub["headers"]) == ({"round_digits": 3}, ["X-Amzn-SageMaker-Custom-Attributes"])
    assert (found.config_path, found.python_path) == (folder / "sagetape.toml", folder)


def test_endpoint_tables_become_endpoints(folder: Path) -> None:
    """Variants, containers, components and multi-model tables are values with the names of their tables."""
    (folder / "secret.txt").write_text("s")
    found = settings_of(folder, OUTLINE.replace("cassettes/*", "*")).endpoints
    assert found["churn"].upstream == ("function:models:churn",)
    assert (found["churn"].timeout_s, found["churn"].stream_timeout_s) == (30.0, 30.0)
    assert (found["ab"].timeout_s, found["ab"].stream_timeout_s) == (60.0, 480.0)
    assert found["ab"].variants == (
        Variant("blue", 9.0, 2, ("http://127.0.0.1:8081",)),
        Variant("green", 1.0, 1, ("function:models:green",)),
    )
    assert found["many"].multi_model == MultiModel(
        ("http://127.0.0.1:8082",), ("de.tgz", "team/fr.tgz"), load_s=3.0, capacity=2
    )
    assert found["direct"].container_mode is ContainerMode.DIRECT
    assert found["direct"].containers == (
        ContainerSpec("first", ("function:models:first",)),
        ContainerSpec("second", ("function:models:second", "aws")),
    )
    assert found["llm"].components == (Component("chat", ("function:models:chat",), 1),)


def test_upstream_that_holds_credentials_is_found_in_any_endpoint(folder: Path) -> None:
    """An aws upstream deep in a table counts as much as one of the whole server."""
    first, second = 'containers.first.upstream = "http://127.0.0.1:1"', 'containers.second.upstream = "aws:dev"'
    text = f"[endpoints.a]\n{first}\n{second}\n"
    deep = settings_of(folder, text)
    assert deep.holds_credentials
    assert not settings_of(folder, '[endpoints.a]\nupstream = "http://aws.example:1"\n').holds_credentials


def test_problems_are_listed_all_at_once_with_their_lines(folder: Path) -> None:
    """Typos in names, values, tables and functions: one sentence each, in one error."""
    text = """\
recrod_mode = "all"
port = "80"

[match]
rond_digits = 3

[endpoints.churn]
upstrem = "aws"
timeout_s = -1
variants.blue = { wieght = 9 }

[[faults]]
fault = "throtle"

[[credentials]]
access_key_id = "AKID"
secret = "hidden"
"""
    found = problems_of(folder, text)
    assert [problem.partition(" ")[0] for problem in sorted(found, key=lambda one: int(one.split(":")[1]))] == [
        f"sagetape.toml:{line}:" for line in (1, 2, 5, 8, 9, 10, 12, 15, 17)
    ]
    assert "did you mean 'record_mode'?" in "\n".join(found)
    assert "did you mean 'upstream'?" in "\n".join(found)
    assert "did you mean 'weight'?" in "\n".join(found)


def test_problem_of_a_credential_never_shows_its_secret(folder: Path) -> None:
    """A message may end in a CI log."""
    text = (
        '[[credentials]]\naccess_key_id = 5\nsecret_access_key = "hidden"\nsession_token = ["hidden"]\nexpires = "x"\n'
    )
    found = problems_of(folder, text)
    assert len(found) == 2
    assert "hidden" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 70000", "from 0 to 65535"),
        ("port = true", "whole number"),
        ("speed = -1", "from 0 to 1000"),
        ("speed = nan", "from 0 to 1000"),
        ("seed = 1.5", "whole number"),
        ('strict = "yes"', "true or false"),
        ('account = "12345"', "twelve digits"),
        ('region = "Europe"', "a region such as eu-west-1"),
        ('host = "http://x"', "without scheme or port"),
        ('auth = "strickt"', "did you mean 'strict'?"),
        ('clock = "virtul"', "did you mean 'virtual'?"),
        ("clock = 2026-01-15T12:00:00", "must name its zone"),
        ('miss_function = "models"', "written as module:name"),
        ('upstream = "awss"', "did you mean 'aws'?"),
        ('upstream = "localhost:8080"', "did you mean 'http://localhost:8080'?"),
        ('upstream = "models:churn"', "did you mean 'function:models:churn'?"),
        ('upstream = "http://user:word@h"', "must be aws"),
        ('upstream = "htp://h:1"', "did you mean 'http://h:1'?"),
        ("upstream = 5", "must be an upstream in quotes"),
        ("endpoints = 5", "must be a table"),
        ("faults = [5]", "each under [[faults]]"),
        ("match = 5", "must be a table"),
        ("credentials = [5]", "must be tables"),
        ("cassettes = 5", "must be a path in quotes"),
        ("json = true", "unknown key 'json'"),
        ("[endpoints]\nchurn = 5", "churn must be a table"),
        ("[endpoints.a]\nvariants = 5", "must be tables by name"),
        ("[endpoints.a]\nname = 'b'", "unknown key 'name' of a"),
        ("[endpoints.a]\nsessions = 1", "true or false"),
        ("[endpoints.a]\ncontainer_mode = 'dirct'", "did you mean 'direct'?"),
        ("[endpoints.a]\nmulti_model = 5", "multi_model must be a table"),
        ("[endpoints.a.routing]\nprefix_byts = 5", "did you mean 'prefix_bytes'?"),
        ('[[credentials]]\naccess_key_id = "A"', "either secret_access_key or secret_file"),
        ('[[credentials]]\nsecret_access_key = "A"', "without access_key_id"),
        ('[[credentials]]\naccess_key_id = "A"\nsecret_file = "nowhere"', "No such file"),
        ('[[credentials]]\naccess_key_id = "A"\nsecret_access_key = "B"\nexpires = 5', "a time with its zone"),
        ("port = 1\nport = 2", "not valid TOML"),
        ("port = ", "not valid TOML"),
        ("a = [", "not valid TOML"),
    ],
)
def test_problem_says_what_would_have_worked(text: str, said: str, folder: Path) -> None:
    """Each mistake is one sentence with a place and a hint."""
    found = problems_of(folder, text)
    assert len(found) == 1
    assert found[0].startswith("sagetape.toml:")
    assert said in found[0]


# --- where it is looked for -------------------------------------------------------------------------------------


def test_search_takes_the_nearest_file_and_ends_at_a_repository(tmp_path: Path) -> None:
    """Own file before pyproject.toml, nearest folder first, nothing above a repository's root."""
    inner = tmp_path / "repository" / "package"
    inner.mkdir(parents=True)
    (tmp_path / "sagetape.toml").write_text("port = 1\n")
    assert find_config(inner).table == {"port": 1}  # type: ignore[union-attr]
    (tmp_path / "repository" / "pyproject.toml").write_text("[tool.sagetape]\nport = 2\n")
    assert find_config(inner).table == {"port": 2}  # type: ignore[union-attr]
    (tmp_path / "repository" / "sagetape.toml").write_text("port = 3\n")
    assert find_config(inner).table == {"port": 3}  # type: ignore[union-attr]
    (inner / ".git").mkdir()
    assert find_config(inner) is None


def test_project_file_without_our_table_is_passed_by(tmp_path: Path) -> None:
    """A pyproject.toml of somebody else's does not hide the file above it."""
    inner = tmp_path / "package"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[tool.other]\nport = 9\n")
    (tmp_path / "sagetape.toml").write_text("port = 1\n")
    assert find_config(inner).table == {"port": 1}  # type: ignore[union-attr]


def test_project_file_problems_have_its_lines(folder: Path) -> None:
    """Lines are those of pyproject.toml, not of our table."""
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n\n[tool.sagetape]\nprot = 1\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:5: unknown key 'prot'; did you mean 'port'\?"):
        settings_for("serve", {}, environ={}, folder=folder)


def test_file_that_is_named_and_missing_is_an_error(folder: Path) -> None:
    """The nearest one is told."""
    (folder / "sagetape.toml").touch()
    with pytest.raises(ConfigError, match=r"other\.toml: no such configuration file\. The nearest is .*sagetape\.toml"):
        read_config(folder / "other.toml")


def test_file_that_is_no_text_is_an_error(folder: Path) -> None:
    """Not a traceback about a codec."""
    (folder / "sagetape.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read .* UTF-8"):
        settings_for("serve", {}, environ={}, folder=folder)


def test_file_is_left_alone_when_none_is_wanted(folder: Path) -> None:
    """By argument or by variable."""
    (folder / "sagetape.toml").write_text("port = 1\n")
    assert settings_for("serve", {}, environ={}, folder=folder, uses_config=False).port == 7243
    assert settings_for("serve", {}, environ={"SAGETAPE_NO_CONFIG": "1"}, folder=folder).port == 7243
    assert settings_for("serve", {}, environ={"SAGETAPE_NO_CONFIG": "0"}, folder=folder).port == 1


def test_file_named_by_a_variable_is_read(folder: Path) -> None:
    """Relative paths in it are relative to it."""
    (folder / "ci").mkdir()
    (folder / "ci" / "a.tape").touch()
    (folder / "ci" / "ci.toml").write_text('cassettes = ["a.tape"]\n')
    environ = {"SAGETAPE_CONFIG": str(folder / "ci" / "ci.toml")}
    assert settings_for("serve", {}, environ=environ, folder=folder).cassettes == (folder / "ci" / "a.tape",)


# --- cassettes --------------------------------------------------------------------------------------------------


def test_cassette_that_is_missing_names_the_nearest(folder: Path) -> None:
    """Its own error, with the remedy."""
    (folder / "churn.tape").touch()
    with pytest.raises(CassetteMissing) as caught:
        settings_for("replay", {"cassettes": (Path("chrun.tape"), Path("x/y.tape"))}, environ={}, folder=folder)
    first, second = str(caught.value).splitlines()
    assert "churn.tape." in first
    assert "sagetape record" in first
    assert "There is no folder" in second


def test_cassette_that_is_a_folder_says_how_to_name_its_files(folder: Path) -> None:
    """A likely mistake."""
    with pytest.raises(CassetteMissing, match=r"There is no cassette in it either"):
        settings_for("replay", {"cassettes": (folder,)}, environ={}, folder=folder)
    (folder / "churn.tape").touch()
    with pytest.raises(CassetteMissing, match=r"Name the cassettes in it: .*/\*\.tape\.$"):
        settings_for("replay", {"cassettes": (folder,)}, environ={}, folder=folder)


def test_cassette_to_record_to_is_the_only_one_when_not_named(folder: Path) -> None:
    """With one cassette and a mode that keeps, it is clear which is meant; it is then not read twice."""
    settings = settings_of(folder, 'cassettes = "new.tape"\nrecord_mode = "once"\nupstream = "aws"\n')
    assert (settings.record_to, settings.cassettes) == (folder / "new.tape", ())


def test_cassette_named_twice_is_played_once(folder: Path) -> None:
    """By a glob and by name."""
    (folder / "a.tape").touch()
    assert settings_of(folder, 'cassettes = ["*.tape", "a.tape"]\n').cassettes == (folder / "a.tape",)


# --- what is wrong together -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('host = "0.0.0.0"', "sagetape.toml:1: listening on 0.0.0.0 lets other machines in"),
        ('host = ["127.0.0.1", "myhost"]', "listening on myhost"),
        ('miss_policy = "function"', "Add --miss-function module:name"),
        ('miss_function = "m:f"', "it would never be asked"),
        ('record_mode = "verify"', "the mode verify asks an upstream, and none is declared"),
        ('miss_policy = "forward"', "the miss policy forward asks an upstream"),
        ('upstream = "aws"\nrecord_mode = "all"', "and where is not said. Add --record-to"),
        ('upstream = "aws"\nrecord_mode = "all"\ncassettes = ["a.tape", "b.tape"]', "which of 2 cassettes takes them"),
        ('record_to = "a.tape"', "the mode none keeps nothing"),
    ],
)
def test_contradiction_is_told_with_its_place(text: str, said: str, folder: Path) -> None:
    """Values that are right one by one and wrong together."""
    found = problems_of(folder, text)
    assert len(found) == 1
    assert said in found[0]


def test_endpoint_that_contradicts_itself_is_told_with_its_line(folder: Path) -> None:
    """The rules are the core's; the place is the file's."""
    text = """\
[endpoints.a]
upstream = "aws"
timeout_s = 0

[endpoints.b]
variants.blue = { weight = 0 }
variants.green = { weight = 0 }

[[faults]]
fault = "reset"
endpoint = "b"
variant = "bleu"
"""
    found = problems_of(folder, text)
    assert [problem.partition(" ")[0] for problem in found[:1]] == ["sagetape.toml:1:"]
    assert any(problem.startswith("sagetape.toml:5: endpoints.b") for problem in found)
    assert any(problem.startswith("sagetape.toml:9: ") and "'blue'" in problem for problem in found)


def test_contradictions_that_follow_from_a_typo_are_not_told(folder: Path) -> None:
    """One mistake is one sentence, also inside a table."""
    assert len(problems_of(folder, 'record_mode = "verify"\n[endpoints.a]\nupstream = "awss"\n')) == 1
    assert len(problems_of(folder, 'record_mode = "al"\nrecord_to = "a.tape"\nupstream = "aws"\n')) == 1


def test_replay_without_cassettes_says_how_to_name_them(folder: Path) -> None:
    """It could only miss."""
    with pytest.raises(ConfigError, match="there is no cassette to replay"):
        settings_for("replay", {}, environ={}, folder=folder)


def test_replay_refuses_to_forward(folder: Path) -> None:
    """Its promise is that the network is never touched."""
    (folder / "a.tape").touch()
    with pytest.raises(ConfigError, match="replay never forwards"):
        settings_for("replay", {"cassettes": (Path("a.tape"),), "miss_policy": "forward"}, environ={}, folder=folder)


def test_open_bind_is_allowed_with_its_names(folder: Path) -> None:
    """The container image's case."""
    found = settings_of(folder, 'host = "0.0.0.0"\nallowed_hosts = ["sagetape", "*.internal"]\n')
    assert found.allowed_hosts == ("sagetape", "*.internal")


# --- lines ------------------------------------------------------------------------------------------------------


def test_lines_are_found_behind_everything_that_looks_like_a_key() -> None:
    """Strings, comments and arrays of several lines hold no keys."""
    source = '''\
# a = 1
a = """
b = 2
[c]
"""
b = [
  "x = [", # ]
  { y = 1 },
]
'c d'.e = 1
[[t]]
n = 1
[t.u]
m = 1
[[t]]
n = 2
["x.y".z]
k = 1
'''
    lines = key_lines(source)
    assert line_of(("a",), lines) == 2
    assert line_of(("b",), lines) == 6
    assert line_of(("c d", "e"), lines) == 10
    assert line_of(("t", 0, "n"), lines) == 12
    assert line_of(("t", 0, "u", "m"), lines) == 14
    assert line_of(("t", 1, "n"), lines) == 16
    assert line_of(("x.y", "z", "k"), lines) == 18
    assert line_of(("b", 1, "y"), lines) == 6
    assert line_of(("nowhere",), lines) == 1
