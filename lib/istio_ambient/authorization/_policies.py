# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Granted requests become one AuthorizationPolicy per target, merged and in a stable order."""

import collections
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from istio_ambient import kube, resources
from istio_ambient.authorization import _policy_objects
from istio_ambient.authorization._policy_objects import Rule
from istio_ambient.authorization._requests import (
    AccessRequest,
    Operation,
    Source,
    Target,
    TargetKind,
)

REQUESTED_BY = "charmed-istio.io/requested-by"
"""Annotation: JSON object, source → its requesters; cut at `MAX_PROVENANCE`."""

MAX_PROVENANCE = 32 * 1024
"""Bytes of that annotation; all annotations of an object share 256 KiB."""
_LEFT_OUT = "and more"
MAX_NAME = 63
MAX_RULES_SIZE = 384 * 1024
"""Bytes of rules in one object, roughly; etcd takes 1.5 MiB."""
MAX_SOURCES = 500
"""Sources in one rule, so that a rule stays a fraction of `MAX_RULES_SIZE`."""


def policies(
    requests: Iterable[AccessRequest], *, model: str, app: str
) -> tuple[resources.Namespaced, ...]:
    """Return the policies that grant the requests.

    A target that nobody is to be let in to gets a policy without rules, which allows nothing.
    The same requests in any order give the same objects.

    Args:
        requests: granted requests.
        model: our model, for the objects' names.
        app: our application, for the objects' names.
    """
    by_target: dict[Target, list[AccessRequest]] = collections.defaultdict(list)
    for request in requests:
        by_target[request.target].append(request)
    return tuple(
        _policy_objects.allow(
            policy_name(model, app, target, part), target, rules, _provenance(by_target[target])
        )
        for target in sorted(by_target)
        for part, rules in enumerate(_parts(_rules(by_target[target])))
    )


def requesters_of(policies: Iterable[kube.Manifest]) -> dict[Target, frozenset[str] | None]:
    """Return who asked for the policies in the cluster, by what these are about.

    None: anybody may have, since the policy does not say, or not all.

    Args:
        policies: in JSON form, made by `policies` or by the public charm of the same name.
    """
    found: dict[Target, frozenset[str] | None] = {}
    for policy in policies:
        target = _policy_objects.target_of(policy)
        if target is not None:
            asked, known = _told(policy), found.get(target, frozenset[str]())
            found[target] = None if asked is None or known is None else asked | known
    return found


def _told(policy: kube.Manifest) -> frozenset[str] | None:
    annotations: dict[str, str] = policy["metadata"].get("annotations") or {}
    try:
        told: dict[str, list[str]] = json.loads(annotations.get(REQUESTED_BY, ""))
        requesters = frozenset(
            requester for requesters in told.values() for requester in requesters
        )
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return None if _LEFT_OUT in told else requesters


def policy_name(model: str, app: str, target: Target, part: int = 0) -> str:
    """Return a name of at most 63 characters that no other input gives.

    It begins `<app>-<model>-policy-<target>` as far as that fits; the hash of everything at its
    end tells apart what is cut, and what would read the same.
    """
    what = target.name if target.kind is TargetKind.SERVICE else dict(target.labels)
    identity = json.dumps([model, app, target.kind, target.namespace, what, part], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    label = target.name or "-".join(value for _, value in target.labels)
    readable = f"{app}-{model}-policy-{label}".lower().replace("_", "-").replace(".", "-")
    return f"{readable[: MAX_NAME - len(digest) - 1].rstrip('-')}-{digest}"


def _rules(requests: Iterable[AccessRequest]) -> list[Rule]:
    """Return the fewest rules: what a source may do is one set, sources with the same share it."""
    operations: dict[Source, set[Operation]] = {}
    everything: set[Source] = set()
    for request in requests:
        if request.source is None:
            continue
        wanted = operations.setdefault(request.source, set())
        wanted.update(operation.sorted() for operation in request.operations)
        if not request.operations:
            everything.add(request.source)
    sources: dict[tuple[Operation, ...], list[Source]] = collections.defaultdict(list)
    for source, wanted in operations.items():
        sources[() if source in everything else tuple(sorted(wanted))].append(source)
    rules = (
        Rule(some_sources, some_operations)
        for key, who in sources.items()
        for some_sources in _chunks(sorted(who), MAX_SOURCES)
        for some_operations in _operation_chunks(key)
    )
    return sorted(rules)


def _chunks(sources: Sequence[Source], size: int) -> Iterator[tuple[Source, ...]]:
    for start in range(0, len(sources), size):
        yield tuple(sources[start : start + size])


def _operation_chunks(operations: tuple[Operation, ...]) -> Iterator[tuple[Operation, ...]]:
    """Split operations so that each part is small enough; no operations stay no operations."""
    chunk: list[Operation] = []
    size = 0
    for operation in operations:
        added = _size(Rule(operations=(operation,)))
        if chunk and size + added > MAX_RULES_SIZE // 2:
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(operation)
        size += added
    yield tuple(chunk)


def _parts(rules: Sequence[Rule]) -> Iterator[tuple[Rule, ...]]:
    """Split rules into what one object holds; no rules are one object too."""
    part: list[Rule] = []
    size = 0
    for rule in rules:
        added = _size(rule)
        if part and (size + added > MAX_RULES_SIZE or len(part) == _policy_objects.MAX_RULES):
            yield tuple(part)
            part, size = [], 0
        part.append(rule)
        size += added
    yield tuple(part)


def _size(rule: Rule) -> int:
    return len(json.dumps(rule.to_dict()))


def _provenance(requests: Iterable[AccessRequest]) -> Mapping[str, str]:
    requesters: dict[str, set[str]] = collections.defaultdict(set)
    for request in requests:
        source = "nobody" if request.source is None else str(request.source)
        requesters[source].add(str(request.requester))
    told: dict[str, list[str]] = {}
    size = 0
    for source in sorted(requesters):
        told[source] = sorted(requesters[source])
        size += len(json.dumps({source: told[source]}))
        if size > MAX_PROVENANCE:
            del told[source]
            break
    left_out = len(requesters) - len(told)
    return requested_by({**told, **({_LEFT_OUT: [str(left_out)]} if left_out else {})})


def requested_by(requesters: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the annotation that tells of each source who wants it let in."""
    return {REQUESTED_BY: json.dumps(dict(requesters))}
