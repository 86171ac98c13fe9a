"""Faults over HTTP: what there is, what is in force and how often it struck, more of them, fewer of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...core.faults import KINDS
from ...core.faults.kind import Parameter
from ...core.faults.parsing import SELECTORS, parse_rule, written
from ...core.faults.selection import Tally
from ...core.operations import printable
from .refusals import CONFLICT, NOT_FOUND, refusal
from .routes import Asked
from .schemas import anything, flag, listed, nullable, number, open_table, table, text, whole
from .surroundings import Surroundings

FAULT = open_table(
    {"fault": text("Name of the fault; GET /_sagetape/faults lists them."), "id": text("Given when left out.")},
    "A fault with its parameters and selectors, as in the configuration file.",
    required=("fault",),
)
PARAMETER = table(
    {
        "name": text(),
        "type": text(),
        "default": anything(),
        "doc": text(),
        "low": nullable(number()),
        "high": nullable(number()),
        "choices": listed(text()),
        "is_optional": flag(),
        "is_required": flag(),
    }
)
FAULT_KINDS = table(
    {
        "faults": listed(
            table({"name": text(), "doc": text(), "level": text(), "parameters": listed(PARAMETER)}),
            "What can be made to fail.",
        ),
        "selectors": listed(PARAMETER, "Which calls a fault strikes; the same for all."),
    }
)
TALLY = open_table(
    {
        "id": text(),
        "fault": text(),
        "considered": whole("Calls that it speaks of."),
        "struck": whole("Calls that it struck."),
    },
    "A fault in force, with its parameters and selectors.",
    required=("id", "fault", "considered", "struck"),
)
FAULTS = table({"faults": listed(TALLY, "In the order in which they are asked.")})


def parameter_view(one: Parameter) -> dict[str, Any]:
    """A parameter as JSON."""
    return {**asdict(one), "choices": list(one.choices)}


async def list_kinds(around: Surroundings, asked: Asked) -> Any:
    kinds = [
        {
            "name": kind.name,
            "doc": kind.doc,
            "level": str(kind.level),
            "parameters": [parameter_view(one) for one in kind.table()],
        }
        for kind in KINDS.values()
    ]
    return {"faults": kinds, "selectors": [parameter_view(one) for one in SELECTORS]}


async def list_faults(around: Surroundings, asked: Asked) -> Any:
    tallies = around.player(asked).deck.faults.tallies.values()
    return {"faults": [tally_view(tally) for tally in tallies]}


def tally_view(tally: Tally) -> dict[str, Any]:
    """A fault in force as JSON: the table it can be made from again, and its counts."""
    return {**written(tally.rule), "considered": tally.considered, "struck": tally.struck}


async def add_fault(around: Surroundings, asked: Asked) -> Any:
    """In force from the next call on."""
    faults = around.player(asked).deck.faults
    rule = parse_rule(asked.body, place="the body")
    if rule.id in faults.tallies:
        raise refusal(CONFLICT, f"There is a fault {printable(rule.id)} already. Take another id, or leave it out.")
    return tally_view(faults.tallies[faults.add(rule).id])


async def remove_fault(around: Surroundings, asked: Asked) -> Any:
    deck, fault = asked.path["deck"], asked.path["fault"]
    if not around.player(asked).deck.faults.remove(fault):
        text = f"No fault {printable(fault)} is in force. GET /_sagetape/decks/{deck}/faults lists them."
        raise refusal(NOT_FOUND, text)
    return {}
