# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The order of writes: access is never wider than before and after, whatever is written by then.

A plan that both takes access away and gives it is written in two steps. First each object gets
what its old and its new content have in common (the interim content); once everything has, the new
content. So whichever of the writes is the last that happens, a request passes only where it passed
before, or is to pass.

Source of what a rule matches, and of the implicit denial beside an ALLOW policy:
https://istio.io/latest/docs/reference/config/security/authorization-policy/.
"""

import collections
import enum
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from istio_ambient import kube
from istio_ambient.authorization._policy_objects import MAX_RULES
from istio_ambient.authorization._rule_sets import RuleSet
from istio_ambient.kube import Phase, Placement, Transition

_Placements: TypeAlias = dict[kube.Ref, Placement]


class Movement(enum.Flag):
    """In which direction a transition moves access; both: it takes from some and gives others."""

    NONE = 0
    NARROWS = enum.auto()
    WIDENS = enum.auto()
    BOTH = NARROWS | WIDENS


def placements(
    transitions: Sequence[Transition], stepwise: bool = False
) -> Mapping[kube.Ref, Placement]:
    """Return when each changed object is written; see `kube.Access`."""
    moves = {each.ref: _movement(each) for each in transitions}
    changed = [move for move in moves.values() if move]
    mixed = stepwise or (len(changed) > 1 and Movement.BOTH in _union(changed))
    found: _Placements = {}
    groups: dict[str, list[Transition]] = collections.defaultdict(list)
    for each in transitions:
        if each.ref.kind == "AuthorizationPolicy" and _action(each) == "ALLOW":
            groups[_target(each)].append(each)
        elif moves[each.ref]:
            found[each.ref] = _alone(each, moves[each.ref], mixed=mixed)
    for group in groups.values():
        found.update(_of_target(group, moves, mixed=mixed))
    return found


ACCESS = kube.Access(
    kinds=frozenset(
        {
            "AuthorizationPolicy",
            "PeerAuthentication",
            "RequestAuthentication",
            "Gateway",
            "HTTPRoute",
            "GRPCRoute",
        }
    ),
    guards=frozenset({"AuthorizationPolicy", "RequestAuthentication"}),
    guarded=frozenset({"Gateway", "HTTPRoute", "GRPCRoute"}),
    placements=placements,
)
"""What the engine has to know of access on a mesh."""


def _union(moves: Iterable[Movement]) -> Movement:
    result = Movement.NONE
    for move in moves:
        result |= move
    return result


def _spec(manifest: kube.Manifest | None) -> dict[str, Any]:
    return kube.section(manifest or {}, "spec")


def _action(each: Transition) -> str:
    """Return the action of a policy, the stricter one where it changes."""
    actions = [_spec(m).get("action") or "ALLOW" for m in (each.before, each.after) if m]
    return next((action for action in actions if action != "ALLOW"), "ALLOW")


def _target(each: Transition) -> str:
    """Return the target of a policy as text."""
    spec = _spec(each.after or each.before)
    chosen = {key: spec[key] for key in ("targetRefs", "selector") if key in spec}
    return json.dumps([each.ref.namespace, chosen], sort_keys=True)


def _movement(each: Transition) -> Movement:
    """Return in which direction one object moves access, seen alone."""
    before, after = each.before, each.after
    if before is not None and after is not None and _spec(before) == _spec(after):
        return Movement.NONE
    match each.ref.kind:
        case "AuthorizationPolicy" if _action(each) == "ALLOW":
            return _between(_allowed(before), _allowed(after))
        case "AuthorizationPolicy":
            return _between(_stopped(after), _stopped(before))
        case "RequestAuthentication":
            return _between(_trusted(before), _trusted(after))
        case "PeerAuthentication":
            return Movement.NARROWS if before is None else Movement.WIDENS
        case _ if before is None:
            return Movement.WIDENS
        case _:
            return Movement.NARROWS if after is None else Movement.BOTH


def _between(before: RuleSet, after: RuleSet) -> Movement:
    """Return the movement from what is accepted before to what is accepted after."""
    move = Movement.NONE
    if not before <= after:
        move |= Movement.NARROWS
    if not after <= before:
        move |= Movement.WIDENS
    return move


def _allowed(policy: kube.Manifest | None) -> RuleSet:
    return RuleSet.of(_rules(policy))


def _rules(policy: kube.Manifest | None) -> list[dict[str, Any]]:
    return kube.items(_spec(policy), "rules")


def _stopped(policy: kube.Manifest | None) -> RuleSet:
    """Return the requests that a DENY policy denies, or a CUSTOM policy asks about.

    The authorizer makes a difference: it may allow some of the requests, which DENY does not.
    """
    spec = _spec(policy)
    if spec.get("action") == "DENY" and _rules(policy) == [{}]:
        return RuleSet.everything()
    marks = json.dumps([spec.get("action"), spec.get("provider")])
    return RuleSet.of(_rules(policy), marks)


def _trusted(policy: kube.Manifest | None) -> RuleSet:
    """Return the tokens that a RequestAuthentication accepts, rule by rule."""
    rules = kube.items(_spec(policy), "jwtRules")
    return RuleSet.of({"when": [rule]} for rule in rules)


def _alone(each: Transition, move: Movement, *, mixed: bool) -> Placement:
    """Return when an object is written that is the only one of its kind and target."""
    if each.ref.kind in ACCESS.guarded:
        return Placement(Phase.WITHDRAW if each.after is None else Phase.NEUTRAL)
    if move is Movement.NARROWS:
        return Placement(Phase.WITHDRAW if each.after is None else Phase.NARROW)
    if move is Movement.WIDENS:
        return Placement(Phase.REMOVE if each.after is None else Phase.WIDEN)
    if not mixed:
        return Placement(Phase.NARROW if each.guards else Phase.NEUTRAL)
    return Placement(Phase.WIDEN, _interim(each))


def _interim(each: Transition) -> kube.Manifest | None:
    """Return an object with the strictness of its old and its new content."""
    before, after = each.before, each.after
    if before is None or after is None:
        return None
    if each.ref.kind == "RequestAuthentication":
        kept = [rule for rule in _spec(after)["jwtRules"] if rule in _spec(before)["jwtRules"]]
        return {**after, "spec": {**_spec(after), "jwtRules": kept}}
    same = all(_spec(before).get(key) == _spec(after).get(key) for key in ("action", "provider"))
    rules = [*_rules(after), *(rule for rule in _rules(before) if rule not in _rules(after))]
    if same and len(rules) <= MAX_RULES:
        return {**after, "spec": {**_spec(after), "rules": rules}}
    spec = {key: value for key, value in _spec(after).items() if key != "provider"}
    return {**after, "spec": {**spec, "action": "DENY", "rules": [{}]}}


def _of_target(
    group: Sequence[Transition], moves: Mapping[kube.Ref, Movement], *, mixed: bool
) -> Iterator[tuple[kube.Ref, Placement]]:
    """Yield when the ALLOW policies of one target are written; together they allow a union.

    The last one of a target is not deleted before everything else: without any, all clients are
    allowed.
    """
    was = RuleSet.union(_allowed(each.before) for each in group if each.before)
    closed_before = any(each.before for each in group)
    stays = any(each.after for each in group)
    for each in group:
        move = moves[each.ref]
        after = each.after
        if after is None:
            if stays or not mixed:
                yield each.ref, Placement(Phase.WITHDRAW)
            else:
                yield each.ref, Placement(Phase.REMOVE, _with_rules(each.before, RuleSet()))
        elif each.before is None and (each.guards or not _rules(after)):
            yield each.ref, Placement(Phase.NARROW)
        elif each.before is None and not (mixed and closed_before):
            yield each.ref, Placement(Phase.GRANT)
        elif not move and each.before is not None:
            continue
        elif _allowed(after) <= was:
            yield each.ref, Placement(Phase.NARROW)
        elif mixed and (each.before is None or Movement.NARROWS in move):
            yield each.ref, Placement(Phase.WIDEN, _with_rules(after, _allowed(after) & was))
        elif move is Movement.WIDENS:
            yield each.ref, Placement(Phase.WIDEN)
        else:
            yield each.ref, Placement(Phase.NARROW if each.guards else Phase.NEUTRAL)


def _with_rules(policy: kube.Manifest | None, allowed: RuleSet) -> kube.Manifest | None:
    if policy is None:
        return None
    spec = {key: value for key, value in _spec(policy).items() if key != "rules"}
    rules = allowed.rules()
    return {**policy, "spec": {**spec, **({"rules": rules} if rules else {})}}
