# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read what the preflight has to know of a cluster: a few requests for a cluster of any size."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from lightkube.models.core_v1 import (
    Capabilities,
    Container,
    HostPathVolumeSource,
    PodSpec,
    ResourceRequirements,
    SecurityContext,
    Volume,
)
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.admissionregistration_v1 import (
    MutatingWebhookConfiguration,
    ValidatingWebhookConfiguration,
)
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import DaemonSet, Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Node, Pod
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.networking_v1 import NetworkPolicy

from istio_ambient import kube, manifests, preflight, resources
from istio_ambient.charm import owners

logger = logging.getLogger(__name__)

ISTIO_LABELS: dict[str, Any] = {"app": ["istiod", "sidecar-injector"]}
"""Labels of Istio's Deployment and webhooks, whichever installer made them."""

_Service = tuple[str, str]
"""Namespace and name."""
_ELSEWHERE: _Service = ("", "")
"""Stands for the server behind a webhook's URL, which the API server knows nothing about."""
_SERVICE_LABEL = "kubernetes.io/service-name"
_AGENT_LABEL = "k8s-app"
_SYSTEM_NAMESPACES = (preflight.SYSTEM, "calico-system")
_FLANNEL = "flannel.alpha.coreos.com/"
"""Prefix of the annotations that flannel gives to nodes."""
_FORBIDDEN = 403
_DEFAULT = {"metadata.name": "default"}
_CLUSTER = {"metadata.name": "cluster"}


def read(client: kube.Client, live: kube.Live) -> preflight.Surroundings:
    """Return the surroundings of the control plane, for the preflight.

    Args:
        client: for reads only.
        live: our objects; what is among them is no surrounding.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    crds = _others_crds(client, live)
    node = _node(client)
    agents = _agents(client)
    return preflight.Surroundings(
        kubernetes=kube.server_version(client),
        node=node,
        agents=frozenset(agents),
        cilium=_cilium(client, agents.get(preflight.CILIUM, ())),
        calico=_calico(client, agents),
        security_groups=_security_groups(client, agents),
        routes_via_host=_routes_via_host(client) if node.platform == "openshift" else None,
        pod_security=_pod_security(client, live.identity.namespace),
        other_istios=tuple(_other_istios(client, live)),
        crds={crd.metadata.name: kube.manifest_of(crd) for crd in crds},
        abandoned=owners.abandoned(client, live.identity, crds),
    )


def read_policies(client: kube.Client) -> preflight.NetworkPolicies:
    """Return NetworkPolicies, and who on the mesh they may be about: three requests.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    on_mesh = {resources.DATAPLANE_MODE: "ambient"}
    pods = kube.list_kind(client, Pod, on_mesh) or ()
    policies = kube.list_kind(client, NetworkPolicy) or ()
    return preflight.NetworkPolicies(
        tuple(map(kube.manifest_of, policies)),
        frozenset(each.metadata.name for each in kube.list_kind(client, Namespace, on_mesh) or ()),
        tuple((each.metadata.namespace, dict(each.metadata.labels or {})) for each in pods),
    )


def read_probe_policies(client: kube.Client) -> bool | None:
    """Return whether a policy of Cilium admits kubelets' probes to every pod: one request.

    None: it cannot be read.
    """
    found = _of_a_cni(client, resources.CiliumClusterwideNetworkPolicy)
    return None if found is None else preflight.admits_probes(found)


def _of_a_cni(
    client: kube.Client, kind: kube.ResourceType, fields: dict[str, str] | None = None
) -> list[kube.Manifest] | None:
    """Return objects of a kind that a CNI defines; None: they cannot be read.

    Its API may be served by a program of its own. A fault of that program delays no hook.
    """
    try:
        found = kube.list_kind(client, kind, fields=fields) or ()
    except kube.RequestError as error:
        logger.warning("the preflight cannot read what a CNI defines: %s", error)
        return None
    return [*map(kube.manifest_of, found)]


def _node(client: kube.Client) -> preflight.NodeFacts:
    node = kube.first_of(client, Node)
    annotations: dict[str, str] = (node.metadata.annotations or {}) if node else {}
    has_flannel = any(name.startswith(_FLANNEL) for name in annotations)
    return preflight.NodeFacts(manifests.platform_of(node), has_flannel)


def _agents(client: kube.Client) -> dict[str, tuple[kube.Manifest, ...]]:
    """Return the DaemonSets of known CNIs, by the value of their label, in one request.

    Cilium may be in any namespace; the others have one that tenants do not.
    """
    labels: dict[str, Any] = {_AGENT_LABEL: list(preflight.AGENTS)}
    found: dict[str, tuple[kube.Manifest, ...]] = {}
    for each in map(kube.manifest_of, kube.list_kind(client, DaemonSet, labels) or ()):
        name = each["metadata"]["labels"][_AGENT_LABEL]
        if name == preflight.CILIUM or each["metadata"]["namespace"] in _SYSTEM_NAMESPACES:
            found[name] = (*found.get(name, ()), each)
    return found


def _cilium(client: kube.Client, agents: Iterable[kube.Manifest]) -> preflight.Cilium | None:
    """Return the configuration of Cilium, from its own namespace.

    Anybody may name a ConfigMap so: outside of kube-system, it counts beside Cilium's agents.
    """
    where = {"metadata.name": preflight.CILIUM_CONFIG}
    listed = kube.list_kind(client, ConfigMap, fields=where) or ()
    configs: dict[str, dict[str, str]] = {
        each.metadata.namespace: each.data or {} for each in listed
    }
    namespaces = [preflight.SYSTEM, *sorted(each["metadata"]["namespace"] for each in agents)]
    namespace = next((each for each in namespaces if each in configs), None)
    if namespace is None:
        return None
    config = configs[namespace]
    # Only then something depends on it: one request less on most clusters.
    always = config.get("enable-policy", "").strip().lower() == "always"
    admits = read_probe_policies(client) if always else None
    return preflight.Cilium(config, namespace, admits)


