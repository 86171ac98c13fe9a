"""Server-sent events: the lines of each event, `data` by meaning where it is JSON.

Line ends, comments and blank lines do not count. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
Model servers stream completions in this form; ignored paths start at each event's document.
"""

from __future__ import annotations

from . import json_text
from .reading import Reading
from .tree import JSON_DATA, Tree, Unreadable

EVENTS_MAX = 200_000  # about two seconds; a body of more events than that is compared as bytes


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The list of events, each an object of lists by field name. Raises Unreadable."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    if len(blocks) > EVENTS_MAX:
        raise Unreadable(f"more than {EVENTS_MAX:,} events")
    events = (_event(block, content_type, reading) for block in blocks)
    return [event for event in events if event]


def _event(block: str, content_type: str, reading: Reading) -> dict[str, Tree]:
    fields: dict[str, list[str]] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        if name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
    event: dict[str, Tree] = {name: list(values) for name, values in fields.items()}
    if "data" in fields:
        try:
            event[JSON_DATA] = json_text.read("\n".join(fields["data"]).encode(), content_type, reading)
            del event["data"]
        except Unreadable:
            pass  # `[DONE]`, or words: the lines as they are
    return event
