"""When two requests are the same: the key of a call, made of projections.

Decides what counts (`MatchRules`) and turns a scrubbed call into sixteen bytes (`Matcher.key`). It does not look for
recordings, choose among takes, or explain (`misses.py`).

SageMaker routes in headers, so the key is an allow-list of members of botocore's `sagemaker-runtime` model (2017-05-13,
shape InvokeEndpointInput) beside operation, endpoint, place in the session, outcome of authentication and body. The
signature, dates, tokens, user agent, `amz-sdk-*`, host and request id are never in it. A member that this version does
not know is in the key: a newer botocore may bring one that routes, and a miss is better than a wrong answer.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any, TypeAlias

from . import meaning
from .errors import ConfigError
from .keys import key_of, written
from .paths import Path, parse_path
from .presets import PRESETS
from .values import valueclass
from .wire import Call

DEFAULT_MEMBERS = (
    "TargetModel",
    "TargetVariant",
    "TargetContainerHostname",
    "InferenceComponentName",
    "EnableExplanations",
    "Accept",
    "ContentType",
)
OPTIONAL_MEMBERS = ("CustomAttributes", "InferenceId", "PrefixAwareId")
KNOWN_MEMBERS = frozenset((*DEFAULT_MEMBERS, *OPTIONAL_MEMBERS, "SessionId", "EndpointName", "Body"))

BODY_CHOICES = ("meaning", "bytes", "ignore")
IMAGE_CHOICES = ("bytes", "pixels")
ROUND_DIGITS_MAX = 30
IGNORE_PATHS_MAX = 100
RULES_VERSION = 1
"""Of the key's form. Rules of a newer version are refused: their keys cannot be computed here."""

Custom: TypeAlias = Callable[[Call], Hashable]
_CUSTOM_NAME = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")


