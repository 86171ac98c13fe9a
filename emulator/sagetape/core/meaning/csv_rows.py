"""CSV: rows of texts, as RFC 4180 reads them. Quoting and line ends do not count; spaces, cases and empty rows do.

Fields stay texts (`1.0` is not `1`) unless rounding is asked for; then those that are decimal numbers are numbers.
Refused: a quote inside an unquoted field, text after a closing quote, an open quote, anything not UTF-8. Only the comma
separates, because SageMaker's `text/csv` knows no other
(https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html).
"""

from __future__ import annotations

import re

from . import tree
from .reading import Reading
from .tree import Tree, Unreadable

ROWS_MAX = 500_000  # about a second; a body of more rows than that is compared as bytes
_FIELD = re.compile(r'(?:"([^"]*+(?:""[^"]*+)*+)"|([^",\r\n]*+))(,|\r\n|\n|\r|\Z)')
# With leading zeros it is a code, not a number, and stays a text.
_NUMBER = re.compile(
    r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,4})?|[+-]?\.[0-9]+(?:[eE][+-]?[0-9]{1,4})?", re.ASCII
)


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The list of rows, each a list of fields. Raises Unreadable."""
    del content_type  # ignored places are places in JSON documents; one that is meant for JSON drops no column here
    if max(body.count(b"\n"), body.count(b"\r")) > ROWS_MAX:
        raise Unreadable(f"more than {ROWS_MAX:,} rows")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    rows = _quoted_rows(text) if '"' in text else _plain_rows(text)
    if reading.round_digits is None:
        return rows
    return [[_rounded(field, reading.round_digits) for field in row] for row in rows]


def _plain_rows(text: str) -> list[list[str]]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.split(",") for line in lines]


def _quoted_rows(text: str) -> list[list[str]]:
    rows: list[list[str]] = []
    row: list[str] = []
    position = 0
    while position < len(text) or row:
        match = _FIELD.match(text, position)
        if match is None:
            raise Unreadable("quotes that do not close")
        row.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        position = match.end()
        if match[3] != ",":
            rows.append(row)
            row = []
    return rows


def _rounded(field: str, round_digits: int) -> str:
    bare = field.strip(" ")
    if len(bare) > tree.NUMBER_CHARACTERS_MAX or not _NUMBER.fullmatch(bare):
        return field
    return tree.number(tree.canonical_number(_as_json(bare)), round_digits=round_digits)


def _as_json(text: str) -> str:
    """`+1.`, `.5` and `1.e3` as JSON would write them."""
    sign = "-" if text.startswith("-") else ""
    whole, point, rest = text.lstrip("+-").partition(".")
    if point and not rest[:1].isdigit():
        rest = "0" + rest
    return f"{sign}{whole or '0'}{point}{rest}"
