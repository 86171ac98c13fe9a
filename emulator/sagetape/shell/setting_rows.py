"""Every setting once: its name, how it is read, its flag, its variable and what it means.

The command line, the configuration file, `resolution.py` and the documentation read this table; a new setting is a
field in `settings.py` and a row here. Flags and variables are derived from the name unless the row says otherwise.
"""

from __future__ import annotations

from typing import Final

from ..core.modes import EXHAUSTED, MISS_POLICIES, RECORD_MODES
from ..core.values import valueclass
from .setting_kinds import Choice, Clock, Fault, FilePath, Kind, Number, Several, Span, Switch, Table, Text
from .upstream_kind import Upstream

FLAG = "flag"
VARIABLE = "variable"
FILE = "file"


@valueclass(frozen=True, slots=True)
class Row:
    """One setting. `name` is the field of `ServerSettings`."""

    name: str
    kind: Kind
    help: str
    flag: str = ""
    """Empty: made from the name."""
    key: str = ""
    """In the configuration file; empty: the name."""
    sources: tuple[str, ...] = (FLAG, VARIABLE, FILE)

    @property
    def file_key(self) -> str:
        return self.key or self.name

    @property
    def option(self) -> str:
        """The flag, as in `--clock-window-s`."""
        return self.flag or "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable, as in `SAGETAPE_CLOCK_WINDOW_S`."""
        return "SAGETAPE_" + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return isinstance(self.kind, Switch)

    @property
    def is_several(self) -> bool:
        return isinstance(self.kind, Several)


_NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
_HOST = Text("HOST", r"[A-Za-z0-9._:%*-]+", "a host name or an IP address, without scheme or port")
_REGION = Text("REGION", r"[a-z]{2}[a-z-]*-[0-9]+", "a region such as eu-west-1")
_ACCOUNT = Text("ACCOUNT", r"[0-9]{12}", "twelve digits")
_FUNCTION = Text("MODULE:NAME", rf"{_NAME}:{_NAME}", "a function written as module:name")
_SECONDS = Number(0.001, 86_400)
_PATH_SEPARATOR = ","  # not os.pathsep: one spelling for every system, and a drive letter holds a colon

LISTENING: Final = (
    Row("host", Several(_HOST), "Address to listen on; anything but loopback needs --allowed-host too.", "--host"),
    Row("port", Number(0, 65535, whole=True), "Port to listen on; 0 takes any free one."),
    Row("allowed_hosts", Several(_HOST), "Host header accepted beside those of loopback.", "--allowed-host"),
    Row("port_file", FilePath(), "Write the port to this file once ready; removed at the end."),
    Row("token_file", FilePath(), "Write the admin API's token to this file, mode 0600; removed at the end."),
)

ANSWERS: Final = (
    Row("mode", Choice(RECORD_MODES), "When recordings play and what is kept.", key="record_mode"),
    Row(
        "cassettes", Several(FilePath(), _PATH_SEPARATOR), "Cassette to play; the file also takes globs.", "--cassette"
    ),
    Row("record_to", FilePath(), "Cassette that keeps new answers."),
    Row("upstream", Several(Upstream()), "What answers for endpoints that declare nothing; repeated, a chain."),
    Row("allowed_upstreams", Several(_HOST), "Host that aws+http:// may call without TLS.", "--allow-upstream"),
    Row(
        "upstream_ca", FilePath(), "PEM file of the authorities that upstreams are trusted by, instead of the system's."
    ),
    Row(
        "allowed_custom",
        Several(_FUNCTION),
        "Function that the match rules of a cassette may name; your own match rules need no such word.",
        "--allow-custom",
    ),
    Row("miss_policy", Choice(MISS_POLICIES), "What becomes of a request that nothing answers."),
    Row("miss_function", _FUNCTION, "The function of --miss-policy function."),
    Row("exhausted", Choice(EXHAUSTED), "What plays after the last take of a request."),
    Row("durability", Choice(("cache", "sync")), "Kept answers survive the process (cache) or the machine (sync)."),
    Row("shared", Switch(), "Record into a cassette that other processes record into too, all of them with this."),
    Row("record_errors", Switch(), "Keep failures of the transport to the upstream too."),
    Row("max_age_s", Span(), "Warn about recordings that are older: 90d, 12h.", "--max-age", "max_age"),
    Row("strict", Switch(), "Turn warnings into failures, and end with 3 after misses."),
    Row("explain", Switch(), "Say in X-Sagetape-Source where each answer came from."),
)

