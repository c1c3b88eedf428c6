# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From values to objects: Jinja2 templates, read by lightkube."""

import functools
import hashlib
import json
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import jinja2
import yaml
from lightkube import codecs
from lightkube.core import resource

from . import _cacerts, _injection
from ._mesh_config import mesh_config
from ._platforms import PLATFORMS
from ._values import COMPONENTS, ControlPlane, PodSettings

_load_all_yaml = cast(
    Callable[..., list[resource.Resource]],
    codecs.load_all_yaml,  # pyright: ignore[reportUnknownMemberType]
)

_FOLDER = pathlib.Path(__file__).parent / "templates"
_TEMPLATES = ("istiod-rbac.yaml.j2", "istiod.yaml.j2", "istio-cni.yaml.j2", "ztunnel.yaml.j2")

# A pod takes part in the mesh by its own label, or by its namespace's unless it says "none".
_AMBIENT_SELECTORS: list[dict[str, Any]] = [
    {"podSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}}},
    {
        "namespaceSelector": {"matchLabels": {"istio.io/dataplane-mode": "ambient"}},
        "podSelector": {
            "matchExpressions": [
                {"key": "istio.io/dataplane-mode", "operator": "NotIn", "values": ["none"]}
            ]
        },
    },
]

_LINUX = {"kubernetes.io/os": "linux"}

# Every node, whatever its taints: a pod on the mesh may run there.
_EVERYWHERE: tuple[Mapping[str, Any], ...] = (
    {"operator": "Exists", "effect": "NoSchedule"},
    {"operator": "Exists", "key": "CriticalAddonsOnly"},
    {"operator": "Exists", "effect": "NoExecute"},
)

# istio-cni takes the taint away, and has to know of the mesh first.
_CNI_NOT_READY = {"key": "cni.istio.io/not-ready", "operator": "Exists"}

# What YAML (1.1, as PyYAML reads it) does not take literally, though JSON does.
_NOT_IN_YAML = re.compile("[^\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def render(control_plane: ControlPlane) -> list[resource.Resource]:
    """Return every object of the control plane but its CRDs, in no particular order.

    The objects carry no identity of an application: whoever applies them adds that. istiod itself
    writes `failurePolicy` and `clientConfig.caBundle` of the ValidatingWebhookConfiguration later.
    """
    context = _context(control_plane)
    objects: list[resource.Resource] = []
    for name in _TEMPLATES:
        text = (_FOLDER / name).read_text()
        objects.extend(_load_all_yaml(text, context=context, template_env=_environment()))
    if control_plane.mesh_ca is not None:
        objects.append(_cacerts.secret(control_plane.namespace, control_plane.mesh_ca))
    return objects


def _context(control_plane: ControlPlane) -> dict[str, Any]:
    platform = PLATFORMS[control_plane.platform]
    return {
        "namespace": control_plane.namespace,
        "platform": platform,
        "image": control_plane.image,
        "tag": control_plane.tag,
        "image_pull_policy": control_plane.image_pull_policy,
        "image_pull_secrets": control_plane.image_pull_secrets,
        "pod_labels": control_plane.pod_labels,
        "replicas": control_plane.replicas,
        "auto_allow_waypoint_policy": control_plane.auto_allow_waypoint_policy,
        "jwks_ca": control_plane.jwks_ca,
        "jwks_ca_hash": hashlib.sha256(control_plane.jwks_ca.encode()).hexdigest(),
        "mesh_config": _to_yaml(mesh_config(control_plane)),
        "injection_config": _to_yaml(_injection.injection_config()),
        "injection_values": json.dumps(_injection.injection_values(control_plane), indent=2),
        "ambient_selectors": _to_yaml(_AMBIENT_SELECTORS),
        "mesh_ca": control_plane.mesh_ca.fingerprint if control_plane.mesh_ca else "",
        "resources": {name: control_plane.resources(name) for name in COMPONENTS},
        "tolerations": _tolerations(control_plane),
        "node_selectors": {
            "istiod": control_plane.istiod.node_selector,
            "cni": {**control_plane.cni.node_selector, **_LINUX},
            "ztunnel": {**control_plane.ztunnel.node_selector, **_LINUX},
        },
        "cni_bin_dir": control_plane.cni_bin_dir or platform.cni_bin_dir,
        "cni_conf_dir": control_plane.cni_conf_dir or platform.cni_conf_dir,
    }


def _tolerations(control_plane: ControlPlane) -> dict[str, list[Mapping[str, Any]]]:
    def on_nodes(pods: PodSettings) -> list[Mapping[str, Any]]:
        return list(_EVERYWHERE if pods.tolerations is None else pods.tolerations)

    return {
        "istiod": [_CNI_NOT_READY, *(control_plane.istiod.tolerations or ())],
        "cni": on_nodes(control_plane.cni),
        "ztunnel": on_nodes(control_plane.ztunnel),
    }


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(_FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the output is YAML, and every value goes through tojson
    )
    environment.policies["json.dumps_function"] = _to_json
    return environment


def _to_json(value: object, **options: Any) -> str:
    """Write JSON that is YAML as well, for any string.

    JSON writes characters beyond the first 65,536 as two escapes, which YAML takes for two
    characters; so nothing is escaped but what YAML cannot hold, and that as YAML does it.
    """
    options["ensure_ascii"] = False
    return _NOT_IN_YAML.sub(lambda found: f"\\U{ord(found[0]):08x}", json.dumps(value, **options))


class _Dumper(yaml.SafeDumper):
    """Block scalars for text of several lines: people read these ConfigMaps."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)  # pyright: ignore


_Dumper.add_representer(str, _text)


def _to_yaml(value: object) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=100)
