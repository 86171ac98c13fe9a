"""What a server runs from: one frozen value, made from flags, variables, a file and defaults by `resolution.py`.

Decides nothing and reads nothing. The rows that say where each field comes from are in `setting_rows.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.endpoints import Endpoint
from ..core.signing import Key
from ..core.values import valueclass

if TYPE_CHECKING:
    from ..core.faults.selection import Rule

PORT: Final = 7243  # SAGE on a telephone's keypad
BODY_BYTES_MAX: Final = 26_214_400  # SageMaker developer guide, Model Hosting FAQs: payloads up to 25 MB
STRICT_BODY_BYTES_MAX: Final = 6_291_456  # botocore sagemaker-runtime 2017-05-13, shape BodyBlob
ACCOUNT: Final = "123456789012"  # the account of AWS's own examples


@valueclass(frozen=True, slots=True)
class ServerSettings:
    """Everything a server was told. Times are in seconds, sizes in bytes."""

    # --- where it listens
    host: tuple[str, ...] = ("127.0.0.1", "::1")
    port: int = PORT
    """0 takes any free one."""
    allowed_hosts: tuple[str, ...] = ()
    """Names accepted in `Host` beside those of loopback; needed for any other bind."""

    doubts: tuple[str, ...] = ()
    """What may not be meant so: a sentence each, told at start."""

    # --- what it plays and what it keeps
    mode: str = "none"
    """A name of `core.modes.RECORD_MODES`."""
    is_replay: bool = False
    """The replay command: no upstream is asked at all, not even a declared local one."""
    miss_policy: str = "fail"
    miss_function: str | None = None
    """`<module>:<name>`, asked under the miss policy `function`."""
    exhausted: str = "last"
    cassettes: tuple[Path, ...] = ()
    """Read and played. `record_to` is never among them."""
    record_to: Path | None = None
    """Appended to (replaced, in the mode `rewrite`), and played too where the mode plays. It need not exist."""
    upstream: tuple[str, ...] = ()
    """The chain for endpoints that declare none."""
    allowed_upstreams: tuple[str, ...] = ()
    """Hosts off this machine that `aws+http://` may speak to without TLS."""
    allowed_custom: tuple[str, ...] = ()
    """Functions, as module:name, that the match rules of a cassette may name."""
    upstream_ca: Path | None = None
    """A PEM file of authorities in the place of the system's."""
    record_errors: bool = False
    """Keep failures of the transport to an upstream too."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """Declared endpoints by name."""

    # --- who may call
    auth: str = "strict"
    mismatch_text: str = "long"
    allow_well_known_keys: bool = False
    credentials: tuple[Key, ...] = ()
    regions: tuple[str, ...] = ()
    """Configured ones only; `keyring.accepted_regions` adds what the environment says."""
    account: str = ACCOUNT
    clock_window_s: int = 300
    """How far a signature's time may be from ours; AWS: 5 minutes."""

    # --- limits
    body_bytes_max: int = BODY_BYTES_MAX
    keep_alive_s: float = 75.0
    """Also the limit for the head of a request."""
    body_idle_s: float = 60.0
    """Between two pieces of a request's body."""
    send_idle_s: float = 60.0
    """That a client may read nothing of its answer; nginx's send_timeout."""
    drain_s: float = 8.0
    """After SIGTERM; two seconds less than Docker waits."""
    connections_max: int = 4096
    allow_python_parser: bool = False

    # --- time and chance
    speed: float = 0.0
    """Recorded waits are multiplied by this; 0 leaves them out."""
    seed: int | None = None
    """None: one is drawn at start and printed."""
    clock: str = "real"
    """`real`, `virtual`, or the ISO time at which a virtual clock starts."""
    skew_s: float = 0.0
    """How far the signature window and `Date` are ahead of the wall clock, which they follow otherwise."""

    # --- how it judges and tells
    strict: bool = False
    max_age_s: float | None = None
    """Recordings older than this are warned about; None: however old."""
    explain: bool = False
    record_command: str = ""
    """What a miss says to run, where that is not `sagetape record`: a test runner's own command."""
    durability: str = "cache"
    """`cache`: kept answers survive the end of the process; `sync`: of the machine too."""
    shared: bool = False
    """Other processes record into the same cassette at the same time."""
    faults: tuple[Rule, ...] = ()
    match: Mapping[str, Any] = field(default_factory=dict)
    scrub: Mapping[str, Any] = field(default_factory=dict)

    # --- the process
    port_file: Path | None = None
    token_file: Path | None = None
    """Gets the admin API's token, for the owner's eyes only; removed at the end."""
    json: bool = False
    exit_with_parent: bool = False
    parent_pid: int | None = None
    idle_timeout_s: float | None = None
    config_path: Path | None = None
    python_path: Path = field(default_factory=Path.cwd)
    """First place where functions are imported from: the folder of the configuration file, else the working folder."""

    @property
    def holds_credentials(self) -> bool:
        """Whether some upstream would be called with AWS credentials that the caller must not see."""
        return any(spec.split(":")[0].split("+")[0] == "aws" for spec in self.upstreams())

    def upstreams(self) -> tuple[str, ...]:
        """Every upstream named anywhere in the settings, declared endpoints included."""
        return (*self.upstream, *declared_upstreams(self.endpoints))

    @property
    def is_recording(self) -> bool:
        """Whether answers are kept."""
        return self.record_to is not None


def declared_upstreams(value: Any) -> tuple[str, ...]:
    """The upstreams inside endpoints, as raw tables or as parsed values, in order."""
    if isinstance(value, Mapping):
        found: list[str] = []
        for key, inner in value.items():
            if key == "upstream":
                found.extend([inner] if isinstance(inner, str) else inner)
            else:
                found.extend(declared_upstreams(inner))
        return tuple(found)
    if hasattr(value, "__dataclass_fields__"):
        return declared_upstreams({name: getattr(value, name) for name in value.__dataclass_fields__})
    if isinstance(value, (tuple, list)):
        return tuple(spec for inner in value for spec in declared_upstreams(inner))
    return ()