@valueclass(frozen=True, slots=True)
class MatchRules:
    """What counts when two requests are compared. Kept in the cassette: a replay matches as the recording did."""

    members: tuple[str, ...] = DEFAULT_MEMBERS
    ignore_paths: tuple[str, ...] = ()
    """Places in JSON bodies that do not count, in the subset of JMESPath that `core/paths.py` describes."""
    round_digits: int | None = None
    """Numbers in JSON, JSON Lines, CSV and npy bodies are rounded to this many digits after the point."""
    presets: tuple[str, ...] = ()
    """Names of `presets.PRESETS`; each adds ignored paths."""
    custom: tuple[str, ...] = ()
    """`module:function` names of projections from Python. They add to the key; with `body = "ignore"` one takes the
    place of the body's."""
    body: str = "meaning"
    """`meaning` (by content type), `bytes`, or `ignore` (the body does not count)."""
    images: str = "bytes"
    """`bytes`, or `pixels` (needs Pillow). Asked for, never found out: a key must not depend on what is installed."""

    def __post_init__(self) -> None:
        if problems := list(_problems(self)):
            raise ConfigError(problems)

    def as_dict(self) -> dict[str, Any]:
        """A plain dict of texts, numbers and lists, for the cassette's header."""
        return {"version": RULES_VERSION} | {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in fields(self)
            for value in (getattr(self, field.name),)
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> MatchRules:
        """Rules from a header, a configuration file or a marker; what is absent has its default.

        Raises ConfigError with all problems: unknown names, with the nearest known one, and values of a wrong type.
        """
        version = given.get("version", RULES_VERSION)
        if version != RULES_VERSION:
            raise ConfigError(
                f"The match rules have version {version!r}; this version of Sagetape knows {RULES_VERSION}. "
                "Update Sagetape, or record the cassette again."
            )
        choices = {name: value for name, value in given.items() if name != "version"}
        if problems := list(_shape_problems(choices, [field.name for field in fields(cls)])):
            raise ConfigError(problems)
        values: dict[str, Any] = {n: tuple(v) if isinstance(v, (list, tuple)) else v for n, v in choices.items()}
        return cls(**values)

    def reading(self) -> meaning.Reading:
        """How bodies of requests are read under these rules."""
        return self._reading([path for name in self.presets for path in PRESETS[name].request])

    def answer_reading(self) -> meaning.Reading:
        """How answers are read when they are compared: the presets' places in answers, and the same ignored paths."""
        return self._reading([path for name in self.presets for path in PRESETS[name].answer])

    def _reading(self, presets: Sequence[str]) -> meaning.Reading:
        ignored: list[Path] = [parse_path(path) for path in dict.fromkeys((*self.ignore_paths, *presets))]
        return meaning.Reading(round_digits=self.round_digits, ignored=tuple(ignored), pixels=self.images == "pixels")


def _problems(rules: MatchRules) -> Iterable[str]:
    yield from _unknown("member", rules.members, (*DEFAULT_MEMBERS, *OPTIONAL_MEMBERS))
    yield from _unknown("preset", rules.presets, tuple(PRESETS))
    yield from _unknown("body", (rules.body,), BODY_CHOICES)
    yield from _unknown("images", (rules.images,), IMAGE_CHOICES)
    for path in rules.ignore_paths:
        try:
            parse_path(path)
        except ConfigError as error:
            yield from error.problems
    for name in rules.custom:
        if not _CUSTOM_NAME.fullmatch(name):
            yield f"Match rule custom: {name!r} is not a function. Write it as module:function."
    if len(rules.ignore_paths) > IGNORE_PATHS_MAX:
        yield f"Match rule ignore_paths: {len(rules.ignore_paths)} paths, at most {IGNORE_PATHS_MAX}. Use wildcards."
    if rules.round_digits is not None and not 0 <= rules.round_digits <= ROUND_DIGITS_MAX:
        yield (
            f"Match rule round_digits: {rules.round_digits} is not between 0 and {ROUND_DIGITS_MAX}. "
            "Give the digits to keep after the point."
        )


def _unknown(what: str, names: Iterable[str], known: Sequence[str]) -> Iterable[str]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            yield f"Match rule {what}: {name!r} is not known.{hint} Known: {', '.join(known)}."


def _shape_problems(given: Mapping[str, Any], known: Sequence[str]) -> Iterable[str]:
    yield from _unknown("name", given, known)
    for name, value in given.items():
        if name in ("members", "ignore_paths", "presets", "custom"):
            if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
                yield f'Match rule {name}: {value!r} is not a list of texts. Write it as ["..."].'
        elif name == "round_digits":
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                yield f"Match rule round_digits: {value!r} is not a whole number. Give digits after the point."
        elif name in ("body", "images") and not isinstance(value, str):
            yield f"Match rule {name}: {value!r} is not a text. Write one of its names in quotes."


class Matcher:
    """Computes keys under fixed rules. Pure but for a bounded memo of bodies; may be shared by threads."""

    def __init__(self, rules: MatchRules, *, custom: Sequence[Custom] = ()) -> None:
        """`custom` are the functions that `rules.custom` names, in that order; the shell imports them."""
        if len(custom) != len(rules.custom):
            raise ConfigError(
                f"Match rule custom names {len(rules.custom)} functions, {len(custom)} were given. "
                "Import each of them, in the same order."
            )
        self.rules = rules
        self.reading = rules.reading()
        # In one order, whatever the order in which they were listed: the key must not depend on it.
        self._members = tuple(name for name in (*DEFAULT_MEMBERS, *OPTIONAL_MEMBERS) if name in rules.members)
        self._custom = tuple(zip(rules.custom, custom, strict=True))
        self._memo = BodyMemo(self.reading)
        meaning.require(self.reading)

    def key(self, call: Call) -> bytes:
        """The 16 bytes that are equal exactly when all projections are."""
        members = call.members
        content_type = members.get("ContentType")
        if content_type is not None and content_type[:10].lower() == "multipart/":
            members = {**members, "ContentType": meaning.without_boundary(content_type)}
        values = (call.operation, call.endpoint, call.position, call.auth, self._body(call))
        parts = (*values, *map(members.get, self._members))
        # The canonical form of `keys.written`, written out here: every request comes through this line.
        text = "".join(["~" if part is None else f"s{len(part)}:{part}" for part in parts])
        if not KNOWN_MEMBERS.issuperset(members):
            text += written(_unknown_members(members))
        if self._custom:
            text += written(tuple(self._custom_value(call, name, function) for name, function in self._custom))
        return key_of(text)

    def unread(self, call: Call) -> Callable[[], object] | None:
        """What `key` will do first for this call's body, where that takes long: to be done elsewhere before.

        None for a body whose meaning is its bytes, is known already, or would not be remembered.
        """
        content_type = call.members.get("ContentType")
        if self.rules.body != "meaning" or self._memo.is_known(content_type, call.body_sha256):
            return None
        if meaning.kind_of(content_type, self.reading) in (meaning.BYTES, "multipart"):
            return None
        return partial(self._memo.project, content_type, call.body, call.body_sha256)

    def projections(self, call: Call) -> tuple[tuple[str, Hashable], ...]:
        """The key's parts by name, in the order in which they are explained; the body is the last."""
        return (*self.routing(call), ("body", self._body(call)))

    def routing(self, call: Call) -> tuple[tuple[str, Hashable], ...]:
        """The key's parts without the body, which are found without reading it."""
        rows: list[tuple[str, Hashable]] = [("operation", call.operation), ("endpoint", call.endpoint)]
        for name in self._members:
            value = call.members.get(name)
            rows.append((name, None if value is None else _member(name, value)))
        rows.extend(_unknown_members(call.members))
        rows.extend([("position in its session", call.position), ("authentication", call.auth)])
        rows.extend((name, self._custom_value(call, name, function)) for name, function in self._custom)
        return tuple(rows)

    def understand(self, call: Call) -> meaning.Understood:
        """A call's body as these rules read it."""
        content_type = call.members.get("ContentType") if self.rules.body == "meaning" else None
        return meaning.understand(content_type, call.body, self.reading)

    def _body(self, call: Call) -> str:
        if self.rules.body == "meaning":
            return self._memo.project(call.members.get("ContentType"), call.body, call.body_sha256)
        return "ignored" if self.rules.body == "ignore" else f"{meaning.BYTES}{call.body_sha256.hex()}"

    @staticmethod
    def _custom_value(call: Call, name: str, function: Custom) -> Hashable:
        try:
            value = function(call)
            written(value)
        except Exception as error:  # user code may raise anything; it is named, not passed on
            raise ConfigError(
                f"The custom projection {name} failed on a call of {call.endpoint!r}: {type(error).__name__}: {error}. "
                "It must give a value for every call; return None where it has nothing to say."
            ) from error
        return value


def _member(name: str, value: str) -> str:
    """A multipart boundary is chosen anew for each request, so it is no part of the content type's meaning."""
    if name == "ContentType" and value[:10].lower() == "multipart/":
        return meaning.without_boundary(value)
    return value


def _unknown_members(members: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, members[name]) for name in sorted(members) if name not in KNOWN_MEMBERS)


