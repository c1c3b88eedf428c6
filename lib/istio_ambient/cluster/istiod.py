# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Find istiod and its settings that decide about access; no relation to istio-k8s is needed."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import kube, resources
from istio_ambient.authorization import TRUST_DOMAIN, MeshSettings
from istio_ambient.values import decoded
from istio_ambient.values.problem_codes import Code

LABELS = {"app": "istiod"}
"""Labels of istiod's Deployment, whichever installer made it."""
SERVICE = "istiod"
"""Name of its Service."""
REVISION_LABEL = "istio.io/rev"
AUTO_ALLOW = "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"
_DEFAULT = "default"
_BASE = "BASE"
"""Normalization of paths that istiod takes for its default."""


class NoIstiodError(LookupError):
    """The cluster has no istiod, or more than one; the message names the remedy.

    Args:
        message: what there is.
        remedy: what to do.
        code: of the problem.
    """

    def __init__(self, message: str, remedy: str, code: Code):
        super().__init__(f"{message}: {remedy}")
        self.message = message
        self.remedy = remedy
        self.code = code

    def readiness(self, since: datetime.datetime | None) -> kube.Readiness:
        """Return it as something that is waited for, since a time."""
        return kube.Readiness(
            "istiod",
            ready=False,
            reason=self.message,
            since=since,
            remedy=self.remedy,
            code=self.code,
        )


class Istiod(msgspec.Struct, frozen=True):
    """Where istiod is, and its settings that decide about access, beside policies."""

    namespace: str
    """That it runs in."""
    root_namespace: str
    """The namespace whose policies apply to the whole mesh."""
    auto_allow: bool
    """Whether a workload accepts requests of its own waypoint without a policy for them."""
    owner: str = ""
    """`<model>/<application>` that installed it; empty: another installer."""
    ours: bool = False
    """Whether istio-k8s installed it."""
    mesh: MeshSettings = msgspec.field(default_factory=MeshSettings)
    """What of the mesh config decides about requests."""


def find(client: kube.Client) -> Istiod:
    """Return the istiod of the cluster, in two requests.

    Raises:
        NoIstiodError: there is none, or several namespaces have one.
        kube.RequestError: on any answer but success or 404.
    """
    deployment = find_deployment(client)
    return read(deployment, _mesh_config(client, deployment))


