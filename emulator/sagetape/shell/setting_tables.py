"""The tables of the configuration file, each read by the room that owns what is inside.

A reader takes the raw table, the file (for the line of a key) and the list of problems, and returns the value. It
raises nothing: what is wrong is a sentence more in the list.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..core.endpoints import Endpoint
from ..core.errors import ConfigError
from ..core.signing import Key
from .config_file import ConfigFile
from .setting_kinds import unknown_key
from .settings import ServerSettings

if TYPE_CHECKING:
    from ..core.faults.selection import Rule

Reader: TypeAlias = Callable[[Any, ConfigFile, list[str]], Any]

CREDENTIAL_KEYS = ("access_key_id", "secret_access_key", "secret_file", "session_token", "expires")


def read_credentials(tables: list[Any], file: ConfigFile, problems: list[str]) -> tuple[Key, ...]:
    """The `[[credentials]]` tables as keys."""
    keys: list[Key] = []
    for number, table in enumerate(tables):
        found = credential_problems(table, file, number=number)
        problems += found
        if not found and (key := read_key(table, file, number=number, problems=problems)):
            keys.append(key)
    return tuple(keys)


def credential_problems(table: Any, file: ConfigFile, *, number: int) -> list[str]:
    """What is wrong with the shape of one table. No sentence repeats a value: it may be a secret."""
    here = file.place("credentials", number)
    if not isinstance(table, dict):
        return [f"{here}: credentials must be tables. Write each under [[credentials]]."]
    found = [
        f"{file.place('credentials', number, key)}: {unknown_key(key, CREDENTIAL_KEYS, owner='credentials')}"
        for key in table
        if key not in CREDENTIAL_KEYS
    ]
    for key in CREDENTIAL_KEYS[:4]:
        if key in table and not (isinstance(table[key], str) and table[key]):
            found.append(f"{file.place('credentials', number, key)}: {key} must be a text in quotes. Correct it.")
    if "access_key_id" not in table:
        found.append(f"{here}: credentials without access_key_id. Add it.")
    if ("secret_access_key" in table) == ("secret_file" in table):
        found.append(f"{here}: credentials need either secret_access_key or secret_file. Give exactly one of them.")
    return found


def read_key(table: dict[str, Any], file: ConfigFile, *, number: int, problems: list[str]) -> Key | None:
    """One table as a key, its secret read from the file it names."""
    try:
        expires = expiry(table.get("expires"))
        secret = table.get("secret_access_key") or (file.folder / table["secret_file"]).read_text("utf-8").strip()
        return Key(table["access_key_id"], secret, table.get("session_token"), expires)
    except (OSError, ValueError) as error:
        problems.append(
            f"{file.place('credentials', number)}: {error}. secret_file holds the secret and nothing else; "
            "expires is a time with its zone, such as 2026-01-15T12:30:00Z."
        )
        return None


def expiry(value: object) -> float | None:
    """Unix seconds of an `expires`. Raises ValueError when it is no time with a zone."""
    if value is None:
        return None
    instant = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime.datetime) or instant.tzinfo is None:
        raise ValueError(f"expires must be a time with its zone, not {value}")
    return instant.timestamp()


def read_match(table: dict[str, Any], file: ConfigFile, problems: list[str]) -> dict[str, Any]:
    """The `[match]` table, judged by the rules of matching."""
    from ..core.matching import MatchRules

    return judged(table, file, problems, key="match", judge=MatchRules.from_dict)


def read_scrub(table: dict[str, Any], file: ConfigFile, problems: list[str]) -> dict[str, Any]:
    """The `[scrub]` table, judged by the rules of scrubbing."""
    from ..core.rules import ScrubRules

    return judged(table, file, problems, key="scrub", judge=ScrubRules.from_dict)


def judged(
    table: dict[str, Any], file: ConfigFile, problems: list[str], *, key: str, judge: Callable[[Any], object]
) -> dict[str, Any]:
    """The table itself; what its room says against it is noted with the line of the key that is named."""
    try:
        judge(table)
    except ConfigError as error:
        for problem in error.problems:
            named = [name for name in table if re.search(rf"\b{re.escape(name)}\b", problem)]
            problems.append(f"{file.place(key, *named[:1])}: {problem}")
    return table


def read_faults(rules: Sequence[Any], file: ConfigFile, problems: list[str]) -> tuple[Rule, ...]:
    """The `[[faults]]` tables as rules, in order; rules that a flag or a variable gave are rules already."""
    from ..core.faults.parsing import parse_rule

    made: list[Rule] = []
    for number, rule in enumerate(rules):
        try:
            made.append(parse_rule(rule, place=file.place("faults", number)) if isinstance(rule, dict) else rule)
        except ConfigError as error:
            problems += error.problems
    return tuple(made)


def read_endpoint_tables(tables: dict[str, Any], file: ConfigFile, problems: list[str]) -> Mapping[str, Endpoint]:
    """The `[endpoints.<name>]` tables."""
    from .endpoint_tables import read_endpoints

    return read_endpoints(tables, file, problems)


def table_contradictions(settings: ServerSettings, file: ConfigFile | None) -> list[str]:
    """Endpoints that contradict themselves, and faults that could never strike, with their lines."""
    from ..core.endpoint_rules import check, check_faults

    found: list[str] = []
    for problem in check(settings.endpoints.values()):
        path = problem.partition(":")[0].split(".")  # a problem begins with its key's path; no name there holds a dot
        found.append(f"{file.place(*path)}: {problem}" if file else problem)
    for number, rule in enumerate(settings.faults):
        place = f"{file.place('faults', number)}: " if file else ""
        found += [f"{place}{problem}" for problem in check_faults([rule], settings.endpoints.values())]
    return found


TABLE_READERS: dict[str, Reader] = {
    "endpoints": read_endpoint_tables,
    "credentials": read_credentials,
    "faults": read_faults,
    "match": read_match,
    "scrub": read_scrub,
}