class BodyMemo:
    """Remembers what the last bodies meant, by content type and SHA-256, so that an equal body is not read twice.

    Two generations instead of a queue: when one is full the older is dropped whole, which needs no lock. A body that is
    bytes is its SHA-256 already, and a multipart content type is new each time; neither is kept.
    """

    GENERATION = 65_536  # entries of about 250 bytes: at most 33 MB in both generations

    def __init__(self, reading: meaning.Reading) -> None:
        self._reading = reading
        self._count = 0
        self._new: dict[str | None, dict[bytes, str]] = {}
        self._old: dict[str | None, dict[bytes, str]] = {}

    def __len__(self) -> int:
        return sum(len(known) for generation in (self._new, self._old) for known in generation.values())

    def is_known(self, content_type: str | None, body_sha256: bytes) -> bool:
        """Whether a body like this one was read before."""
        return any(body_sha256 in known.get(content_type, ()) for known in (self._new, self._old))

    def project(self, content_type: str | None, body: bytes, body_sha256: bytes) -> str:
        """The body's kind and its digest in hexadecimal, as one text."""
        try:
            return self._new[content_type][body_sha256]
        except KeyError:
            return self._read(content_type, body, body_sha256)

    def _read(self, content_type: str | None, body: bytes, body_sha256: bytes) -> str:
        kind = meaning.kind_of(content_type, self._reading)
        if kind == meaning.BYTES:
            return f"{kind}{body_sha256.hex()}"
        known = self._old.get(content_type, {}).get(body_sha256)
        if known is None:
            kind, digest = meaning.project(content_type, body, body_sha256=body_sha256, reading=self._reading)
            known = f"{kind}{digest.hex()}"
        if not known.startswith("multipart"):
            self._keep(content_type, body_sha256, known)
        return known

    def _keep(self, content_type: str | None, body_sha256: bytes, known: str) -> None:
        if self._count >= self.GENERATION:
            self._old, self._new, self._count = self._new, {}, 0
        self._new.setdefault(content_type, {})[body_sha256] = known
        self._count += 1
