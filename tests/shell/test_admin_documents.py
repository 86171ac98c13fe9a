"""The admin API's page and OpenAPI document say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sagetape.shell.admin.documents import openapi, page
from sagetape.shell.admin.refusals import CODES
from sagetape.shell.admin.table import ROUTES

DOCS = Path(__file__).parents[2] / "docs"
REMEDY = "run: python -m sagetape.shell.admin.documents docs"


def test_openapi_file_is_the_codes() -> None:
    """Byte for byte what the table gives."""
    written = json.dumps(openapi(), indent=1, sort_keys=True) + "\n"
    assert (DOCS / "openapi.json").read_text() == written, REMEDY


def test_page_is_the_codes() -> None:
    """Its tables are those of the routes, the journal's query and the error codes."""
    text = (DOCS / "admin.md").read_text()
    assert page(text) == text, REMEDY
    assert all(f"| {route.method} | `{route.path}` |" in text for route in ROUTES)
    assert all(f"`{code}`" in text for code in CODES)


def test_openapi_document_is_sound() -> None:
    """What OpenAPI 3.1 demands: unique operation ids, every name of a path declared, every reference resolved."""
    document = openapi()
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) == len(ROUTES)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
            assert ("security" in operation) == (method != "get")
            assert {"200", "default"} <= operation["responses"].keys()
    for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
        assert name in document["components"]["schemas"]


def test_routes_do_not_hide_one_another() -> None:
    """No two of one method match the same path."""
    for route in ROUTES:
        example = tuple("x-1" if one.startswith("{") else one for one in route.segments)
        matching = [one for one in ROUTES if one.method == route.method and one.match(example) is not None]
        assert matching == [route]
