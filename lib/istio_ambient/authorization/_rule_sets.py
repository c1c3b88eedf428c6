# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The requests that rules of a policy match, as far as two sets of them can be compared.

A rule is taken apart into sources and operations, and sets are compared source by source. What
cannot be compared counts as different: that costs an additional write, and never gives access.
"""

import collections
import functools
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import msgspec

from istio_ambient import kube

_ANY = "{}"
"""A source or an operation without restrictions."""
_COMPARED = 64
"""Operations of one source that are compared pair by pair, as members of each other."""
_Key: TypeAlias = tuple[str, str]
"""Source and conditions, as JSON."""
_Operations: TypeAlias = frozenset[str]
"""As JSON; sources of one rule share one set, which may be large."""


class RuleSet(msgspec.Struct, frozen=True, dict=True):
    """A set of requests: for each source, what it may do."""

    operations: Mapping[_Key, _Operations] = msgspec.field(default_factory=dict[_Key, _Operations])

    @classmethod
    def of(cls, rules: Iterable[Mapping[str, Any]], marks: str = "") -> "RuleSet":
        """Return what rules match.

        Args:
            rules: as in `spec.rules` of an AuthorizationPolicy.
            marks: sets with different marks have nothing in common.
        """
        return cls.union(cls(_taken_apart(rule, marks)) for rule in rules)

    @classmethod
    def everything(cls) -> "RuleSet":
        """Return the set of all requests."""
        return cls({(_ANY, ""): frozenset({_ANY})})

    @classmethod
    def union(cls, sets: Iterable["RuleSet"]) -> "RuleSet":
        """Return what any of the sets has."""
        result: dict[_Key, _Operations] = {}
        for each in sets:
            for key, found in each.operations.items():
                known = result.get(key)
                # Without a copy for each source of a rule.
                result[key] = found if known is None or known is found else known | found
        return cls(result)

    def __le__(self, other: "RuleSet") -> bool:
        """Return whether the other set has all of this one, for certain."""
        common = self & other
        return all(common.operations.get(key) == ops for key, ops in self.operations.items())

    def __and__(self, other: "RuleSet") -> "RuleSet":
        """Return what both sets have for certain."""
        return RuleSet.union((self._inside(other), other._inside(self)))

    def _inside(self, other: "RuleSet") -> "RuleSet":
        """Return the part of this set that the other has for certain."""
        if _ANY in other.operations.get((_ANY, ""), ()):
            return self
        known: dict[tuple[int, ...], _Operations] = {}
        kept: dict[_Key, _Operations] = {}
        for key, operations in self.operations.items():
            wider = list(other._wider(key))
            # Sources of one rule have the same sets, so that these are compared once.
            memo = (id(operations), *map(id, wider))
            if memo not in known:
                known[memo] = frozenset(_covered(operations, wider))
            if known[memo]:
                kept[key] = known[memo]
        return RuleSet(kept)

    def _wider(self, key: _Key) -> Iterator[_Operations]:
        """Yield the operations of each source of this set that includes a source."""
        source, conditions = key
        for named in (source, _ANY):
            if (named, conditions) in self.operations:
                yield self.operations[named, conditions]
        for network in self._networks:
            if network != source and _is_subnet(source, network):
                yield self.operations.get((network, conditions), frozenset())

    @functools.cached_property
    def _networks(self) -> list[str]:
        return [source for source, _ in self.operations if _network(source)]

    def rules(self) -> list[dict[str, Any]]:
        """Return rules that match the set; sources with the same operations share one."""
        sources: dict[tuple[str, _Operations], list[str]] = collections.defaultdict(list)
        for (source, conditions), operations in self.operations.items():
            sources[conditions, operations].append(source)
        found = [
            _rule(sorted(sharing), sorted(operations), conditions)
            for (conditions, operations), sharing in sources.items()
        ]
        return sorted(found, key=lambda rule: json.dumps(rule, sort_keys=True))


def _taken_apart(rule: Mapping[str, Any], marks: str) -> dict[_Key, _Operations]:
    conditions = json.dumps(rule["when"], sort_keys=True) if rule.get("when") else ""
    sources = [kube.section(each, "source") for each in kube.items(rule, "from")] or [{}]
    operations = [kube.section(each, "operation") for each in kube.items(rule, "to")] or [{}]
    shared = frozenset(text for each in operations for text in _clauses(each))
    return {(text, conditions + marks): shared for each in sources for text in _clauses(each)}


def _clauses(members: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members of a source or operation as JSON; one member's values each alone."""
    given = {key: sorted(map(str, values)) for key, values in members.items() if values}
    (single, *others) = given or [""]
    if others or not single or single.startswith("not"):
        yield json.dumps(given, sort_keys=True)
        return
    for value in given[single]:
        yield json.dumps({single: [value]})


def _rule(sources: list[str], operations: list[str], conditions: str) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if sources != [_ANY]:
        rule["from"] = [{"source": each} for each in _together(sources)]
    if operations != [_ANY]:
        rule["to"] = [{"operation": each} for each in _together(operations)]
    if conditions:
        rule["when"] = json.loads(conditions)
    return rule


def _together(clauses: list[str]) -> list[dict[str, Any]]:
    """Return clauses of one member and one value as one clause for each member."""
    values: dict[str, list[str]] = collections.defaultdict(list)
    rest: list[dict[str, Any]] = []
    for clause in map(_members, clauses):
        (single, *others) = clause
        if others or single.startswith("not"):
            rest.append(clause)
        else:
            values[single] += clause[single]
    return [*({key: sorted(found)} for key, found in sorted(values.items())), *rest]


def _covered(operations: _Operations, wider: Iterable[_Operations]) -> Iterator[str]:
    """Yield the operations that one of the sets includes for certain."""
    found = _Operations().union(*wider)
    if _ANY in found:
        yield from operations
        return
    compared = [_members(each) for each in found] if len(found) <= _COMPARED else []
    for each in operations:
        if each in found or (each != _ANY and any(_includes(w, _members(each)) for w in compared)):
            yield each


def _members(clause: str) -> dict[str, list[str]]:
    return cast(dict[str, list[str]], json.loads(clause))


def _includes(wide: Mapping[str, list[str]], narrow: Mapping[str, list[str]]) -> bool:
    """Return whether everything that `narrow` matches is matched by `wide`."""
    for member, values in wide.items():
        other = set(narrow.get(member, ()))
        is_excluded = member.startswith("not")
        if is_excluded and not other.issuperset(values):
            return False
        if not is_excluded and (not other or not other.issubset(values)):
            return False
    return True


def _network(source: str) -> str:
    """Return the network that a source consists of; empty: it is another one."""
    values = _members(source).get("ipBlocks", []) if source.startswith('{"ipBlocks"') else []
    return values[0] if len(values) == 1 else ""


def _is_subnet(source: str, of: str) -> bool:
    one, other = _network(source), _network(of)
    try:
        narrow, wide = (ipaddress.ip_network(each, strict=False) for each in (one, other))
    except ValueError:
        return False
    return narrow.version == wide.version and narrow.subnet_of(wide)  # pyright: ignore
