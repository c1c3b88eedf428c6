# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Policies in the trust domains of the mesh.

istiod translates principals of `cluster.local` and of aliases for waypoints and gateways. It does
not do so for ztunnel, which compares texts (istio/istio pilot/pkg/serviceregistry/ambient,
istio/ztunnel src/rbac.rs). So our policies name each identity in every trust domain, the next one
before it is the mesh's: ztunnel accepts connections of its own trust domain only (src/tls).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightkube.models.meta_v1 import ObjectMeta

from istio_ambient import kube, resources
from istio_ambient.authorization._requests import TRUST_DOMAIN

DEFAULT_TRUST_DOMAINS = (TRUST_DOMAIN,)
MAX_TRUST_DOMAINS = 3
"""That of the mesh and two aliases: each multiplies the size of policies, of which etcd takes
1.5 MiB. Identities of further aliases are not allowed."""

_TRUST_DOMAIN = r"[a-z0-9._-]{1,255}"
_OURS = f"{TRUST_DOMAIN}/"
_IDENTITIES = ("principals", "notPrincipals")


def in_trust_domains(
    objects: Iterable[kube.Resource], trust_domains: Sequence[str]
) -> tuple[kube.Resource, ...]:
    """Return objects, with policies that name identities in the trust domains of the mesh.

    Args:
        objects: of ours, whose policies name identities in `cluster.local`.
        trust_domains: that of the mesh and its aliases; those past `MAX_TRUST_DOMAINS` are left
            out.
    """
    domains = tuple(dict.fromkeys(trust_domains))[:MAX_TRUST_DOMAINS]
    if domains == DEFAULT_TRUST_DOMAINS:
        return tuple(objects)
    return tuple(_translated(each, domains) for each in objects)


def _translated(obj: kube.Resource, domains: Sequence[str]) -> kube.Resource:
    if not isinstance(obj, resources.AuthorizationPolicy):
        return obj
    policy = kube.manifest_of(obj)
    rules = policy.get("spec", {}).get("rules", [])
    if not any("from" in rule for rule in rules):
        return obj
    spec = {**policy["spec"], "rules": [_rule(rule, domains) for rule in rules]}
    return resources.AuthorizationPolicy(metadata=obj.metadata or ObjectMeta(), spec=spec)


def _rule(rule: Mapping[str, Any], domains: Sequence[str]) -> Mapping[str, Any]:
    if "from" not in rule:
        return rule
    sources = [
        {
            "source": {
                name: _principals(values, domains) if name in _IDENTITIES else values
                for name, values in each["source"].items()
            }
        }
        for each in rule["from"]
    ]
    return {**rule, "from": sources}


def _principals(principals: Iterable[str], domains: Sequence[str]) -> list[str]:
    found: list[str] = []
    for principal in principals:
        identity = principal.removeprefix(_OURS)
        is_ours = identity != principal
        found += [f"{domain}/{identity}" for domain in domains] if is_ours else [principal]
    return found


def usable_trust_domains(named: Iterable[str]) -> tuple[str, ...]:
    """Return what can be a trust domain; to Istio's policies, `*` would be any.

    Source of the form: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, 2.1.
    """
    return (
        tuple(each for each in named if re.fullmatch(_TRUST_DOMAIN, each)) or DEFAULT_TRUST_DOMAINS
    )


def trust_domains_of(policies: Iterable[kube.Manifest]) -> tuple[str, ...]:
    """Return the trust domains in which policies of ours name identities, in their order.

    Args:
        policies: in JSON form. None names an identity: the default.
    """
    found = {
        principal.partition("/")[0]: None
        for policy in policies
        for rule in kube.section(policy, "spec").get("rules", ())
        for each in rule.get("from", ())
        for principal in each.get("source", {}).get("principals", ())
    }
    return usable_trust_domains(found)
