"""`sagetape doctor`: which endpoint a boto3 client made now would call, why, and what stands in its way."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Final

import click

from ..shell.diagnosis import Diagnosis, diagnose
from .terminal import emit, emit_json, harmless, painted

FAILED_CHECK: Final = 3


@click.command()
@click.option(
    "--json", "as_json", is_flag=True, envvar="SAGETAPE_JSON", show_envvar=True, help="Print one JSON object."
)
@click.pass_context
def doctor(ctx: click.Context, /, as_json: bool) -> None:
    """Say which endpoint a boto3 client made now would call, and why.

    Ends with 3 when something stands between such a client and a Sagetape server.
    """
    found = diagnose(os.environ, home=Path.home())
    if as_json:
        emit_json(dataclasses.asdict(found))
    else:
        for line in lines(found):
            emit(line)
    ctx.exit(FAILED_CHECK if found.problems else 0)


def lines(found: Diagnosis) -> list[str]:
    """The diagnosis for a person: facts first, then problems with their remedies."""
    width = 9
    facts = {
        "endpoint": f"{found.endpoint or 'none'}  (from {found.source})",
        "server": server_text(found),
        "region": ", ".join(found.regions) or "none",
        "key": found.key,
        "profile": found.profile,
        "proxies": ", ".join(f"{name}={value}" for name, value in found.proxies.items()) or "none",
        "versions": ", ".join(f"{name} {value}" for name, value in found.versions.items()),
    }
    said = [f"{name.ljust(width)} {harmless(value)}" for name, value in facts.items()]
    said += ["", "botocore asks, and takes the first:"]
    said += [
        f"  {harmless(source_line(number, source.name, source.value))}"
        for number, source in enumerate(found.sources, 1)
    ]
    said.append("")
    for problem in found.problems:
        said.append(f"{painted('problem', 'red', sys.stdout)}  {harmless(problem)}")
    return said if found.problems else [*said, painted("no problem found", "green", sys.stdout)]


def source_line(number: int, name: str, value: str | None) -> str:
    """One place that may name an address."""
    return f"{number}. {name} = {value}" if value else f"{number}. {name} is not set"


def server_text(found: Diagnosis) -> str:
    """Whether a server answers, in words."""
    if not found.is_answering:
        return "none answers" if found.source != "the real service" else "not asked"
    return "answers" + "".join(f" {name}={value}" for name, value in found.server.items())
