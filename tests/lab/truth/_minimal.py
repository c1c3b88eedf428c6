# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reduces a disagreement: leaves out parts of its policies while the disagreement remains."""

from collections.abc import Iterator
from typing import Any, cast

from istio_ambient.authorization import evaluator

from tests.lab.truth import _trial
from tests.lab.truth._bed import Bed, Manifest
from tests.lab.truth._trial import Disagreement

STEPS = 30
"""Attempts, each of which takes a second or two."""


def reduced(bed: Bed, found: Disagreement) -> Disagreement:
    """Return the same disagreement with the fewest policies, rules and members."""
    best, left = _relevant(bed, found), STEPS
    progress = True
    while progress:
        progress = False
        for policies in _smaller(best.policies):
            left -= 1
            if left < 0:
                return best
            again = _again(bed, best, policies)
            if again:
                best, progress = again, True
                break
    return best


def _relevant(bed: Bed, found: Disagreement) -> Disagreement:
    """Leave out the policies that no proxy on the way applies."""
    verdict = _trial.evaluated(bed, evaluator.Evaluator(bed.snapshot(found.policies)), found.pair)
    applied = {(ref.namespace, ref.name) for hop in verdict.hops for ref in hop.applied}
    kept = tuple(
        each
        for each in found.policies
        if (each["metadata"]["namespace"], each["metadata"]["name"]) in applied
    )
    return _again(bed, found, kept) or found


def _again(bed: Bed, found: Disagreement, policies: tuple[Manifest, ...]) -> Disagreement | None:
    """Try a disagreement with other policies; None: no disagreement, or istiod refuses one."""
    try:
        trial = _trial.Trial(bed, lambda _: None)
        trial.run([_trial.Batch(policies, (found.pair,))])
    except Exception:
        return None
    trial.compare_reasons()
    return next(iter(trial.tally.disagreements), None)


def _smaller(policies: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, ...]]:
    for index in range(len(policies)):
        yield policies[:index] + policies[index + 1 :]
    for index, policy in enumerate(policies):
        for smaller in _parts(policy["spec"], ("rules",)):
            changed = {**policy, "spec": smaller}
            yield (*policies[:index], changed, *policies[index + 1 :])


def _parts(value: Any, keys: tuple[str, ...] = ()) -> Iterator[Any]:
    """Yield copies of a value, each without one of its parts."""
    if isinstance(value, list):
        items = cast(list[Any], value)
        for index in range(len(items)):
            if len(items) > 1:
                yield items[:index] + items[index + 1 :]
            for part in _parts(items[index]):
                yield [*items[:index], part, *items[index + 1 :]]
    elif isinstance(value, dict):
        members = cast(dict[str, Any], value)
        for key in keys or members:
            if not keys and len(members) > 1:
                yield {each: members[each] for each in members if each != key}
            if key in members:
                for part in _parts(members[key]):
                    yield {**members, key: part}
