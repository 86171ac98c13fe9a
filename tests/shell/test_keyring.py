"""Which keys a server knows, which regions it accepts, and what is read from this user's AWS files."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagetape.core.signing import Key
from sagetape.shell.aws_files import active_key, read_aws_files, regions_of
from sagetape.shell.diagnosis import key_text
from sagetape.shell.keyring import DEVELOPMENT_KEY, WELL_KNOWN_KEYS, accepted_regions, drawn_key, keyring_for
from sagetape.shell.settings import ServerSettings

CREDENTIALS = """\
[default]
aws_access_key_id = AKIADEFAULT
aws_secret_access_key = default+secret

[dev]
aws_access_key_id = ASIADEV
aws_secret_access_key = dev%secret
aws_session_token = dev==token

[half]
aws_access_key_id = AKIAHALF
"""
CONFIG = """\
[default]
region = eu-central-1

[profile dev]
region = us-west-2

[profile "in config"]
aws_access_key_id = AKIACONFIG
aws_secret_access_key = config secret

[profile role]
role_arn = arn:aws:iam::123456789012:role/x
"""
MADE = Key("SAGETAPEMADE", "made for this run")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with both files."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(CREDENTIALS)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return tmp_path


def known(settings: ServerSettings, environ: dict[str, str], home: Path) -> set[str]:
    """The ids of all known keys."""
    return set(keyring_for(settings, environ, home=home, draw=lambda: MADE).keys)


def test_keyring_knows_the_public_pairs_without_any_set_up(tmp_path: Path) -> None:
    """The development pair, LocalStack's habit and moto's."""
    ring = keyring_for(ServerSettings(), {}, home=tmp_path)
    assert ring.find("SAGETAPEDEVELOPMENT0") == (DEVELOPMENT_KEY,)
    assert ring.find("test") == (Key("test", "test"),)
    assert ring.find("testing") == (Key("testing", "testing"),)
    assert ring.find("AKIAUNKNOWN") == ()
    assert ring.run_key is None


def test_keyring_knows_the_static_keys_of_all_profiles(home: Path) -> None:
    """Half a pair and a role are no static keys."""
    ids = known(ServerSettings(), {}, home)
    assert ids - {key.access_key_id for key in WELL_KNOWN_KEYS} == {"AKIADEFAULT", "ASIADEV", "AKIACONFIG"}


def test_keyring_reads_files_as_botocore_does(home: Path) -> None:
    """A percent sign is no interpolation, and an equals sign belongs to the value."""
    ring = keyring_for(ServerSettings(), {}, home=home)
    assert ring.find("ASIADEV") == (Key("ASIADEV", "dev%secret", "dev==token"),)


def test_keyring_knows_the_key_of_the_variables(tmp_path: Path) -> None:
    """With its token."""
    environ = {"AWS_ACCESS_KEY_ID": "ASIAENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
    ring = keyring_for(ServerSettings(), environ, home=tmp_path)
    assert ring.find("ASIAENV") == (Key("ASIAENV", "s", "t"),)


@pytest.mark.parametrize("named", ["{folder}/other", "~/other"])
def test_keyring_reads_the_file_that_a_variable_names(named: str, home: Path) -> None:
    """And not the usual one beside it."""
    (home / "other").write_text("[x]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = s\n")
    ids = known(ServerSettings(), {"AWS_SHARED_CREDENTIALS_FILE": named.format(folder=home)}, home)
    assert "AKIAOTHER" in ids
    assert "AKIADEFAULT" not in ids


@pytest.mark.parametrize("content", [b"", b"no section\n", b"\xff\xfe", b"[a]\nx\n", b"[a]\n[a]\nb=1\nb=2\n"])
def test_keyring_takes_an_unreadable_file_as_empty(content: bytes, home: Path) -> None:
    """The user's AWS set-up is not ours to judge."""
    (home / ".aws" / "credentials").write_bytes(content)
    (home / ".aws" / "config").unlink()
    assert known(ServerSettings(), {}, home) == {key.access_key_id for key in WELL_KNOWN_KEYS}


def test_keyring_keeps_several_keys_of_one_id_configured_first(home: Path) -> None:
    """A rotated secret, or the token of another session; the same key twice counts once."""
    rotated = Key("AKIADEFAULT", "newer")
    environ = {"AWS_ACCESS_KEY_ID": "AKIADEFAULT", "AWS_SECRET_ACCESS_KEY": "default+secret"}
    ring = keyring_for(ServerSettings(credentials=(rotated,)), environ, home=home)
    assert ring.find("AKIADEFAULT") == (rotated, Key("AKIADEFAULT", "default+secret"))


@pytest.mark.parametrize("upstream", ["aws", "aws:dev", "aws+http://127.0.0.1:1", "aws+https://h"])
def test_keyring_wants_more_than_a_public_pair_when_an_upstream_holds_credentials(upstream: str, home: Path) -> None:
    """Otherwise any local program could have calls signed with the developer's own keys."""
    settings = ServerSettings(upstream=(upstream,), credentials=(Key("AKIDCONFIGURED", "s"),))
    assert known(settings, {}, home) == {"AKIDCONFIGURED", "AKIADEFAULT", "ASIADEV", "AKIACONFIG", "SAGETAPEMADE"}