CALLERS: Final = (
    Row("auth", Choice(("strict", "lenient", "off")), "How signatures are verified."),
    Row("mismatch_text", Choice(("long", "short")), "AWS's text for a signature that does not match."),
    Row(
        "allow_well_known_keys", Switch(), "Accept the public development keys although an upstream holds credentials."
    ),
    Row("regions", Several(_REGION), "Region that signatures may be for.", "--region", "region"),
    Row("account", _ACCOUNT, "Account number in ARNs and texts."),
    Row("clock_window_s", Number(1, 86_400, whole=True), "Whole seconds that a signature's time may be off."),
)

TIME: Final = (
    Row("speed", Number(0, 1000), "Pace of recorded waits: 0 at once, 1 as recorded."),
    Row("seed", Number(0, 2**63 - 1, whole=True), "Makes everything random the same again."),
    Row("clock", Clock(), "Real, virtual, or the time at which a virtual clock starts."),
    Row(
        "skew_s",
        Number(-1_000_000_000, 1_000_000_000),
        "Seconds that Date and the signature window are ahead of the wall clock, to test a client's skew.",
    ),
    Row("faults", Several(Fault(), ";"), "A fault and when it strikes; sagetape faults lists them.", "--fault"),
)

LIMITS: Final = (
    Row("body_bytes_max", Number(1, 2**31 - 1, whole=True), "Largest request body in bytes."),
    Row("keep_alive_s", _SECONDS, "Seconds an idle connection stays open; also the limit for a request's head."),
    Row("body_idle_s", _SECONDS, "Seconds between two pieces of a request's body."),
    Row("send_idle_s", _SECONDS, "Seconds that a client may read nothing of its answer."),
    Row("drain_s", Number(0, 3600), "Seconds that calls in flight are given at the end."),
    Row("connections_max", Number(1, 1_000_000, whole=True), "Connections open at once."),
    Row(
        "allow_python_parser", Switch(), "Start although aiohttp has no C parser here; it judges requests differently."
    ),
    Row("idle_timeout_s", _SECONDS, "End by itself after so many seconds without a request."),
)

PROCESS: Final = (
    Row("json", Switch(), "Print the ready line and the summary as JSON.", sources=(FLAG, VARIABLE)),
    Row("exit_with_parent", Switch(), "End when the process that started this one ends.", sources=(FLAG, VARIABLE)),
    Row("parent_pid", Number(1, 2**31 - 1, whole=True), "End when this process ends.", sources=(FLAG, VARIABLE)),
)

TABLES: Final = (
    Row("credentials", Table(list), "Further keys that are known.", sources=(FILE,)),
    Row("endpoints", Table(dict), "Endpoints, and what answers for each.", sources=(FILE,)),
    Row("match", Table(dict), "What a request's key is made of.", sources=(FILE,)),
    Row("scrub", Table(dict), "What is kept out of cassettes, beside what always is.", sources=(FILE,)),
)

STRICT_LIMITS: Final = Row("strict_limits", Switch(), "Refuse bodies over 6,291,456 bytes, as the service model says.")

ROWS: Final = (*LISTENING, *ANSWERS, *CALLERS, *TIME, *LIMITS, STRICT_LIMITS, *PROCESS, *TABLES)
BY_NAME: Final = {row.name: row for row in ROWS}
FILE_KEYS: Final = {row.file_key: row for row in ROWS if FILE in row.sources}
