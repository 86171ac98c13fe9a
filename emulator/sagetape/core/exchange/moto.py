"""moto's queue of endpoint results: what is POSTed to `/moto-api/static/sagemaker/endpoint-results`.

Format: https://docs.getmoto.org/en/latest/docs/services/sagemaker-runtime.html. The queue holds answers without
requests, so each result becomes the next take of one key for the named endpoint, under match rules by which every call
of that endpoint is the same. moto keeps one queue for all endpoints and gives an equal input its first answer again;
here every endpoint has its own, and takes play in order whatever is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..matching import MatchRules
from ..platform import CUSTOM_ATTRIBUTES, VARIANT_HEADER
from ..wire import Call, whole
from .choices import Choices
from .found import Found, Skipped, Unusable, data, items, mapping, text

QUEUE_RULES: Final = MatchRules(members=(), body="ignore")
"""Every call of an endpoint has one key."""


def is_moto(document: Any) -> bool:
    """Whether a parsed file looks like one."""
    return isinstance(document, Mapping) and isinstance(document.get("results"), list)


def read_moto(document: Any, choices: Choices) -> Iterator[Found | Skipped]:
    """Every result, in the order of the queue."""
    region = document.get("region")
    for place, result in enumerate(items(document["results"], "results")):
        where = f"result {place}"
        try:
            if not choices.endpoint:
                raise Unusable("a queue names no endpoint. Name it: --endpoint NAME")
            yield _found(mapping(result, "the result"), choices, region if isinstance(region, str) else "us-east-1")
        except Unusable as error:
            yield Skipped(where, str(error))


def _found(result: Mapping[str, Any], choices: Choices, region: str) -> Found:
    if "data" in result:
        raise Unusable("a result of InvokeEndpointAsync, which is not emulated")
    names = (
        ("ContentType", "Content-Type"),
        ("InvokedProductionVariant", VARIANT_HEADER),
        ("CustomAttributes", CUSTOM_ATTRIBUTES),
    )
    headers = tuple((header, text(result[name], name)) for name, header in names if result.get(name) is not None)
    call = Call("InvokeEndpoint", choices.endpoint, {}, b"", hashlib.sha256(b"").digest(), region=region[:32])
    return Found(call, whole(200, headers, data(result.get("Body"), "Body")), synthetic=True)
