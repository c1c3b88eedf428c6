# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""CUSTOM policies as waypoints and gateways enforce them, which may be as DENY.

istiod makes two filters of them: one that matches, and one that asks the external authorizer.
Where it cannot make the second, it makes the first deny (istio.io/istio,
pilot/pkg/security/authz).
"""

import dataclasses
from collections.abc import Iterable

from istio_ambient.authorization.evaluator import _policies
from istio_ambient.authorization.evaluator._policies import Policy
from istio_ambient.authorization.evaluator._snapshot import MeshSettings


def enforced(policies: Iterable[Policy], mesh: MeshSettings) -> list[Policy]:
    """Return all policies of one proxy and destination, as it enforces them.

    A CUSTOM policy denies what it matches where its provider is unknown, and where policies name
    several providers. A dry run of one with a known provider denies too: istiod puts its rules
    into a filter that enforces them.
    """
    found = list(policies)
    providers = {each.authorizer for each in found if each.action == _policies.CUSTOM}
    return [each for policy in found for each in _enforced(policy, mesh, len(providers) > 1)]


def _enforced(policy: Policy, mesh: MeshSettings, is_ambiguous: bool) -> Iterable[Policy]:
    if policy.action != _policies.CUSTOM:
        return [policy]
    is_known = mesh.authorizers is None or policy.authorizer in mesh.authorizers
    denies = is_ambiguous or not is_known
    if policy.is_dry_run and denies:
        return []
    if policy.is_dry_run or denies:
        return [dataclasses.replace(policy, action=_policies.DENY)]
    return [policy]
