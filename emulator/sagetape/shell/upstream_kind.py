"""How an upstream is written, wherever one may be: judged by its form, with the nearest form that would have worked.

Decides nothing about whether it can be reached or imported: `upstreams/` opens it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from ..core.values import valueclass
from .masking import masked


@valueclass(frozen=True, slots=True)
class Upstream:
    """One upstream as it is written in every place that takes one."""

    metavar: str = "UPSTREAM"

    def from_text(self, text: str) -> str:
        for prefix, judge in UPSTREAM_FORMS.items():
            if text == prefix or text.startswith(f"{prefix}:"):
                if judge(text):
                    return text
                break
        raise ValueError(
            f"must be aws, aws:<profile>, aws+http(s)://host:port, http(s)://host:port or "
            f"function:<module>:<name>, not {masked(text)!r}{upstream_suggestion(text)}"
        )

    def from_toml(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be an upstream in quotes, not {value!r}")
        return self.from_text(value)


def is_address(text: str) -> bool:
    """Whether a text is `scheme://host[:port][/path]`, without user, query or fragment."""
    return (
        re.fullmatch(r"[a-z+]+://([\w.~-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[\w.~%/-]*)?", text, re.ASCII) is not None
    )


def is_function(text: str) -> bool:
    """Whether a text is `function:<dotted module>:<dotted name>`."""
    return re.fullmatch(r"function:\w+(\.\w+)*:\w+(\.\w+)*", text) is not None


UPSTREAM_FORMS: dict[str, Callable[[str], bool]] = {
    "aws": lambda text: re.fullmatch(r"aws(:[^\s,]+)?", text) is not None,
    "aws+http": is_address,
    "aws+https": is_address,
    "http": is_address,
    "https": is_address,
    "function": is_function,
}


def upstream_suggestion(text: str) -> str:
    """The nearest form of an upstream that would have worked; of an address with a password the same without it."""
    if "@" in text:
        scheme, mark, rest = text.partition("://")
        bare = f"{scheme}{mark}{rest.rpartition('@')[2]}"
        return f"; did you mean {bare!r}?" if scheme in UPSTREAM_FORMS and is_address(bare) else ""
    if re.fullmatch(r"[\w.-]+:[0-9]+(/.*)?", text):
        return f"; did you mean {masked(f'http://{text}')!r}?"
    if re.fullmatch(r"\w+(\.\w+)*:\w+", text) and not text.startswith(tuple(UPSTREAM_FORMS)):
        return f"; did you mean 'function:{text}'?"
    scheme, mark, rest = text.partition(":")
    near = difflib.get_close_matches(scheme, UPSTREAM_FORMS, n=1, cutoff=0.6)
    return f"; did you mean {masked(near[0] + mark + rest)!r}?" if near and near[0] != scheme else ""
