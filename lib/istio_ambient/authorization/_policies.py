# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Granted requests become ALLOW policies, merged by target and in a stable order."""

import collections
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from istio_ambient import kube, resources
from istio_ambient.authorization import _policy_objects
from istio_ambient.authorization._policy_objects import AllowRule
from istio_ambient.authorization._requests import (
    AccessRequest,
    Operation,
    Requester,
    Source,
    Target,
    TargetKind,
)
from istio_ambient.values.parts import parts
from istio_ambient.values.text import printable

MAX_PROVENANCE = 32 * 1024
"""Bytes of the annotation `resources.REQUESTED_BY`; all of an object share 256 KiB. It is a JSON
object, from each source to those that asked for it. The keys are part of a published format:
`nobody` is a request to close the target, `and more` the number of sources that were cut."""
_NO_SOURCE, _LEFT_OUT = "nobody", "and more"
MAX_NAME = 63
MAX_RULES_SIZE = 384 * 1024
"""Bytes of rules in one object, roughly; etcd takes 1.5 MiB."""
MAX_SOURCES = 500
"""Sources in one rule, so that a rule stays a fraction of `MAX_RULES_SIZE`."""


def policies(
    requests: Iterable[AccessRequest], *, model: str, app: str
) -> tuple[resources.Namespaced, ...]:
    """Return the policies that grant the requests.

    A target that only has requests to close it gets a policy without rules, which allows nothing.
    A target with more rules than one object can hold gets several policies. The same requests in
    any order give the same objects.

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


class Provenance(msgspec.Struct, frozen=True):
    """The requesters of the policies for one target, as far as their annotations name them."""

    requesters: frozenset[str] = frozenset()
    """Each `<application>:<endpoint>`."""
    complete: bool = True
    """False: an annotation is missing, unreadable or cut, and may have named others."""
    adopted: bool = False
    """A policy is of the public charm, which grants without ownership and names no requester.
    Until it is adopted, every application counts as one, so that the adoption opens no target."""

    def names(self, requester: Requester) -> bool | None:
        """Return whether an application is one of the requesters; None: it is not known."""
        if self.adopted or str(requester) in self.requesters:
            return True
        return False if self.complete else None


def requesters_of(policies: Iterable[kube.Manifest]) -> dict[Target, Provenance]:
    """Return the requesters of the policies in the cluster by target.

    Args:
        policies: in JSON form, made by `policies` or by the public charm of the same name.
    """
    found: dict[Target, Provenance] = {}
    for policy in policies:
        target = _policy_objects.target_of(policy)
        if target is not None:
            one, other = _provenance_of(policy), found.get(target, Provenance())
            found[target] = Provenance(
                requesters=one.requesters | other.requesters,
                complete=one.complete and other.complete,
                adopted=one.adopted or other.adopted,
            )
    return found


def _provenance_of(policy: kube.Manifest) -> Provenance:
    annotations = kube.section(policy["metadata"], "annotations")
    is_public = resources.SCOPE_LABEL in kube.section(policy["metadata"], "labels")
    if is_public and resources.mark(annotations, resources.OWNER_ANNOTATION) is None:
        return Provenance(adopted=True)
    try:
        by_source: dict[str, list[str]] = json.loads(
            resources.mark(annotations, resources.REQUESTED_BY) or ""
        )
        cut = by_source.pop(_LEFT_OUT, None)
        named = itertools.chain.from_iterable(by_source.values())
        requesters = frozenset(printable(each) for each in named)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return Provenance(complete=False)
    return Provenance(requesters, complete=cut is None)


def policy_name(model: str, app: str, target: Target, part: int = 0) -> str:
    """Return the name of a policy: at most 63 characters, and another one for any other input.

    The name is `<app>-<model>-policy-<target>`, cut to fit, and a hash of all arguments, which
    tells apart names that would be the same.

    Args:
        model: our model.
        app: our application.
        target: of the policy.
        part: number of the policy among those of the target.
    """
    what = target.name if target.kind is TargetKind.SERVICE else dict(target.labels)
    identity = json.dumps([model, app, target.kind, target.namespace, what, part], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    label = target.name or "-".join(value for _, value in target.labels)
    readable = f"{app}-{model}-policy-{label}".lower().replace("_", "-").replace(".", "-")
    return f"{readable[: MAX_NAME - len(digest) - 1].rstrip('-')}-{digest}"


def _rules(requests: Iterable[AccessRequest]) -> list[AllowRule]:
    """Return the fewest rules: sources with the same set of operations share one."""
    operations: dict[Source, set[Operation]] = {}
    unrestricted: set[Source] = set()
    for request in requests:
        if request.source is None:
            continue
        allowed = operations.setdefault(request.source, set())
        allowed.update(operation.sorted() for operation in request.operations)
        if not request.operations:
            unrestricted.add(request.source)
    sources: dict[tuple[Operation, ...], list[Source]] = collections.defaultdict(list)
    for source, allowed in operations.items():
        sources[() if source in unrestricted else tuple(sorted(allowed))].append(source)
    rules = (
        AllowRule(some_sources, some_operations)
        for allowed, sharing in sources.items()
        for some_sources in _chunks(sorted(sharing), MAX_SOURCES)
        for some_operations in _operation_chunks(allowed)
    )
    return sorted(rules)


def _chunks(sources: Sequence[Source], size: int) -> Iterator[tuple[Source, ...]]:
    for start in range(0, len(sources), size):
        yield tuple(sources[start : start + size])


def _operation_chunks(operations: tuple[Operation, ...]) -> Iterator[tuple[Operation, ...]]:
    """Divide operations into parts that a rule can hold; no operations give one empty part."""
    if len(operations) < 2:
        return iter((operations,))

    def size(operation: Operation) -> int:
        return _size(AllowRule(operations=(operation,)))

    return parts(operations, size, limit=MAX_RULES_SIZE // 2)


def _parts(rules: Sequence[AllowRule]) -> Iterator[tuple[AllowRule, ...]]:
    """Divide rules into parts that an object can hold; no rules give one empty part."""
    return parts(rules, _size, limit=MAX_RULES_SIZE, most=_policy_objects.MAX_RULES)


def _size(rule: AllowRule) -> int:
    return len(msgspec.json.encode(rule.content))


def _provenance(requests: Iterable[AccessRequest]) -> Mapping[str, str]:
    requesters: dict[str, set[str]] = collections.defaultdict(set)
    for request in requests:
        source = _NO_SOURCE if request.source is None else request.source.label
        requesters[source].add(str(request.requester))
    by_source = {source: sorted(requesters[source]) for source in sorted(requesters)}
    whole = requested_by(by_source)
    if len(whole[resources.REQUESTED_BY]) <= MAX_PROVENANCE:
        return whole
    kept: dict[str, list[str]] = {}
    size = 0
    for source, its_requesters in by_source.items():
        size += len(json.dumps({source: its_requesters}))
        if size > MAX_PROVENANCE:
            break
        kept[source] = its_requesters
    return requested_by({**kept, _LEFT_OUT: [str(len(by_source) - len(kept))]})


def requested_by(requesters: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the annotation that names requesters, from each source to those that asked for it."""
    return {resources.REQUESTED_BY: json.dumps(dict(requesters))}
