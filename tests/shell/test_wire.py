"""Every answer and error of the front end, byte for byte, against a golden file that names its evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_cases import CASES, GOLDEN, answers

EXPECTED: dict[str, Any] = json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("name", CASES)
def test_answer_is_the_golden_one(name: str, found: dict[str, Any]) -> None:
    """Status line, headers in order and case, and body; only ids and dates may differ."""
    assert EXPECTED[name] == found[name]


def test_golden_file_names_evidence_for_every_answer() -> None:
    """No case without a source, no answer without a case."""
    assert set(CASES) == set(EXPECTED)
    assert all(case["evidence"] for case in EXPECTED.values())
