"""Malformed requests: each gets its one clear answer, nothing is smuggled behind it, and the server lives on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed_cases import CASES, GOLDEN, ask
from wire_cases import server

from sagetape import Emulator

EXPECTED: dict[str, str] = json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with server(tmp_path_factory.mktemp("models")) as running:
        yield running


@pytest.mark.parametrize("name", CASES)
def test_malformed_request_gets_its_answer(name: str, emulator: Emulator) -> None:
    """The status line of the golden file; a ping behind it is answered only where the connection is still trusted."""
    assert EXPECTED[name] == ask(int(emulator.url.rpartition(":")[2]), CASES[name])


def test_malformed_requests_are_many() -> None:
    """At least 84, one for each trick that parsers have fallen for."""
    assert len(CASES) >= 84
    assert set(CASES) == set(EXPECTED)


def test_malformed_requests_never_become_calls(tmp_path: Path) -> None:
    """What is refused reaches no model and no journal."""
    refused = [request for name, request in CASES.items() if "200" not in EXPECTED[name]]
    with server(tmp_path) as running:
        for request in refused:
            ask(int(running.url.rpartition(":")[2]), request)
        assert not [entry for entry in running.journal if entry.source != "refused"]
