"""The admin API's documents, made of its table: `docs/openapi.json` and the tables of `docs/admin.md`.

`python -m sagetape.shell.admin.documents docs` writes both anew; a test fails where they differ from the code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from ...version import __version__
from .gate import TOKEN_HEADER
from .refusals import CODES
from .routes import PREFIX, AdminRoute
from .schemas import Schema, table, text
from .table import ROUTES

BEGIN, END = "<!-- {} begin -->\n", "<!-- {} end -->\n"
ERROR: Final[Schema] = table({"Message": text("What happened, what would have worked, what to do.")})


def openapi() -> dict[str, Any]:
    """The whole API as an OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sagetape admin API",
            "version": __version__,
            "description": "Looks at a running emulator and steers it. docs/admin.md says who may call it.",
        },
        "servers": [{"url": "http://127.0.0.1:7243"}],
        "paths": paths,
        "components": {
            "schemas": {"Error": ERROR},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}},
        },
    }


def operation(route: AdminRoute) -> dict[str, Any]:
    """One route as an OpenAPI operation."""
    made: dict[str, Any] = {"operationId": route.handler.__name__, "summary": route.doc}
    parameters = [parameter(name, "path", text()) for name in route.names]
    parameters += [parameter(name, "query", schema) for name, schema in route.query.items()]
    if parameters:
        made["parameters"] = parameters
    if route.body is not None:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": route.body}}}
    kind, schema = ("text/plain", text()) if route.answer is None else ("application/json", route.answer)
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    made["responses"] = {
        "200": {"description": "Done.", "content": {kind: {"schema": schema}}},
        "default": {"description": "Refused; the code is in x-amzn-ErrorType.", "content": error},
    }
    if route.is_write:
        made["security"] = [{"token": []}]
    return made


def parameter(name: str, place: str, schema: Schema) -> dict[str, Any]:
    """A name in the path or the query."""
    bare = {key: value for key, value in schema.items() if key != "description"}
    doc = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": place, "required": place == "path", "schema": bare, **doc}


def tables() -> dict[str, str]:
    """The generated parts of the page, by the name in their markers."""
    return {"routes": rows_of_routes(), "journal": rows_of_query("/decks/{deck}/journal"), "codes": rows_of_codes()}


def rows_of_routes() -> str:
    """Every route as a row: method, path, what it does, what it takes."""
    lines = ["| Method | Path behind `/_sagetape` | | Body |", "|---|---|---|---|"]
    for route in ROUTES:
        lines.append(f"| {route.method} | `{route.path}` | {route.doc} | {shape(route.body)} |")
    return "\n".join(lines) + "\n"


def shape(body: Schema | None) -> str:
    """A body in a few words."""
    if body is None:
        return ""
    required = body.get("required", [])
    names = [f"`{name}`" if name in required else f"`{name}`?" for name in body["properties"]]
    return ", ".join(names) + (", ..." if body.get("additionalProperties") else "")


def rows_of_query(path: str) -> str:
    """The query of one route as rows."""
    route = next(one for one in ROUTES if one.path == path and one.method == "GET")
    lines = ["| Field | |", "|---|---|"]
    lines += [f"| `{name}` | {schema['description']} |" for name, schema in route.query.items()]
    return "\n".join(lines) + "\n"


def rows_of_codes() -> str:
    """Every error code as a row."""
    lines = ["| Status | Code | When |", "|---|---|---|"]
    lines += [f"| {status} | `{code}` | {doc} |" for code, (status, doc) in CODES.items()]
    return "\n".join(lines) + "\n"


def page(template: str) -> str:
    """A page with its generated parts as the code has them now."""
    for name, rows in tables().items():
        head, begin, rest = template.partition(BEGIN.format(name))
        _, end, tail = rest.partition(END.format(name))
        template = head + begin + rows + end + tail
    return template


def write(folder: Path) -> None:
    """Both documents, into a folder that holds the page."""
    (folder / "openapi.json").write_text(json.dumps(openapi(), indent=1, sort_keys=True) + "\n")
    path = folder / "admin.md"
    path.write_text(page(path.read_text()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
