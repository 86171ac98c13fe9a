"""What the command line, the environment and the ini file say, judged once."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

import pytest

from ..core.values import valueclass
from ..core.verdict import Prices
from ..shell.setting_kinds import sentence, suggestion
from ..shell.upstream_kind import Upstream
from .marks import SERVERS, is_host

RECORDING: Final = ("once", "new_episodes", "all", "rewrite")
RECORD_VARIABLE: Final = "SAGETAPE_RECORD"
REPORTS: Final = (".json", ".html")
OFF: Final = ("", "0", "false", "no", "off")


@valueclass(frozen=True, slots=True)
class Options:
    """One run's options."""

    mode: str
    upstream: tuple[str, ...]
    folder: str
    is_strict: bool
    blocks_network: bool
    allowed_hosts: tuple[str, ...]
    server: str
    seed: int | None
    prices: Prices
    reports: tuple[Path, ...]
    is_ci: bool
    note: str = ""
    """Something that the user should read in the summary."""

    @property
    def is_recording(self) -> bool:
        return self.mode in RECORDING


def is_ci() -> bool:
    """Whether this is a continuous integration job, as every service of that kind says it."""
    return os.environ.get("CI", "").lower() not in OFF


def options_of(config: pytest.Config) -> Options:
    """The options of a run. Raises pytest.UsageError for what cannot be."""
    mode, note = record_mode(config)
    check_names(config)
    seed: int | None = config.getoption("sagetape_seed")
    given = config.getoption("sagetape_upstream")
    hosts = (*config.getoption("sagetape_allow_host"), *config.getini("sagetape_allow_hosts"))
    return Options(
        mode=mode,
        upstream=(given,) if given else tuple(config.getini("sagetape_upstream")),
        folder=config.getini("sagetape_cassettes"),
        is_strict=bool(config.getoption("sagetape_strict") or config.getini("sagetape_strict")),
        blocks_network=bool(config.getini("sagetape_block_network")),
        allowed_hosts=hosts,
        server=config.getini("sagetape_server"),
        seed=seed,
        prices=prices_from(config.getini("sagetape_prices")),
        reports=tuple(Path(name) for name in config.getoption("sagetape_report")),
        is_ci=is_ci(),
        note=note,
    )


def record_mode(config: pytest.Config) -> tuple[str, str]:
    """The record mode, and a note. An option beats the variable, the variable the ini file.

    Under CI nothing is recorded unless the command line says so twice: a job that records would be green whatever the
    cassettes say.
    """
    named = config.getoption("sagetape_record") or config.getoption("sagetape_record_mode", None)
    quiet = os.environ.get(RECORD_VARIABLE) or config.getini("sagetape_record")
    mode = named or quiet
    if mode not in ("none", *RECORDING):
        source = RECORD_VARIABLE if os.environ.get(RECORD_VARIABLE) else "sagetape_record"
        raise pytest.UsageError(f"{source}: {mode!r} is no record mode. Write none, {', '.join(RECORDING)}.")
    if mode == "none" or not is_ci() or config.getoption("sagetape_record_in_ci"):
        return mode, ""
    if named:
        raise pytest.UsageError(
            f"--sagetape-record={mode} under CI (the variable CI is set) would make cassettes instead of checking "
            "them. Record on your own machine, or add --sagetape-record-in-ci if the job is there to record."
        )
    return "none", f"record mode {mode} is ignored under CI; add --sagetape-record-in-ci if the job is there to record"


def prices_from(lines: list[str]) -> Prices:
    """The price of a call by endpoint. Raises pytest.UsageError for a line that is none."""
    found: dict[str, float] = {}
    for line in lines:
        name, equals, text = line.partition("=")
        try:
            found[name.strip()] = float(text) if equals else float("nan")
        except ValueError:
            found[name.strip()] = float("nan")
        if not 0 <= found[name.strip()] < float("inf"):
            raise pytest.UsageError(f"sagetape_prices: {line!r} is no price. Write a line such as: churn = 0.002")
    return Prices(found, found.pop("*", 0.0))


def check_names(config: pytest.Config) -> None:
    """Raises pytest.UsageError for an option or a line that is none of the words it may be."""
    for name in ("sagetape_strict", "sagetape_block_network"):
        try:
            config.getini(name)
        except (ValueError, pytest.UsageError) as error:  # which of the two depends on the version of pytest
            raise pytest.UsageError(f"{name}: {error}. Write true or false.") from None
    folder = config.getini("sagetape_cassettes")
    if folder in ("", ".", "..") or re.search(r"[/\\:\0]", folder):
        raise pytest.UsageError(
            f"sagetape_cassettes: {folder!r} is no name of a folder. Write one name, such as cassettes: the folder is "
            "beside each test module."
        )
    server = config.getini("sagetape_server")
    if server not in SERVERS:
        near = suggestion(server, SERVERS)
        raise pytest.UsageError(sentence(f"sagetape_server: {server!r} is none of {', '.join(SERVERS)}{near}"))
    option = config.getoption("sagetape_upstream")
    place = "sagetape_upstream" if option is None else "--sagetape-upstream"
    for spec in config.getini("sagetape_upstream") if option is None else [option]:
        try:
            Upstream().from_text(spec)
        except ValueError as error:
            raise pytest.UsageError(f"{place}: {sentence(str(error))}") from None
    for host in (*config.getoption("sagetape_allow_host"), *config.getini("sagetape_allow_hosts")):
        if not is_host(host):
            raise pytest.UsageError(
                f"--sagetape-allow-host: {host!r} is no host. Write a name or an address, without scheme or port."
            )


def check(config: pytest.Config) -> None:
    """Raises pytest.UsageError for options that cannot be, before anything is collected."""
    options = options_of(config)
    for path in options.reports:
        check_report(path, is_worker=hasattr(config, "workerinput"))


def check_report(path: Path, *, is_worker: bool) -> None:
    """Raises pytest.UsageError for a report that cannot be written; its folder is made."""
    if path.suffix not in REPORTS:
        raise pytest.UsageError(
            f"--sagetape-report={path}: the form is told by the name's end. Write a name with "
            f"{' or '.join(REPORTS)}; pytest's own --junit-xml gets the verdicts as properties."
        )
    if is_worker:
        return  # the controller writes it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise pytest.UsageError(unwritable(path, error)) from None


def unwritable(path: Path, error: OSError) -> str:
    """A report that cannot be written, and what to do."""
    return f"--sagetape-report={path} cannot be written: {error.strerror}. Name a file in a folder that you may write."
