# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What clients may do in one snapshot and not in another."""

import dataclasses
from collections.abc import Iterator

from istio_ambient.authorization.evaluator import _allowed, _clients, _reach
from istio_ambient.authorization.evaluator._access import Access
from istio_ambient.authorization.evaluator._reach import Reach, Target


@dataclasses.dataclass(frozen=True)
class Difference:
    """What clients may do before a change and after it, at the same place; None: nothing."""

    before: Access | None
    after: Access | None

    @property
    def where(self) -> Access:
        """The access of one of the two, for the clients and the place."""
        access = self.after or self.before
        if access is None:
            raise ValueError("there is no difference between nothing and nothing")
        return access


def differences(before: Reach, after: Reach) -> list[Difference]:
    """Return what clients may do in one snapshot and not in another, sorted.

    Args:
        before: of a snapshot.
        after: of one that differs in its policies only.
    """
    return sorted(
        (
            each
            for target in max(before.targets, after.targets, key=len)
            for each in _differences(before, after, target)
        ),
        key=lambda each: each.where,
    )


def _differences(before: Reach, after: Reach, target: Target) -> Iterator[Difference]:
    policies = [*before.policies(target), *after.policies(target)]
    sources = before.clients.sources([*before.checks(target), *after.checks(target)])
    ports = before.ports(target, policies)
    merged: dict[
        tuple[Access, _allowed.Allowed | None, _allowed.Allowed | None], list[int | None]
    ] = {}
    for port in ports:
        old = before.allowed(target, port, sources)
        new = after.allowed(target, port, sources)
        pairs = {each: (old[each], new[each]) for each in sources}
        found = {each: None if old == new else (old, new) for each, (old, new) in pairs.items()}
        for source, excluded, (was, becomes) in _clients.together(found, before.clients):
            access = _reach.access_of(
                target, source, excluded, becomes or was or _allowed.Allowed("")
            )
            merged.setdefault((access, was, becomes), []).append(port)
    for (access, was, becomes), at in merged.items():
        shown, hidden = _reach.numbers(target, at, ports)
        yield Difference(
            _placed(access, was, shown, hidden), _placed(access, becomes, shown, hidden)
        )


def _placed(
    access: Access,
    allowed: _allowed.Allowed | None,
    ports: tuple[int, ...],
    other_than: tuple[int, ...],
) -> Access | None:
    if allowed is None:
        return None
    return dataclasses.replace(
        access,
        operations=allowed.operations,
        unless=allowed.unless,
        ports=ports,
        other_than=other_than,
        proxy=allowed.proxy,
        policies=allowed.policies,
    )