def _calico(
    client: kube.Client, agents: Mapping[str, tuple[kube.Manifest, ...]]
) -> preflight.Calico | None:
    found = (*agents.get(preflight.CALICO, ()), *agents.get(preflight.CANAL, ()))
    if not found:
        return None
    # Its definitions are of the first group, and of the second alone where it is installed so.
    for kind in (resources.FelixConfiguration, resources.FelixConfigurationV3):
        default = _of_a_cni(client, kind, _DEFAULT)
        if default is None:
            return None
        if default:
            return preflight.calico_of(found[0], kube.section(default[0], "spec"))
    return preflight.calico_of(found[0], {})


def _security_groups(
    client: kube.Client, agents: Mapping[str, tuple[kube.Manifest, ...]]
) -> preflight.SecurityGroups | None:
    found = agents.get(preflight.AWS, ())
    if not found:
        return None
    groups = preflight.security_groups_of(found[0])
    if not groups.pod_interfaces:
        return groups
    policies = _of_a_cni(client, resources.SecurityGroupPolicy)
    return msgspec.structs.replace(groups, policies=bool(policies))


def _routes_via_host(client: kube.Client) -> bool | None:
    found = _of_a_cni(client, resources.ClusterNetwork, _CLUSTER)
    return preflight.routes_via_host(found[0]) if found else None


def _pod_security(client: kube.Client, namespace: str) -> str:
    found = kube.list_kind(client, Namespace, fields={"metadata.name": namespace}) or ()
    labels: dict[str, str] = (found[0].metadata.labels or {}) if found else {}
    return labels.get(kube.POD_SECURITY_LABEL, "")


def _other_istios(client: kube.Client, live: kube.Live) -> Iterator[str]:
    """Yield the objects, as text, that show that another Istio works in the cluster."""
    namespaces = {live.identity.namespace}
    for deployment in kube.list_kind(client, Deployment, ISTIO_LABELS) or ():
        ref = kube.ref_of(deployment)
        if ref not in live.objects and not deployment.metadata.deletionTimestamp:
            namespaces.add(ref.namespace)
            yield str(ref)
    configurations = {
        str(kube.ref_of(found)): _servers(kube.manifest_of(found), namespaces)
        for kind in (ValidatingWebhookConfiguration, MutatingWebhookConfiguration)
        for found in kube.list_kind(client, kind, ISTIO_LABELS) or ()
    }
    # Webhooks outlive their Istio: those whose Service has no endpoints are left over.
    served = _served(client, set[_Service]().union(*configurations.values()))
    yield from (name for name, services in configurations.items() if services & served)


def _servers(webhooks: kube.Manifest, known: set[str]) -> set[_Service]:
    """Return the Services of a webhook configuration outside of the known namespaces."""
    services = [webhook["clientConfig"].get("service") for webhook in webhooks.get("webhooks", ())]
    found = {(s["namespace"], s["name"]) if s else _ELSEWHERE for s in services}
    return {service for service in found if service[0] not in known}


def _served(client: kube.Client, services: set[_Service]) -> set[_Service]:
    """Return those of the Services that have endpoints, in one request for all."""
    names = {name for _, name in services - {_ELSEWHERE}}
    if not names:
        return services & {_ELSEWHERE}
    labels: dict[str, Any] = {_SERVICE_LABEL: sorted(names)}
    return {_ELSEWHERE} | {
        (found.metadata.namespace, found.metadata.labels[_SERVICE_LABEL])
        for found in kube.list_kind(client, EndpointSlice, labels) or ()
        if found.endpoints
    }


def _others_crds(client: kube.Client, live: kube.Live) -> list[kube.Resource]:
    refs = {kube.ref_of(crd): CustomResourceDefinition for crd in manifests.crds()}
    missing = {ref: kind for ref, kind in refs.items() if ref not in live.objects}
    taken = kube.read_taken(client, missing)
    for error in taken.unread.values():
        raise error
    return list(taken.objects.values())


def pod_refusal(client: kube.Client, identity: kube.Identity) -> str:
    """Return why pods like those of istio-cni and ztunnel may not be created in their namespace.

    A dry run decides, since neither the default of the cluster, nor webhooks, nor policies can be
    read off the namespace. A server that cannot say, as for a webhook without dry runs, counts as
    one that allows them. Nothing is created.

    Args:
        client: sends one request.
        identity: of the control plane.
    """
    volume = Volume("node", hostPath=HostPathVolumeSource("/var/run/ztunnel"))
    capabilities = Capabilities(add=["NET_ADMIN", "SYS_ADMIN"], drop=["ALL"])
    security = SecurityContext(capabilities=capabilities, allowPrivilegeEscalation=True)
    # As both have by default: a ResourceQuota of the namespace may want requests.
    requests = ResourceRequirements(requests={"cpu": "100m", "memory": "100Mi"})
    container = Container(
        "check", image="check.invalid/check", securityContext=security, resources=requests
    )
    metadata = ObjectMeta(name="charmed-istio-check", namespace=identity.namespace)
    pod = Pod(metadata=metadata, spec=PodSpec(containers=[container], volumes=[volume]))
    error = kube.refusal(client, pod, identity.field_manager)
    return error.message if error and error.code == _FORBIDDEN and not error.denied else ""
