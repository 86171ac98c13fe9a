"""The marker `sagetape_rechunk`: a test runs once for every cut of its streams, and once as recorded."""

from __future__ import annotations

import pytest

from ..shell.setting_kinds import suggestion
from ..testing import CUTS, RECHUNK, cut_id


def cut_streams(metafunc: pytest.Metafunc, mark: pytest.Mark) -> None:
    """Gives a marked test its parameters. Raises pytest.Collector.CollectError."""
    wrong = [cut for cut in mark.args if cut not in CUTS] + sorted(set(mark.kwargs) - {"seed"})
    seed = mark.kwargs.get("seed", 0)
    if not wrong and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        wrong = [f"seed={seed!r}"]
    if wrong:
        near = suggestion(str(wrong[0]), (*CUTS, "seed")) or "."
        raise pytest.Collector.CollectError(  # one sentence; any other exception is shown with our own frames
            f"{metafunc.definition.nodeid}: sagetape_rechunk has no {wrong[0]!r}{near} "
            f"Cuts are {', '.join(CUTS)}; seed= is a whole number of at least 0."
        )
    if RECHUNK not in metafunc.fixturenames:
        metafunc.fixturenames.append(RECHUNK)
    cuts = [None, *dict.fromkeys(mark.args or CUTS)]
    metafunc.parametrize(RECHUNK, cuts, ids=list(map(cut_id, cuts)), indirect=True)
