# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Find istiod in the cluster, and what of it decides about access, without a relation to it."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, cast

import yaml
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import kube

LABELS = {"app": "istiod"}
"""Every installer labels istiod's Deployment so."""
REVISION_LABEL = "istio.io/rev"
AUTO_ALLOW = "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"
_DEFAULT = "default"
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool, by which istiod reads its environment, takes for true."""


class NoIstiodError(LookupError):
    """There is no istiod, or more than one; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Istiod:
    """What of istiod decides about access, beside policies."""

    root_namespace: str
    """Where policies are about the whole mesh."""
    auto_allow: bool
    """Whether it lets a workload's own waypoint through, whatever its policies say."""
    owner: str = ""
    """`<model>/<application>` that installed it; empty: another installer."""


def find(client: kube.Client) -> Istiod:
    """Return what the istiod of the cluster decides by: two requests.

    Raises:
        NoIstiodError: there is none, or there are several in different namespaces.
        httpx2.HTTPError: on any answer but success or 404.
    """
    listed = kube.list_kind(client, Deployment, dict(LABELS)) or ()
    deployment = choose(map(kube.manifest_of, listed))
    namespace = deployment["metadata"]["namespace"]
    fields = {"metadata.name": mesh_config_name(deployment)}
    found = kube.list_kind(client, ConfigMap, namespace=namespace, fields=fields)
    data: Mapping[str, str] = (found[0].data or {}) if found else {}
    return read(deployment, data.get("mesh", ""))


def choose(deployments: Iterable[kube.Manifest]) -> kube.Manifest:
    """Return the Deployment of istiod; of several revisions in one namespace, the default one.

    Raises:
        NoIstiodError: there is none, or there are several in different namespaces.
    """
    found = [each for each in deployments if not each["metadata"].get("deletionTimestamp")]
    namespaces = sorted({each["metadata"]["namespace"] for each in found})
    if not found:
        raise NoIstiodError("there is no istiod in this cluster: deploy istio-k8s")
    if len(namespaces) > 1:
        where = ", ".join(namespaces)
        raise NoIstiodError(f"istiod runs in more than one namespace ({where}): keep one")
    return min(found, key=lambda each: (_revision(each) != _DEFAULT, each["metadata"]["name"]))


def mesh_config_name(deployment: kube.Manifest) -> str:
    """Return the name of the ConfigMap that an istiod reads its mesh config from."""
    revision = _revision(deployment)
    return "istio" if revision == _DEFAULT else f"istio-{revision}"


def read(deployment: kube.Manifest, mesh_config: str) -> Istiod:
    """Return what decides about access, from istiod's Deployment and its mesh config.

    The root namespace is `rootNamespace` of the mesh config, as for istiod itself; where that says
    nothing, the namespace that istiod runs in.

    Args:
        deployment: in JSON form.
        mesh_config: YAML of the MeshConfig; what cannot be read says nothing.
    """
    metadata = deployment["metadata"]
    return Istiod(
        root_namespace=_root_namespace(mesh_config) or metadata["namespace"],
        auto_allow=_environment(deployment).get(AUTO_ALLOW) in _TRUE,
        owner=metadata.get("annotations", {}).get(kube.OWNER_ANNOTATION, ""),
    )


def _root_namespace(mesh_config: str) -> str:
    try:
        config: object = yaml.safe_load(mesh_config)
    except yaml.YAMLError:
        return ""
    members = cast(dict[str, Any], config) if isinstance(config, dict) else {}
    named = members.get("rootNamespace")
    return named if isinstance(named, str) else ""


def _revision(deployment: kube.Manifest) -> str:
    return deployment["metadata"].get("labels", {}).get(REVISION_LABEL) or _DEFAULT


def _environment(deployment: kube.Manifest) -> dict[str, str]:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return {
        variable["name"]: variable.get("value", "")
        for container in containers
        for variable in container.get("env", ())
    }
