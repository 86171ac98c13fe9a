"""Every refusal of a signature, byte for byte, on both ways through the server, against a golden file with evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from refusal_cases import CASES, GOLDEN, SHORT_CASES, all_answers, asked

from sagetape.shell.app import App, Response

EXPECTED: dict[str, Any] = json.loads(GOLDEN.read_text())
NAMES = (*CASES, *SHORT_CASES)


@pytest.fixture(scope="module")
def at_once() -> dict[str, Any]:
    """As the server is: what is plain is answered where it arrives."""
    return all_answers()


@pytest.fixture(scope="module")
def usual() -> dict[str, Any]:
    """Everything handled by aiohttp."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(App, "deck_at_once", lambda _self, _target: None)
        return all_answers()


@pytest.mark.parametrize("name", NAMES)
def test_refusal_is_the_golden_one(name: str, at_once: dict[str, Any]) -> None:
    """Status line, every header in order and case, the whole text with its moments; only the request id may differ."""
    assert EXPECTED[name] == at_once[name]


@pytest.mark.parametrize("name", NAMES)
def test_refusal_through_aiohttp_is_the_same(name: str, usual: dict[str, Any]) -> None:
    """The way of whatever is not plain."""
    assert EXPECTED[name] == usual[name]


def test_plain_requests_are_refused_where_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the two tests above are about two ways: only a query and a header sent twice need aiohttp."""
    handled: list[str] = []
    usual = App.handle

    async def handle(self: App, request: web.BaseRequest) -> Response:
        handled.append(request.raw_path)
        return await usual(self, request)

    monkeypatch.setattr(App, "handle", handle)
    found, seen = set(), 0
    for name, _ in asked(CASES):
        if len(handled) > seen:
            found.add(name)
        seen = len(handled)
    assert found == {name for name, (_, build) in CASES.items() if "?" in build().target} | {"two authorizations"}


def test_sizes_are_those_of_the_public_records() -> None:
    """Three bodies whose Content-Length was published: no token, a token that is not valid, a short mismatch."""
    names = {"nothing": 42, "key unknown": 68, "signature wrong, short text": 192}
    assert {name: len(EXPECTED[name]["body"]) for name in names} == names


def test_golden_file_names_evidence_for_every_refusal() -> None:
    """No case without a source, no answer without a case; each body is empty or holds a `message` in lower case."""
    assert set(NAMES) == set(EXPECTED)
    assert all(case["evidence"] for case in EXPECTED.values())
    assert all(set(json.loads(case["body"])) == {"message"} for case in EXPECTED.values() if case["body"])
