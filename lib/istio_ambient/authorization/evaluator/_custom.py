# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""CUSTOM policies as waypoints and gateways enforce them, which may be as DENY.

istiod makes two filters of them: one that matches, and one that asks the external authorizer.
Where it cannot make the second, it makes the first deny (istio.io/istio,
pilot/pkg/security/authz).
"""

import dataclasses
from collections.abc import Iterable

from istio_ambient.authorization._mesh_settings import MeshSettings
from istio_ambient.authorization.evaluator import _policies
from istio_ambient.authorization.evaluator._policies import Policy


def enforced(policies: Iterable[Policy], mesh: MeshSettings, *, http: bool) -> list[Policy]:
    """Return all policies of one proxy and destination, as it enforces them.

    A CUSTOM policy denies what it matches where its provider is unknown, and where policies name
    several providers. A dry run of one with a known provider denies too: istiod puts its rules
    into a filter that enforces them. On a port that is not HTTP, those whose only provider is
    known and is asked about HTTP only are left out.

    Args:
        policies: that apply there.
        mesh: has the providers.
        http: whether the port is HTTP.
    """
    found = list(policies)
    providers = {each.authorizer for each in found if each.action == _policies.CUSTOM}
    denies = len(providers) > 1 or not all(_is_known(each, mesh) for each in providers)
    if not denies and not http and providers <= mesh.http_authorizers:
        return [each for each in found if each.action != _policies.CUSTOM]
    return [each for policy in found for each in _enforced(policy, denies=denies)]


def _is_known(provider: str, mesh: MeshSettings) -> bool:
    return mesh.authorizers is None or provider in mesh.authorizers


def _enforced(policy: Policy, *, denies: bool) -> Iterable[Policy]:
    if policy.action != _policies.CUSTOM:
        return [policy]
    if policy.is_dry_run and denies:
        return []
    if policy.is_dry_run or denies:
        return [dataclasses.replace(policy, action=_policies.DENY)]
    return [policy]