def test_keyring_accepts_the_public_pairs_again_when_told(tmp_path: Path) -> None:
    """Beside the pair of the run."""
    settings = ServerSettings(upstream=("aws",), allow_well_known_keys=True)
    assert known(settings, {}, tmp_path) == {"SAGETAPEMADE", "SAGETAPEDEVELOPMENT0", "test", "testing"}


def test_keyring_makes_no_pair_for_upstreams_without_credentials(tmp_path: Path) -> None:
    """A container or a function signs nothing."""
    settings = ServerSettings(upstream=("http://127.0.0.1:1", "function:m:f"))
    assert keyring_for(settings, {}, home=tmp_path).run_key is None


def test_drawn_key_is_another_each_time_and_no_aws_key() -> None:
    """20 characters as AWS's, with a prefix that no scanner takes for one."""
    first, second = drawn_key(), drawn_key()
    assert first != second
    assert len(first.access_key_id) == 20
    assert first.access_key_id.startswith("SAGETAPE")
    assert len(first.secret_access_key) == 40


def test_live_secrets_are_all_but_the_public_ones(home: Path) -> None:
    """What the recorder looks for before it writes."""
    settings = ServerSettings(credentials=(Key("A", "configured", "token"),))
    found = keyring_for(settings, {}, home=home).live_secrets()
    assert set(found) == {"configured", "token", "default+secret", "dev%secret", "dev==token", "config secret"}


def test_key_never_shows_its_secret(home: Path) -> None:
    """A keyring in a log or a traceback tells ids only."""
    shown = repr(keyring_for(ServerSettings(), {}, home=home))
    assert "AKIADEFAULT" in shown
    assert "default+secret" not in shown
    assert "dev==token" not in shown


@pytest.mark.parametrize(
    ("configured", "environ", "expected"),
    [
        (("sa-east-1",), {"AWS_DEFAULT_REGION": "us-east-1"}, ("sa-east-1",)),
        ((), {"AWS_DEFAULT_REGION": "us-east-1"}, ("us-east-1",)),
        ((), {"AWS_REGION": "us-east-2"}, ("us-east-2",)),
        ((), {"AWS_REGION": "us-east-2", "AWS_DEFAULT_REGION": "us-east-1"}, ("us-east-1", "us-east-2")),
        ((), {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}, ("us-east-1",)),
        ((), {}, ("eu-central-1",)),
        ((), {"AWS_PROFILE": "dev"}, ("us-west-2",)),
        ((), {"AWS_PROFILE": "role"}, ()),
    ],
)
def test_regions_are_the_configured_else_the_users(
    configured: tuple[str, ...], environ: dict[str, str], expected: tuple[str, ...], home: Path
) -> None:
    """Configured, else the variables (SDKs read one or the other), else the profile's, else any."""
    assert accepted_regions(ServerSettings(regions=configured), environ, home=home) == expected


@pytest.mark.parametrize(
    ("settings", "advised"),
    [
        (ServerSettings(), "sagetape env"),
        (ServerSettings(upstream=("aws",)), "--allow-well-known-keys"),
        (ServerSettings(upstream=("aws",), allow_well_known_keys=True), "sagetape env"),
    ],
)
def test_hint_names_keys_that_this_server_accepts(settings: ServerSettings, advised: str, tmp_path: Path) -> None:
    """The public pair, which `sagetape env` prints, is advised only where it opens something."""
    assert advised in keyring_for(settings, {}, home=tmp_path, draw=lambda: MADE).hint


def test_doctor_says_where_the_public_pair_is_not_known(tmp_path: Path) -> None:
    """A server whose upstream holds credentials refuses it."""
    own = {"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "own"}
    public = {"AWS_ACCESS_KEY_ID": DEVELOPMENT_KEY.access_key_id}
    public["AWS_SECRET_ACCESS_KEY"] = DEVELOPMENT_KEY.secret_access_key
    assert "every server that this user starts" in key_text(own, read_aws_files(own, home=tmp_path))
    assert "but one whose upstream holds credentials" in key_text(public, read_aws_files(public, home=tmp_path))


def test_active_profile_is_botocores(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile, the key and the region that we see are those that botocore takes."""
    import botocore.session

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    environ = {
        "AWS_DEFAULT_PROFILE": "dev",
        "AWS_PROFILE": "role",
        "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.get_session()
    credentials = session.get_credentials()
    files = read_aws_files(environ, home=home)
    key = active_key(environ, files)
    assert key is not None
    assert (key.access_key_id, key.secret_access_key, key.session_token) == (
        credentials.access_key,
        credentials.secret_key,
        credentials.token,
    )
    assert regions_of(environ, files) == (session.get_config_variable("region"),)
