"""What contradicts itself in declared endpoints, found at start and listed at once.

Decides nothing about one call. Ranges are those of botocore's `sagemaker` service model (CreateEndpointConfig,
CreateModel, CreateInferenceComponent); what AWS allows and the emulator cannot mean is said to be that.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from .endpoints import ContainerMode, Endpoint, Strategy, Variant
from .faults.selection import Rule

# botocore sagemaker-runtime 2017-05-13: EndpointName, TargetVariantHeader, TargetContainerHostnameHeader
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", re.ASCII)
NAME_MAX = 63
CONTAINERS = range(2, 16)  # SageMaker developer guide, multi-container endpoints: 2 to 15
MAX_CONCURRENCY = range(1, 201)  # botocore, ServerlessMaxConcurrency
MEMORY_MB = range(1024, 6145, 1024)  # botocore, ServerlessMemorySizeInMB; developer guide: in steps of 1 GB
PREFIX_BYTES = range(1024, 65537)  # botocore, ProductionVariantRoutingConfig.PrefixLength
CONCURRENCY_THRESHOLD = range(1, 1025)  # botocore, ProductionVariantRoutingConfig.ConcurrencyThreshold

Problems: TypeAlias = Iterator[str]


def check(endpoints: Iterable[Endpoint]) -> list[str]:
    """All contradictions, each a sentence that names its place and the remedy; empty when there are none."""
    declared = list(endpoints)
    problems = list(_twice([one.name for one in declared], "endpoint", place="endpoints"))
    for endpoint in declared:
        for rule in _RULES:
            problems += rule(endpoint)
    return problems


def check_faults(rules: Iterable[Rule], endpoints: Iterable[Endpoint]) -> list[str]:
    """Faults that can never strike, because a declared endpoint has no such variant, model or component."""
    declared = {one.name: one for one in endpoints}
    problems: list[str] = []
    for rule in rules:
        endpoint = declared.get(rule.selector.endpoint or "")
        if endpoint is not None:
            problems += _unreachable(rule, endpoint)
    return problems


def _unreachable(rule: Rule, endpoint: Endpoint) -> Problems:
    place = f"fault {rule.fault}: endpoints.{endpoint.name}"
    models = endpoint.multi_model.models if endpoint.multi_model else ()
    wanted = (
        ("variant", rule.selector.variant, [one.name for one in _variants(endpoint)]),
        ("inference component", rule.selector.component, [one.name for one in endpoint.components]),
    )
    for what, name, known in wanted:
        if name is not None and name not in known:
            yield f"{place} has no {what} {name!r}.{_nearest(name, known)}"
    if rule.selector.model is not None and (models or not endpoint.multi_model) and rule.selector.model not in models:
        yield f"{place} has no model {rule.selector.model!r}.{_nearest(rule.selector.model, models)}"


def _names(endpoint: Endpoint) -> Problems:
    place = f"endpoints.{endpoint.name}"
    named = [("endpoint", endpoint.name)]
    named += [("variant", one.name) for one in endpoint.variants]
    named += [("container hostname", one.hostname) for one in endpoint.containers]
    named += [("inference component", one.name) for one in endpoint.components]
    if endpoint.shadow is not None:
        named.append(("shadow variant", endpoint.shadow.name))
    for what, name in named:
        if len(name) > NAME_MAX or not NAME.fullmatch(name):
            yield f"{place}: {what} {name!r} is no name. Use 1 to 63 letters, digits and hyphens, none at an end."
    yield from _twice([one.name for one in _variants(endpoint)], "variant", place=place)
    yield from _twice([one.hostname for one in endpoint.containers], "container hostname", place=place)
    yield from _twice([one.name for one in endpoint.components], "inference component", place=place)


def _servings(endpoint: Endpoint) -> Problems:
    given = ("upstream", "containers", "multi_model", "components")
    found = [name for name in given if getattr(endpoint, name)]
    if len(found) > 1:
        yield f"endpoints.{endpoint.name}: {' and '.join(found)} exclude each other. Keep the one that answers."
    own = [one.name for one in endpoint.variants if one.upstream]
    if own and (endpoint.containers or endpoint.components):
        yield (
            f"endpoints.{endpoint.name}: variant {own[0]} has an upstream, but {found[0]} answer. "
            "Leave one of the two out."
        )


def _weights(endpoint: Endpoint) -> Problems:
    place = f"endpoints.{endpoint.name}"
    for one in endpoint.variants:
        if one.weight < 0 or not math.isfinite(one.weight):
            yield f"{place}: variant {one.name} has the weight {one.weight:g}. Use a number from 0 on."
        if one.instances < 1:
            yield f"{place}: variant {one.name} has {one.instances} instances. Use at least 1."
    if endpoint.variants and not any(one.weight > 0 for one in endpoint.variants):
        yield f"{place}: all variants have the weight 0, so no call would find one. Give one of them a weight above 0."
    if endpoint.instances < 1:
        yield f"{place}: {endpoint.instances} instances. Use at least 1."
    if endpoint.variants and endpoint.instances != 1:
        yield f"{place}: instances beside variants. Write instances under the variants."


def _routing(endpoint: Endpoint) -> Problems:
    place, routing = f"endpoints.{endpoint.name}.routing", endpoint.routing
    if routing.strategy is not Strategy.PREFIX_AWARE:
        return
    if routing.prefix_bytes not in PREFIX_BYTES:
        yield f"{place}: prefix_bytes = {routing.prefix_bytes}. Use 1024 to 65536."
    if routing.concurrency_threshold not in CONCURRENCY_THRESHOLD:
        yield f"{place}: concurrency_threshold = {routing.concurrency_threshold}. Use 1 to 1024."
    copies = [one.copies for one in endpoint.components]
    if max(copies or [one.instances for one in _variants(endpoint)]) < 2:
        yield f"{place}: PREFIX_AWARE with one instance routes nothing. Declare two or more, or leave the strategy out."


def _containers(endpoint: Endpoint) -> Problems:
    place, containers = f"endpoints.{endpoint.name}", endpoint.containers
    if not containers:
        if endpoint.container_mode is ContainerMode.DIRECT:
            yield f"{place}: container_mode = direct without containers. Declare them, or leave the mode out."
        return
    if len(containers) not in CONTAINERS:
        yield f"{place}: {len(containers)} containers. SageMaker takes 2 to 15; one alone is an upstream."
    if endpoint.container_mode is ContainerMode.DIRECT:
        return
    answering = [one.hostname for one in containers if one.sessions]
    if endpoint.sessions and not answering:
        yield (
            f"{place}: sessions = true, but no container of the pipeline opens one. Set sessions = true on the last "
            f"container, {containers[-1].hostname}, if it does, or leave it out."
        )
    for hostname in answering:
        if hostname != containers[-1].hostname:
            yield (
                f"{place}: container {hostname} opens sessions, but only the answer of the last one, "
                f"{containers[-1].hostname}, reaches the client. Put {hostname} last, or leave sessions out."
            )


def _multi_model(endpoint: Endpoint) -> Problems:
    place, declared = f"endpoints.{endpoint.name}.multi_model", endpoint.multi_model
    if declared is None:
        return
    if declared.capacity is not None and declared.capacity < 1:
        yield f"{place}: capacity = {declared.capacity} holds no model. Use at least 1, or leave it out."
    if declared.load_s < 0 or not math.isfinite(declared.load_s):
        yield f"{place}: load_s = {declared.load_s:g}. Use seconds from 0 on."
    if declared.location and not declared.location.startswith("s3://"):
        yield f"{place}: location = {declared.location!r}. Write it as s3://bucket/prefix/."
    yield from _twice([one.lstrip("/") for one in declared.models], "model", place=place)


def _components(endpoint: Endpoint) -> Problems:
    place = f"endpoints.{endpoint.name}.components"
    declared = {one.name: one for one in endpoint.components}
    for one in endpoint.components:
        here = f"{place}.{one.name}"
        if one.copies < 0:
            yield f"{here}: copies = {one.copies}. Use 0 or more."
        if one.scale_up_s is not None and (one.scale_up_s < 0 or one.copies > 0):
            yield f"{here}: scale_up_s = {one.scale_up_s:g} with {one.copies} copies. It is for a component with none."
        if one.adapter_source is not None and one.adapter_of is None:
            yield f"{here}: adapter_source without adapter_of. Name the base component, or leave it out."
        if one.adapter_of is None:
            continue
        base = declared.get(one.adapter_of)
        if base is None:
            yield f"{here}: adapter_of = {one.adapter_of!r} is not there.{_nearest(one.adapter_of, list(declared))}"
        elif base.adapter_of is not None:
            yield f"{here}: {base.name} is an adapter itself. Name its base, {base.adapter_of}."


def _shadow(endpoint: Endpoint) -> Problems:
    place, shadow = f"endpoints.{endpoint.name}.shadow", endpoint.shadow
    if shadow is None:
        return
    variants = _variants(endpoint)
    if len(variants) != 1:
        yield f"{place}: {len(variants)} production variants. A shadow test has one."
    if shadow.name in {one.name for one in variants}:
        yield f"{place}: {shadow.name!r} is the production variant's name. Use another."
    if not 0 <= shadow.share <= 1:
        yield f"{place}: share = {shadow.share:g}. Use a number from 0 to 1."


def _serverless(endpoint: Endpoint) -> Problems:
    place, declared = f"endpoints.{endpoint.name}.serverless", endpoint.serverless
    if declared is None:
        return
    if declared.max_concurrency not in MAX_CONCURRENCY:
        yield f"{place}: max_concurrency = {declared.max_concurrency}. Use 1 to 200."
    if declared.memory_mb not in MEMORY_MB:
        yield f"{place}: memory_mb = {declared.memory_mb}. Use 1024, 2048, 3072, 4096, 5120 or 6144."
    if declared.cold_start_s < 0 or declared.idle_s < 0:
        yield f"{place}: cold_start_s and idle_s are seconds from 0 on. Correct them."
    others = {"multi_model": endpoint.multi_model, "components": endpoint.components, "containers": endpoint.containers}
    for name in [name for name, value in others.items() if value]:
        yield f"{place}: a serverless endpoint has one container. Leave {name} out, or serverless."
    if len(_variants(endpoint)) > 1 or any(one.instances != 1 for one in _variants(endpoint)):
        yield f"{place}: a serverless endpoint has one variant and no instances of its own. Leave them out."
    if endpoint.sessions:
        yield f"{place}: sessions need an instance to return to. Leave sessions out, or serverless."


def _limits(endpoint: Endpoint) -> Problems:
    place = f"endpoints.{endpoint.name}"
    for name in ("timeout_s", "stream_timeout_s"):
        value = getattr(endpoint, name)
        if not value > 0 or not math.isfinite(value):
            yield f"{place}: {name} = {value:g}. Use seconds above 0."
    if endpoint.is_async and endpoint.sessions:
        yield f"{place}: InvokeEndpointAsync knows no sessions. Leave sessions out, or async."


_RULES: Sequence[Callable[[Endpoint], Problems]] = (
    *(_names, _servings, _weights, _routing, _containers, _multi_model, _components, _shadow, _serverless, _limits),
)


def _variants(endpoint: Endpoint) -> tuple[Variant, ...]:
    return endpoint.variants or (Variant("AllTraffic", instances=endpoint.instances),)


def _twice(names: Sequence[str], what: str, *, place: str) -> Problems:
    for name in [name for name, count in Counter(names).items() if count > 1]:
        yield f"{place}: {what} {name!r} is there twice. Rename one, or leave it out."


def _nearest(name: str, known: Sequence[str]) -> str:
    if not known:
        return " It has none. Leave it out."
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(known)}."
