# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The ALLOW policies for clients of the gateway, and for the gateway at its backends.

See https://istio.io/latest/docs/reference/config/security/authorization-policy/. A policy without
rules allows no request; a rule without `from` or `to` would allow every request, so none is made.
"""

from collections.abc import Iterable, Mapping, Sequence

from istio_ambient import authorization, kube, resources
from istio_ambient.ingress import authentication
from istio_ambient.ingress.model import GatewayRef
from istio_ambient.ingress.routing import OBJECT_NAME_LIMIT, BackendService, MissingBackend
from istio_ambient.values.names import name_with_hash

_NONE: Mapping[kube.Ref, Mapping[str, str]] = {}


def external_traffic_policy(model: str, app: str, cidrs: Sequence[str]) -> kube.Resource:
    """Return the policy that allows clients of these networks; without networks, no client."""
    rules = [{"from": [{"source": {"ipBlocks": list(cidrs)}}]}]
    spec = {"action": "ALLOW", **({"rules": rules} if cidrs else {})}
    name, gateway = _external_traffic_name(model, app), GatewayRef(model, app)
    return authentication.gateway_policy(name, gateway, spec)


def _external_traffic_name(model: str, app: str) -> str:
    return name_with_hash(f"{app}-{model}-external-traffic", OBJECT_NAME_LIMIT)


def cidrs_in_force(live: kube.Live) -> tuple[str, ...] | None:
    """Return the networks that the external-traffic policy in the cluster allows.

    None where there is no policy, or where it differs from what we applied: its networks cannot
    be relied on then.
    """
    model, app = live.identity.namespace, live.identity.name
    found = live.get(resources.AuthorizationPolicy, _external_traffic_name(model, app), model)
    if found is None:
        return None
    spec = kube.manifest_of(found).get("spec", {})
    try:
        cidrs = [*spec["rules"][0]["from"][0]["source"]["ipBlocks"]] if spec.get("rules") else []
    except (KeyError, IndexError, TypeError):
        return None
    written = external_traffic_policy(model, app, cidrs)
    return tuple(cidrs) if kube.is_unchanged(written, live) else None


def backend_policies(
    backends: Iterable[BackendService],
    gateway: GatewayRef,
    live: Mapping[kube.Ref, Mapping[str, str]] = _NONE,
    missing: Iterable[MissingBackend] = (),
) -> list[kube.Resource]:
    """Return one L4 policy for each Service, which allows the gateway at the backends' ports.

    Only ports of the pods that are known. Where none is, there is no policy yet; one that is in
    the cluster stays and allows nothing, since without it the pods would be open to all workloads.

    Args:
        backends: of routes, and of check requests.
        gateway: the Gateway.
        live: the policies that are in the cluster, `backend_policies_of`.
        missing: backends that routes wait for. Their pods stay closed, where they were.
    """
    by_service: dict[tuple[str, str], list[BackendService]] = {}
    for backend in backends:
        by_service.setdefault((backend.namespace, backend.service), []).append(backend)
    policies = (
        (_backend_policy(group, gateway), group) for _, group in sorted(by_service.items())
    )
    made = {
        kube.ref_of(policy): policy
        for policy, group in policies
        if kube.ref_of(policy) in live or any(each.pod_ports for each in group)
    }
    for each in missing:
        name = _backend_policy_name(each.service, gateway, each.namespace)
        ref = kube.ref_in(resources.AuthorizationPolicy, name, each.namespace)
        if ref in live and ref not in made:
            target = authorization.Target.workload(each.namespace, dict(live[ref]))
            made[ref] = authorization.allow(name, target, ())
    return [made[ref] for ref in sorted(made)]


def backend_policies_of(live: kube.Live) -> dict[kube.Ref, Mapping[str, str]]:
    """Return our policies in the cluster that may be for backends, with the pods' labels."""
    found: dict[kube.Ref, Mapping[str, str]] = {}
    for policy in live.manifests(resources.AuthorizationPolicy):
        spec = kube.section(policy, "spec")
        labels = kube.section(kube.section(spec, "selector"), "matchLabels")
        if labels:
            found[kube.ref_in_manifest(policy)] = labels
    return found


def _backend_policy_name(service: str, gateway: GatewayRef, namespace: str) -> str:
    return name_with_hash(f"{service}-{gateway.name}-{namespace}-l4", OBJECT_NAME_LIMIT)


def _backend_policy(backends: Sequence[BackendService], gateway: GatewayRef) -> kube.Resource:
    namespace, service = backends[0].namespace, backends[0].service
    source = authorization.Source(gateway.namespace, gateway.workload)
    ports = authorization.Operation(
        ports=tuple(port for each in backends for port in each.pod_ports)
    )
    rules = (authorization.AllowRule((source,), (ports.sorted(),)),) if ports.ports else ()
    return authorization.allow(
        _backend_policy_name(service, gateway, namespace),
        authorization.Target.workload(namespace, dict(backends[0].selector)),
        rules,
    )
