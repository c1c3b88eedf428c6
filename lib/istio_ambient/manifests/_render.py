# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Objects from values: Jinja2 templates whose output lightkube reads."""

import functools
import json
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from lightkube import codecs
from lightkube.core import resource

from istio_ambient import acceptance, resources
from istio_ambient.values import networks
from istio_ambient.values.pods import DEFAULT_RESOURCES, NO_LABELS

from . import _cacerts, _injection, _placement, _variables
from ._config import Config
from ._mesh_config import mesh_config
from ._platforms import PLATFORMS
from ._values import ControlPlane

if TYPE_CHECKING:
    import jinja2

_load_all_yaml = cast(
    Callable[..., list[resource.Resource]],
    codecs.load_all_yaml,  # pyright: ignore[reportUnknownMemberType]
)

_FOLDER = pathlib.Path(__file__).parent / "templates"
_TEMPLATES = ("istiod-rbac.yaml.j2", "istiod.yaml.j2", "istio-cni.yaml.j2", "ztunnel.yaml.j2")

# A pod is on the mesh by its own label, or by its namespace's unless its own is "none".
_MODE = resources.DATAPLANE_MODE
_NOT_NONE = {"matchExpressions": [{"key": _MODE, "operator": "NotIn", "values": ["none"]}]}
_AMBIENT_SELECTORS: list[dict[str, Any]] = [
    {"podSelector": {"matchLabels": {_MODE: "ambient"}}},
    {"namespaceSelector": {"matchLabels": {_MODE: "ambient"}}, "podSelector": _NOT_NONE},
]

_LINUX = {"kubernetes.io/os": "linux"}

# Every node, whatever its taints: pods on the mesh may run on each of them.
_EVERYWHERE: tuple[Mapping[str, Any], ...] = (
    {"operator": "Exists", "effect": "NoSchedule"},
    {"operator": "Exists", "key": "CriticalAddonsOnly"},
    {"operator": "Exists", "effect": "NoExecute"},
)

# istio-cni removes the taint, which it can do once istiod runs.
_CNI_NOT_READY = {"key": "cni.istio.io/not-ready", "operator": "Exists"}

# Characters that JSON may hold literally and YAML (1.1, as PyYAML reads it) may not. A newline is
# between JSON's tokens only.
_NOT_IN_YAML = "[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"


def render(control_plane: ControlPlane) -> list[resource.Resource]:
    """Return every object of the control plane but its CRDs, in no particular order.

    The objects have no labels of an application; the engine adds these. istiod itself writes
    `failurePolicy` and `clientConfig.caBundle` of the ValidatingWebhookConfiguration later.
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
    """Return the variables of the templates: the models, and texts made of several of them."""
    config = control_plane.config
    return {
        "config": config,
        "control_plane": control_plane,
        "platform": PLATFORMS[control_plane.platform],
        "pods": {
            "istiod": _pods(config, "istiod", tolerated=(_CNI_NOT_READY,)),
            "cni": _pods(config, "cni", tolerations=_EVERYWHERE, node_selector=_LINUX),
            "ztunnel": _pods(config, "ztunnel", tolerations=_EVERYWHERE, node_selector=_LINUX),
        },
        "topology_spread": _placement.topology_spread(
            config.istiod_topology_spread, control_plane.replicas
        ),
        "variables": {
            "istiod": _variables.merged("istiod", config.istiod_env),
            "cni": _variables.merged("cni", config.cni_env),
            "ztunnel": _variables.merged("ztunnel", config.ztunnel_env),
        },
        "log_arguments": {
            "istiod": _variables.log_arguments("istiod", config.istiod_env, "default:info"),
            "cni": _variables.log_arguments("cni", config.cni_env, "info"),
        },
        "mesh_config": json_text(acceptance.marked(mesh_config(control_plane))),
        "injection_config": json_text(_injection.injection_config()),
        "injection_values": json_text(_injection.injection_values(control_plane)),
        "forbidden_networks": ",".join(networks.FORBIDDEN_NETWORKS),
        "ambient_selectors": json_text(_AMBIENT_SELECTORS),
    }


def _pods(
    config: Config,
    component: str,
    *,
    tolerated: Sequence[Mapping[str, Any]] = (),
    tolerations: Sequence[Mapping[str, Any]] = (),
    node_selector: Mapping[str, str] = NO_LABELS,
) -> dict[str, Any]:
    """Return resources, tolerations and node selector of the pods of a component.

    Args:
        config: the options.
        component: the prefix of its options.
        tolerated: tolerations in any case.
        tolerations: further tolerations where the operator gives none.
        node_selector: labels that a node must have in any case.
    """
    given = config.pods(component)
    if given.tolerations is not None:
        tolerations = [toleration.manifest for toleration in given.tolerations]
    return {
        "resources": given.resources.merged_into(DEFAULT_RESOURCES[component]).manifest,
        "tolerations": [*tolerated, *tolerations],
        "node_selector": {**given.node_selector, **node_selector},
    }


@functools.cache
def _environment() -> "jinja2.Environment":
    # Hooks that end before there is a plan render nothing.
    import jinja2

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

    JSON escapes a character beyond the first 65,536 as two, which YAML reads as two characters.
    Therefore only characters that YAML cannot hold are escaped; none of them is beyond.
    """
    plain: dict[str, Any] = {**options, "ensure_ascii": False}
    return _escaped(json.dumps(value, **plain))


def _escaped(text: str) -> str:
    # Nearly all text is ASCII, and the expression takes 5 ms to compile.
    if text.isascii() and "\x7f" not in text:
        return text
    return re.sub(_NOT_IN_YAML, lambda found: f"\\u{ord(found[0]):04x}", text)


def json_text(value: object) -> str:
    """Return the text of a ConfigMap that another program reads as YAML; operators read it too.

    It is JSON. YAML's plain scalars mean other things to other readers: Go reads `y`, `1e3` and
    `0o17` as a boolean and as numbers, where PyYAML reads and writes strings.
    """
    return _escaped(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