def look(client: kube.Client) -> Istiod | NoIstiodError:
    """Return the istiod of the cluster, or why there is not one, in two requests.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    try:
        return find(client)
    except NoIstiodError as error:
        return error


def _mesh_config(client: kube.Client, deployment: kube.Manifest) -> str:
    namespace = deployment["metadata"]["namespace"]
    fields = {"metadata.name": mesh_config_name(deployment)}
    found = kube.list_kind(client, ConfigMap, namespace=namespace, fields=fields)
    data: Mapping[str, str] = (found[0].data or {}) if found else {}
    return data.get("mesh", "")


def find_deployment(client: kube.Client) -> kube.Manifest:
    """Return the Deployment of istiod, in one request; in two where several have its label.

    Anybody may put label and annotations of istiod on a Deployment of their own. Of several
    namespaces those count whose istiod has a webhook: it takes rights in the cluster to make one.
    Where none has, all count.

    Raises:
        NoIstiodError: there is none, or several namespaces have one.
        kube.RequestError: on any answer but success.
    """
    found = [*map(kube.manifest_of, kube.list_kind(client, Deployment, dict(LABELS)) or ())]
    if len({_namespace(each) for each in found}) > 1:
        validating = _validating_namespaces(client)
        found = [each for each in found if _namespace(each) in validating] or found
    return choose(found)


def _namespace(deployment: kube.Manifest) -> str:
    return deployment["metadata"]["namespace"]


def _validating_namespaces(client: kube.Client) -> frozenset[str]:
    """Return the namespaces whose istiod the API server asks about objects of Istio."""
    # Imported here, since hardly any cluster has several.
    from lightkube.resources.admissionregistration_v1 import ValidatingWebhookConfiguration

    listed = kube.list_kind(client, ValidatingWebhookConfiguration, dict(LABELS)) or ()
    configs = (
        kube.section(webhook, "clientConfig")
        for obj in listed
        for webhook in kube.items(kube.manifest_of(obj), "webhooks")
    )
    return frozenset(str(kube.section(each, "service").get("namespace")) for each in configs)


def choose(deployments: Iterable[kube.Manifest]) -> kube.Manifest:
    """Return the Deployment of istiod; the default revision where one namespace has several.

    That of istio-k8s counts before others: anybody may label a Deployment of their own.

    Raises:
        NoIstiodError: there is none, or several namespaces have one.
    """
    found = [each for each in deployments if not each["metadata"].get("deletionTimestamp")]
    found = [each for each in found if is_ours(each)] or found
    namespaces = sorted({each["metadata"]["namespace"] for each in found})
    if not found:
        message = "there is no istiod in this cluster"
        raise NoIstiodError(message, "deploy istio-k8s", Code.NO_ISTIOD)
    if len(namespaces) > 1:
        where = ", ".join(namespaces)
        message = f"istiod runs in more than one namespace ({where})"
        raise NoIstiodError(message, "keep one", Code.SEVERAL_ISTIODS)
    return min(found, key=lambda each: (_revision(each) != _DEFAULT, each["metadata"]["name"]))


def is_ours(deployment: kube.Manifest) -> bool:
    """Return whether istio-k8s installed an istiod: its owner is in the model that it runs in."""
    metadata = deployment["metadata"]
    owner = resources.owner(kube.section(metadata, "annotations"))
    return owner.partition("/")[0] == metadata["namespace"]


def mesh_config_name(deployment: kube.Manifest) -> str:
    """Return the name of the ConfigMap with the mesh config of an istiod."""
    revision = _revision(deployment)
    return "istio" if revision == _DEFAULT else f"istio-{revision}"


def read(deployment: kube.Manifest, mesh_config: str) -> Istiod:
    """Return the settings that decide about access, from istiod's Deployment and mesh config.

    The root namespace is `rootNamespace` of the mesh config, and the namespace of istiod where
    that is not set, as in istiod itself.

    Args:
        deployment: in JSON form.
        mesh_config: YAML of the MeshConfig; unreadable text counts as empty.
    """
    metadata = deployment["metadata"]
    members = decoded.yaml_members(mesh_config)
    return Istiod(
        namespace=metadata["namespace"],
        root_namespace=_text(members, "rootNamespace") or metadata["namespace"],
        auto_allow=decoded.is_true(_environment(deployment).get(AUTO_ALLOW)),
        owner=resources.owner(kube.section(metadata, "annotations")),
        ours=is_ours(deployment),
        mesh=mesh_settings(members),
    )


def mesh_settings(mesh_config: Mapping[str, Any]) -> MeshSettings:
    """Return what of a MeshConfig in JSON form decides about requests.

    Members of another type than istiod takes count as missing: istiod then keeps its last good
    MeshConfig, or its defaults.
    """
    aliases = decoded.elements(mesh_config.get("trustDomainAliases"))
    providers = map(decoded.members, decoded.elements(mesh_config.get("extensionProviders")))
    named = {
        name: each for each in providers if (name := _text(each, "name")) and _is_authorizer(each)
    }
    normalization = _text(decoded.members(mesh_config.get("pathNormalization")), "normalization")
    return MeshSettings(
        trust_domain=_text(mesh_config, "trustDomain") or TRUST_DOMAIN,
        trust_domain_aliases=tuple(each for each in aliases if isinstance(each, str)),
        path_normalization=_BASE if normalization in ("", "DEFAULT") else normalization,
        authorizers=frozenset(named),
        http_authorizers=frozenset(
            name for name, each in named.items() if "envoyExtAuthzHttp" in each
        ),
    )


def _is_authorizer(provider: Mapping[str, Any]) -> bool:
    return not provider.keys().isdisjoint(("envoyExtAuthzHttp", "envoyExtAuthzGrpc"))


def _text(members: Mapping[str, Any], name: str) -> str:
    found = members.get(name)
    return found if isinstance(found, str) else ""


def _revision(deployment: kube.Manifest) -> str:
    return deployment["metadata"].get("labels", {}).get(REVISION_LABEL) or _DEFAULT


def _environment(deployment: kube.Manifest) -> dict[str, str]:
    template = kube.section(kube.section(deployment, "spec"), "template")
    return {
        variable["name"]: variable.get("value", "")
        for container in kube.items(kube.section(template, "spec"), "containers")
        for variable in kube.items(container, "env")
    }
