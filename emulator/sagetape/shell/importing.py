"""Imports recordings of other tools into a cassette: read, taken in, scanned, written in one step.

Importing the same file again changes nothing: a take that says the same as the one in its place is the old one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ..core.cassette import CassetteSettings, is_same_recording
from ..core.errors import CassetteError, CassetteForeign, ConfigError
from ..core.exchange import FORMATS, Adopter, Choices, Found, Skipped, format_of
from ..core.exchange.formats import Format
from ..core.matching import MatchRules
from ..core.merging import Kept
from ..core.merging.settings import ACCOUNTS
from ..core.rules import ScrubRules
from ..core.scrub import Scrubber
from ..core.secrets import Finding, Scanner
from ..core.unwrap import find_zstd
from ..core.values import valueclass
from ..version import __version__
from .foreign_files import read_document, sources
from .model import load_service
from .renewal import Progress, existing, locked, matcher_for, read_whole, stage, write_anew

BODIES_MAX_BYTES: Final = 2**30  # of one import; an alias in YAML repeats a body at no cost to its author
INTERACTIONS_MAX: Final = 1_000_000


@valueclass(frozen=True, slots=True)
class ImportOrder:
    """What is asked for."""

    paths: Sequence[Path]
    target: Path
    format_name: str = ""
    """Empty: found out from each file."""
    endpoint: str = ""
    members: dict[str, str] = field(default_factory=dict)
    scrub: ScrubRules = field(default_factory=ScrubRules)
    match: MatchRules | None = None
    live_secrets: Sequence[str] = ()
    allowed: Sequence[str] = ()


@dataclass(slots=True)
class ImportReport:
    """What became of it."""

    files: int = 0
    imported: int = 0
    known: int = 0
    """Said the same as what was there."""
    skipped: list[tuple[str, Skipped]] = field(default_factory=list)
    """With the file."""
    secrets: list[tuple[str, Finding]] = field(default_factory=list)
    """Findings that kept an interaction out."""


def import_into(order: ImportOrder, *, now: Callable[[], float], progress: Progress | None = None) -> ImportReport:
    """Adds to the target, or makes it. On any error, and on Ctrl-C, the target is as it was."""
    report = ImportReport()
    with locked(order.target), existing(order.target) as cassette:
        files = list(sources(order.paths))
        stages = len(files) + 2
        old = read_whole(cassette, progress=stage(progress, 0, of=stages)) if cassette is not None else []
        parsed = [_Parsed(path, order.format_name) for path in files]
        settings = _settings(order, cassette.settings if cassette is not None else None, parsed)
        work = _Work(order, settings, old, report, now)
        for done, one in enumerate(parsed):
            work.take_in(one, stage(progress, done + 1, of=stages))
        if report.imported:
            new = work.finished_settings()
            write_anew(order.target, work.recording, new, progress=stage(progress, stages - 1, of=stages))
    return report


class _Parsed:
    """One file, parsed when it is asked for and not kept, so that many files need not fit into memory."""

    def __init__(self, path: Path, format_name: str) -> None:
        self.path = path
        self._format = FORMATS[format_name] if format_name else None
        self._ahead: tuple[object, Format] | None = None

    def look(self) -> Format:
        """The file's format; what was parsed for it is kept for the one reading that follows."""
        self._ahead = self.read()
        return self._ahead[1]

    def read(self) -> tuple[object, Format]:
        """The parsed file and its format. Raises CassetteForeign."""
        if self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            return ahead
        document = read_document(self.path)
        if self._format is None and format_of(document) is None and format_of([document]) is not None:
            document = [document]  # JSON Lines of one line
        found = self._format or format_of(document)
        if found is None or not found.is_such(document):
            names = ", ".join(f"{row.name} ({row.what})" for row in FORMATS.values())
            what = f"not in the format {found.name}" if found else "in no format that is known"
            raise CassetteForeign(f"{self.path} is {what}. Known: {names}.", path=str(self.path))
        return document, found


