"""Which keys this server knows, and which regions it accepts.

Decides which sources count: where an upstream would sign with real credentials, a public key must not be enough to have
that done. It verifies nothing (`core/sigv4.py`) and never logs or prints a secret, but for the public pair and the pair
made for one run, which exist to be printed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..core.auth_refusals import KEYS_HINT
from ..core.signing import Key
from ..core.values import valueclass
from .aws_files import AwsFiles, read_aws_files, regions_of, users_keys
from .settings import ServerSettings

DEVELOPMENT_KEY: Final = Key("SAGETAPEDEVELOPMENT0", "sagetape+development+secret+nobody+keeps0")
"""Public: it opens nothing but an emulator. No AWS prefix and 41 characters, so that no scanner takes it for real."""

WELL_KNOWN_KEYS: Final = (DEVELOPMENT_KEY, Key("test", "test"), Key("testing", "testing"))
"""`test` is LocalStack's habit, `testing` moto's."""

ID_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # of AWS's access key ids


RECORDER_HINT: Final = (
    "use your own AWS keys (the ones in this server's environment or files), the pair on its ready line,"
    " or start it with `--allow-well-known-keys`"
)
"""Where an upstream holds credentials, the pair that `sagetape env` prints opens nothing."""


@valueclass(frozen=True, slots=True)
class Keyring:
    """The known keys, by access key id. Several keys may share one id: a rotated secret, another token."""

    keys: Mapping[str, tuple[Key, ...]]
    run_key: Key | None = None
    """Made for this run when an upstream holds credentials; printed in the ready line."""

    hint: str = KEYS_HINT
    """What the caller with an unknown key should try: it names keys that this server accepts."""

    def find(self, access_key_id: str) -> tuple[Key, ...]:
        """The keys of that id, the configured first; empty when it is not known here."""
        return self.keys.get(access_key_id, ())

    def live_secrets(self) -> tuple[str, ...]:
        """Secrets and tokens that must never reach a disk: all but the public ones, which are no secrets."""
        public = {key.secret_access_key for key in WELL_KNOWN_KEYS}
        known = (key for keys in self.keys.values() for key in keys)
        found = (text for key in known for text in (key.secret_access_key, key.session_token) if text)
        return tuple(dict.fromkeys(text for text in found if text not in public))


def keyring_for(
    settings: ServerSettings, environ: Mapping[str, str], *, home: Path, draw: Callable[[], Key] | None = None
) -> Keyring:
    """The keys that a server with these settings knows. `draw` makes the run's pair when one is needed."""
    files = read_aws_files(environ, home=home)
    known = [*settings.credentials, *users_keys(environ, files)]
    run_key = (draw or drawn_key)() if settings.holds_credentials else None
    if run_key is not None:
        known.append(run_key)
    knows_public = run_key is None or settings.allow_well_known_keys
    if knows_public:
        known += WELL_KNOWN_KEYS
    return Keyring(by_id(known), run_key, KEYS_HINT if knows_public else RECORDER_HINT)


def by_id(keys: Iterable[Key]) -> dict[str, tuple[Key, ...]]:
    """Keys under their access key ids, each once, in order."""
    found: dict[str, tuple[Key, ...]] = {}
    for key in keys:
        others = found.get(key.access_key_id, ())
        if key not in others:
            found[key.access_key_id] = (*others, key)
    return found


def drawn_key() -> Key:
    """A pair that nobody knows yet, in the form of AWS's but for the prefix."""
    name = "".join(secrets.choice(ID_LETTERS) for _ in range(12))
    return Key(f"SAGETAPE{name}", secrets.token_urlsafe(30))


def accepted_regions(settings: ServerSettings, environ: Mapping[str, str], *, home: Path) -> tuple[str, ...]:
    """The configured regions, else the environment's or the profile's; empty: any that is consistent in a request."""
    return settings.regions or regions_of(environ, read_aws_files(environ, home=home))


def development_region(environ: Mapping[str, str], files: AwsFiles, configured: Sequence[str]) -> str:
    """The region to give to a client that has none."""
    return next(iter((*regions_of(environ, files), *configured)), "us-east-1")
