# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options of istio-k8s that reach a manifest: templates read them as `config.<option>`."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient.values import hostnames, pods
from istio_ambient.values.config import InvalidEntriesError
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.text import shown

from ._placement import NO_AFFINITY, AffinityOption, PriorityClass, TopologySpread
from ._platforms import Platform
from ._variables import NO_VARIABLES, CniVariables, IstiodVariables, ZtunnelVariables

VERSION = "1.31.4"
"""The Istio release that the templates, the CRDs and the default images belong to."""

AUTO = "auto"
"""Value of `platform`: find out from a node."""

_VARIANT = "-distroless"
# The grammar of image references, as registries accept them (distribution's reference package).
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_HUB = rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*|{_HOST}"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_MAX_HUB, _MAX_TAG, _MAX_PATH = 200, 128 - len(_VARIANT), 4096
_CLUSTER_ID = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
MAX_ALIASES = 2
"""Aliases of the trust domain that policies of the charms name too."""
_SECRET_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"  # noqa: S105 - an expression


def _hub(hub: str) -> str:
    if len(hub) > _MAX_HUB or not re.fullmatch(_HUB, hub):
        remedy = "use registry and path, without https:// or a tag, such as docker.io/istio"
        raise InvalidValueError(f"{shown(hub)} is no place for images", remedy)
    return hub


def _tag(tag: str) -> str:
    if tag.endswith(_VARIANT):
        raise InvalidValueError(f"{shown(tag)} names the variant", f"leave {_VARIANT} out")
    if len(tag) > _MAX_TAG or not re.fullmatch(_TAG, tag):
        remedy = f"use at most {_MAX_TAG} letters, digits, '_', '.' and '-', such as {VERSION}"
        raise InvalidValueError(f"{shown(tag)} is no tag", remedy)
    return tag


def _secret_names(text: object) -> tuple[str, ...]:
    """Return the names of a list with commas or spaces, each of them once."""
    remedy = "use names of Secrets, with commas between them"
    if not isinstance(text, str):
        raise InvalidValueError(f"{shown(text)} is not text", remedy)
    found = tuple(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name))
    for name in found:
        if not re.fullmatch(_SECRET_NAME, name) or ".." in name:
            raise InvalidValueError(f"{shown(name)} is no name of a Secret", remedy)
    return found


def _folder(path: str) -> str:
    parts = path.split("/")
    if path and (parts[0] or ".." in parts or not path.isprintable() or len(path) > _MAX_PATH):
        remedy = "use an absolute path without '..', or leave it empty"
        raise InvalidValueError(f"{shown(path)} is no folder on a node", remedy)
    return path


def _cluster_id(name: str) -> str:
    if not re.fullmatch(_CLUSTER_ID, name):
        remedy = "use at most 63 letters, digits, '-', '_' and '.'"
        raise InvalidValueError(f"{shown(name)} is no name of a cluster", remedy)
    return name


def _ca_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    is_host = hostnames.is_dns_subdomain(host) and "." in host
    if address and not (is_host and re.fullmatch("[1-9][0-9]{0,4}", port) and int(port) < 2**16):
        remedy = "use <service>.<namespace>.svc:<port>"
        raise InvalidValueError(f"{shown(address)} is no address", remedy)
    return address


def _trust_domain(name: str) -> str:
    # SPIFFE's grammar, without what is no DNS name (istio/istio pkg/config/validation/agent).
    if not hostnames.is_dns_subdomain(name):
        remedy = "use a DNS name in lower case, without spiffe://"
        raise InvalidValueError(f"{shown(name)} is no trust domain", remedy)
    return name


def _trust_domain_aliases(text: object) -> object:
    """Return the trust domains of a list with commas or spaces, each of them once.

    Raises:
        InvalidEntriesError: with the valid ones. An alias that is left out allows nobody.
        InvalidValueError: there are more than policies can name.
    """
    if not isinstance(text, str):
        return text
    valid: list[str] = []
    errors: list[InvalidValueError] = []
    for name in dict.fromkeys(each for each in re.split(r"[,\s]+", text) if each):
        try:
            valid.append(_trust_domain(name))
        except InvalidValueError as error:
            errors.append(error)
    if len(valid) > MAX_ALIASES:
        raise InvalidValueError(f"{len(valid)} aliases", f"use at most {MAX_ALIASES}")
    if errors:
        raise InvalidEntriesError(tuple(valid), errors)
    return tuple(valid)


