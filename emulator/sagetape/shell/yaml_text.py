"""YAML as plain data, read from its events: no tag makes an object, whatever the file says.

Decides which YAML is read: maps, lists, texts, null and `!!binary`; every other plain scalar stays text, because
nobody who asks here needs more. It refuses other tags (Python's objects among them; a vcrpy cassette read with an
unsafe loader runs code, GHSA-rpj2-4hq8-938g), merge keys, too many values, and depth. An alias is the same object again
and is never copied, so a file cannot grow in memory. Iterative: depth costs no stack.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from ..core.errors import ConfigError

DEPTH_MAX: Final = 64
NODES_MAX: Final = 5_000_000
BINARY: Final = "tag:yaml.org,2002:binary"
TEXTS: Final = frozenset(("tag:yaml.org,2002:str", "tag:yaml.org,2002:python/unicode", "tag:yaml.org,2002:python/str"))
"""The last two are texts that Python 2 wrote; they are read as texts and nothing else."""
NULLS: Final = frozenset(("", "~", "null", "Null", "NULL"))


class YamlError(ValueError):
    """Not YAML, or more than plain data. The text says where."""


def read_yaml(text: str) -> Any:
    """The one document of a text. Raises YamlError; ConfigError when PyYAML is not installed."""
    yaml = find_yaml()
    try:
        return _Reader().read(yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)))
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())[:300]) from None


def find_yaml() -> Any:
    """PyYAML. Raises ConfigError that names the extra."""
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            "YAML is read with PyYAML, which is not installed. JSON needs nothing more. "
            "Install it: pip install 'sagetape[yaml]'"
        ) from None
    return yaml


class _Reader:
    """Builds values from events; a stack of open containers instead of recursion."""

    def __init__(self) -> None:
        self.root: list[Any] = []
        self.open: list[Any] = [self.root]
        self.keys: list[Any] = [None]
        self.anchors: dict[str, Any] = {}
        self.count = 0

    def read(self, events: Any) -> Any:
        for event in events:
            kind = type(event).__name__
            if kind == "ScalarEvent":
                self.add(scalar(event), event)
            elif kind == "AliasEvent":
                if event.anchor not in self.anchors:
                    raise YamlError(f"{place(event)}: the alias {event.anchor[:40]!r} is not known")
                self.add(self.anchors[event.anchor], event)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self.start({} if kind == "MappingStartEvent" else [], event)
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                self.open.pop()
                self.keys.pop()
            elif kind == "DocumentStartEvent" and self.root:
                raise YamlError(f"{place(event)}: a second document; one is expected")
        return self.root[0] if self.root else None

    def start(self, container: Any, event: Any) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise YamlError(f"{place(event)}: the tag {event.tag[:80]!r} makes an object; only plain data is read")
        if len(self.open) > DEPTH_MAX:
            raise YamlError(f"{place(event)}: nested deeper than {DEPTH_MAX}")
        self.add(container, event)
        self.open.append(container)
        self.keys.append(None)

    def add(self, value: Any, event: Any) -> None:
        self.count += 1
        if self.count > NODES_MAX:
            raise YamlError(f"{place(event)}: more than {NODES_MAX} values")
        if getattr(event, "anchor", None) and type(event).__name__ != "AliasEvent":
            self.anchors[event.anchor] = value
        container = self.open[-1]
        if isinstance(container, list):
            container.append(value)
        elif self.keys[-1] is None:
            if not isinstance(value, str) or value == "<<":
                raise YamlError(f"{place(event)}: a key that is not a text; merge keys are not read either")
            self.keys[-1] = value
        else:
            container[self.keys[-1]] = value
            self.keys[-1] = None


def scalar(event: Any) -> Any:
    """A scalar's value: bytes, None or a text."""
    if event.tag == BINARY:
        try:
            return base64.b64decode("".join(event.value.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise YamlError(f"{place(event)}: not base64 ({error})") from None
    if event.tag not in (None, "!") and event.tag not in TEXTS:
        raise YamlError(f"{place(event)}: the tag {event.tag[:80]!r} makes an object; only plain data is read")
    if event.tag is None and event.style is None and event.value in NULLS:
        return None
    return str(event.value)


def place(event: Any) -> str:
    """`line 3`, as people count."""
    return f"line {event.start_mark.line + 1}"