def _settings(order: ImportOrder, old: CassetteSettings | None, parsed: Sequence[_Parsed]) -> CassetteSettings:
    """The header: an existing one with more scrub rules, or a new one under the format's match rules."""
    rules = order.match
    for one in parsed[:1]:
        rules = rules or one.look().rules
    if old is None:
        return CassetteSettings(match=(rules or MatchRules()).as_dict(), scrub=order.scrub.as_dict())
    if rules is not None and MatchRules.from_dict(old.match).as_dict() != rules.as_dict():
        raise ConfigError(
            f"{order.target} has other match rules than this import needs ({rules.as_dict()}). "
            "Import into a cassette of its own."
        )
    scrub = ScrubRules.from_dict(old.scrub)
    if scrub.merge(order.scrub) != scrub:
        raise ConfigError(
            f"{order.target} was recorded under other scrub rules. "
            "Apply the new ones to it first with `sagetape cassette scrub`, or import into a cassette of its own."
        )
    return old


class _Work:
    """One import under way."""

    def __init__(
        self,
        order: ImportOrder,
        settings: CassetteSettings,
        old: Sequence[Kept],
        report: ImportReport,
        now: Callable[[], float],
    ) -> None:
        self.order, self.settings, self.report, self.now = order, settings, report, now
        self.recording = list(old)
        self._old: dict[bytes, list[Kept]] = {}
        for kept in old:
            self._old.setdefault(kept.key, []).append(kept)
        self._bytes = 0
        self._adopters: dict[str, Adopter] = {}
        rules = ScrubRules.from_dict(settings.scrub)
        self.scrubber = Scrubber(rules, account=None, seen=tuple(settings.initial.get(ACCOUNTS, ())))
        self.matcher = matcher_for(settings.match)
        allowed = frozenset((*settings.allowed, *rules.allowed, *order.allowed))
        self.scanner = Scanner(order.live_secrets, allowed=allowed, zstd=find_zstd())

    def take_in(self, parsed: _Parsed, progress: Progress | None) -> None:
        """One file, entry by entry: a single file may hold a million."""
        document, kind = parsed.read()
        self.report.files += 1
        choices = Choices(load_service(), self.order.endpoint, str(parsed.path.absolute()), self.order.members)
        adopter = self._adopters.get(kind.name)
        if adopter is None:
            source = f"import:{kind.name}"
            adopter = Adopter(self.matcher, self.scrubber, choices, source, __version__, self.now)
            self._adopters[kind.name] = adopter
        count = kind.count(document)
        for place, found in enumerate(kind.read(document, choices)):
            kept = adopter.adopt(found, f"entry {place}") if isinstance(found, Found) else found
            if isinstance(kept, Skipped):
                self.report.skipped.append((str(parsed.path), kept))
            else:
                self._keep(Kept(*kept), str(parsed.path))
            if progress is not None:
                progress(place + 1, count)

    def _keep(self, kept: Kept, path: str) -> None:
        findings = self.scanner.scan_interaction(kept.interaction)
        if findings:
            self.report.secrets += [(path, finding) for finding in findings]
            return
        before = self._old.get(kept.key)
        if before and is_same_recording(before[0].interaction, kept.interaction):
            before.pop(0)
            self.report.known += 1
            return
        self._bytes += len(kept.interaction.call.body)
        self._bytes += sum(len(step.data) for step in kept.interaction.script if hasattr(step, "data"))
        if self._bytes > BODIES_MAX_BYTES or self.report.imported >= INTERACTIONS_MAX:
            raise CassetteError(
                f"{path}: more than {BODIES_MAX_BYTES} bytes of bodies in one import. Nothing was written. "
                "Import fewer files at a time, into several cassettes.",
                path=path,
            )
        self.recording.append(kept)
        self.report.imported += 1

    def finished_settings(self) -> CassetteSettings:
        """The header with the memory of accounts that this import left."""
        seen = list(self.scrubber.seen())
        allowed = tuple(dict.fromkeys((*self.settings.allowed, *self.order.allowed)))
        initial = {**self.settings.initial, ACCOUNTS: seen} if any(seen) else dict(self.settings.initial)
        return replace(self.settings, initial=initial, allowed=allowed)
