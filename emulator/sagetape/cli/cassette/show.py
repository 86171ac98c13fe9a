"""`sagetape cassette show`: whole interactions, requests and answers."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ...core.cassette import canonical_order, settings_values
from ...core.errors import CassetteDamaged, SagetapeError
from ...shell.store import Cassette
from ..terminal import emit, emit_json, harmless, warn
from .files import json_option, opened, option
from .views import interaction_lines, plain_interaction


class NoSuchInteraction(SagetapeError):
    """A number that the cassette does not have."""

    exit_code = 2


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), metavar="[NUMBER...]")
@option("--endpoint", help="Only those of this endpoint.")
@option("--whole", is_flag=True, help="Show long texts to their end, JSON with a line for every value.")
@option("--textconv", is_flag=True, help="For git diff: everything, in an order that does not depend on the recording.")
@json_option
def show(
    path: Path, numbers: tuple[int, ...], endpoint: str | None, whole: bool, textconv: bool, as_json: bool
) -> None:
    """Print the interactions of CASSETTE, all of them or those with a NUMBER that `cassette ls` shows.

    With --json each is a line that loses nothing: what `cassette edit` edits and `cassette import` takes in.
    """
    if textconv and path.is_file() and not path.stat().st_size:
        return  # git's stand-in for a file that was not there
    with opened(path) as cassette:
        if textconv:
            print_canonically(cassette)
            return
        for number in chosen(cassette, numbers, endpoint=endpoint):
            try:
                interaction = cassette.read(number)
            except CassetteDamaged as error:
                warn(str(error))
                continue
            if as_json:
                emit_json(plain_interaction(number, cassette.key(number), interaction))
                continue
            for line in interaction_lines(number, interaction, whole=whole):
                emit(line)


def print_canonically(cassette: Cassette) -> None:
    """The header and every interaction as text, headed by its key; damage is a line like any other."""
    header = settings_values(cassette.settings)
    emit("cassette " + json.dumps({name: header[name] for name in header if name != "created_by"}, sort_keys=True))
    for number in canonical_order(cassette.summaries()):
        try:
            lines = list(interaction_lines(number, cassette.read(number), whole=True))
        except CassetteDamaged as error:
            emit(f"\nDAMAGED: {harmless(str(error))}")
            continue
        emit(f"\n{lines[0].partition(' ')[2]}  [{cassette.key(number).hex()[:12]}]")
        for line in lines[1:]:
            emit(line)
    for line in cassette.report.lines():
        emit(f"\nDAMAGED: {harmless(line)}")


def chosen(cassette: Cassette, numbers: tuple[int, ...], *, endpoint: str | None) -> list[int]:
    """The numbers to show. Raises NoSuchInteraction."""
    there = list(cassette.numbers())
    if missing := [number for number in numbers if number not in there]:
        raise NoSuchInteraction(
            f"{cassette.path} has no interaction {missing[0]}. "
            f"{f'Its numbers go from {there[0]} to {there[-1]}' if there else 'It holds none'}. "
            f"See them with: sagetape cassette ls {cassette.path}"
        )
    wanted = list(numbers) or there
    return [number for number in wanted if endpoint is None or cassette.summary(number).endpoint == endpoint]
