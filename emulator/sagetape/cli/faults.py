"""`sagetape faults`: what can be injected, and with which parameters."""

from __future__ import annotations

import click

from ..core.faults import KINDS, Kind, Parameter
from ..core.faults.parsing import SELECTORS
from ..shell.setting_kinds import sentence, suggestion
from .terminal import emit, emit_json, table_lines


@click.command()
@click.argument("name", required=False, metavar="[FAULT]")
@click.option("--json", "as_json", is_flag=True, envvar="SAGETAPE_JSON", show_envvar=True, help="Print JSON.")
def faults(name: str | None, as_json: bool) -> None:
    """List the faults that can be injected, or the parameters of one FAULT.

    \b
    On a command line   --fault throttle:probability=0.1,endpoint=churn
    In sagetape.toml    [[faults]]
                        fault = "throttle"
                        probability = 0.1
    """
    if name is not None and name not in KINDS:
        text = sentence(f"there is no fault {name!r}{suggestion(name, KINDS)}")
        raise click.UsageError(f"{text} See all of them with: sagetape faults")
    kinds = list(KINDS.values()) if name is None else [KINDS[name]]
    if as_json:
        emit_json([described(kind) for kind in kinds])
    elif name is None:
        for line in table_lines(("fault", "level", "what it does"), ((k.name, k.level, k.doc) for k in kinds)):
            emit(line)
    else:
        print_kind(kinds[0])


def print_kind(kind: Kind) -> None:
    """One fault with its parameters, and those that say when it strikes."""
    emit(f"{kind.name} ({kind.level}): {kind.doc}")
    for title, parameters in (("parameters", kind.table()), ("when it strikes", SELECTORS)):
        emit(f"\n{title}")
        for line in table_lines(("name", "value", "default", "meaning"), map(cells, parameters)) if parameters else ():
            emit(f"  {line}")


def cells(one: Parameter) -> tuple[str, ...]:
    """One parameter as cells of a table."""
    values = ", ".join(map(str, one.choices)) if one.choices else one.type
    return (one.name, values, "-" if one.default is None else str(one.default), one.doc)


def described(kind: Kind) -> dict[str, object]:
    """One fault for a machine."""
    return {
        "fault": kind.name,
        "level": str(kind.level),
        "doc": kind.doc,
        "parameters": [
            {"name": one.name, "type": one.type, "default": one.default, "doc": one.doc} for one in kind.table()
        ],
    }
