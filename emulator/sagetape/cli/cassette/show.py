"""`sagetape cassette show`: whole interactions, requests and answers."""

from __future__ import annotations

from pathlib import Path

import click

from ...core.errors import CassetteDamaged, SagetapeError
from ...shell.store import Cassette
from ..terminal import emit, emit_json, warn
from .files import json_option, opened
from .views import interaction_lines, plain_interaction


class NoSuchInteraction(SagetapeError):
    """A number that the cassette does not have."""

    exit_code = 2


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="CASSETTE")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=0), metavar="[NUMBER...]")
@click.option("--endpoint", help="Only those of this endpoint.", envvar="SAGETAPE_ENDPOINT", show_envvar=True)
@click.option("--whole", is_flag=True, help="Show long bodies to their end.", envvar="SAGETAPE_WHOLE", show_envvar=True)
@json_option
def show(path: Path, numbers: tuple[int, ...], endpoint: str | None, whole: bool, as_json: bool) -> None:
    """Print the interactions of CASSETTE, all of them or those with a NUMBER that `cassette ls` shows."""
    with opened(path) as cassette:
        for number in chosen(cassette, numbers, endpoint=endpoint):
            try:
                interaction = cassette.read(number)
            except CassetteDamaged as error:
                warn(str(error))
                continue
            if as_json:
                emit_json(plain_interaction(number, interaction))
                continue
            for line in interaction_lines(number, interaction, whole=whole):
                emit(line)


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