def _overlay(text: object) -> object:
    # Most meshes have none, and its rules take long to import.
    from . import mesh_overlay

    return mesh_overlay.parse_mesh_config(text)


_Folder = Annotated[str, pydantic.AfterValidator(_folder)]
Tag = Annotated[str, pydantic.AfterValidator(_tag)]
"""What may be the tag of an image, without its variant."""
_NO_OVERLAY: Mapping[str, Any] = {}


class Config(pods.PodsConfig):
    """The options, with the names and defaults of `charmcraft.yaml`."""

    auto_allow_waypoint_policy: bool = True
    """Whether ztunnel lets a workload's own waypoint through, whatever the policies say."""
    platform: Literal["auto", Platform] = AUTO
    cni_bin_dir: _Folder = ""
    """Folder of a node's CNI plugins; empty: where the platform keeps them."""
    cni_conf_dir: _Folder = ""
    """Folder of a node's CNI configuration; empty: where the platform keeps it."""
    hub: Annotated[str, pydantic.AfterValidator(_hub)] = "docker.io/istio"
    """Registry and repository of the images `pilot`, `proxyv2`, `install-cni` and `ztunnel`."""
    tag: Tag = VERSION
    """Tag of all images, without the variant: `-distroless` is added."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: Annotated[tuple[str, ...], pydantic.BeforeValidator(_secret_names)] = ()
    """Names of Secrets in the namespace; waypoints and gateways look for them in their own."""
    ca_address: Annotated[str, pydantic.AfterValidator(_ca_address)] = ""
    """Address of a certificate authority beside istiod (istio-csr); empty: istiod signs."""
    cluster_id: Annotated[str, pydantic.AfterValidator(_cluster_id)] = "Kubernetes"
    """Name of the cluster, by which istiod and the proxies know it."""
    trust_domain: Annotated[str, pydantic.AfterValidator(_trust_domain)] = "cluster.local"
    """First part of every identity of the mesh."""
    trust_domain_aliases: Annotated[
        tuple[str, ...], pydantic.BeforeValidator(_trust_domain_aliases)
    ] = ()
    """Trust domains whose identities count as those of the mesh, while it is changed."""
    dual_stack: bool = False
    """Whether istiod and the proxies use both IPv4 and IPv6."""
    mesh_config: Annotated[Mapping[str, Any], pydantic.BeforeValidator(_overlay)] = _NO_OVERLAY
    """Overlay on MeshConfig in its JSON form; `mesh_config` merges it."""
    istiod_resources: pods.ResourcesOption = pods.NO_RESOURCES
    istiod_tolerations: pods.Tolerations = None
    istiod_node_selector: pods.NodeSelector = pods.NO_LABELS
    istiod_affinity: AffinityOption = NO_AFFINITY
    istiod_topology_spread: TopologySpread = None
    istiod_priority_class: PriorityClass = ""
    istiod_env: IstiodVariables = NO_VARIABLES
    """Environment variables; what the charm sets is refused (`_variables.OWNED`)."""
    cni_resources: pods.ResourcesOption = pods.NO_RESOURCES
    cni_tolerations: pods.Tolerations = None
    cni_node_selector: pods.NodeSelector = pods.NO_LABELS
    cni_env: CniVariables = NO_VARIABLES
    ztunnel_resources: pods.ResourcesOption = pods.NO_RESOURCES
    ztunnel_tolerations: pods.Tolerations = None
    ztunnel_node_selector: pods.NodeSelector = pods.NO_LABELS
    ztunnel_env: ZtunnelVariables = NO_VARIABLES

    def image(self, name: str) -> str:
        """Return the reference of one of Istio's images."""
        return f"{self.hub}/{name}:{self.tag}{_VARIANT}"
