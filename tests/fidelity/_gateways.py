# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The objects that istiod makes for waypoints and gateways with our templates and istioctl's.

Our templates have a text of their own; the objects that istiod renders with them must be equal.
"""

import functools
import json
import os
import pathlib
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from tests.lab import _binaries

PROGRAM = "gatewayobjects"
NAMESPACE = "bookshop"
"""The namespace of `gateways`."""

_METADATA = {
    "labels": {"team": "a", "istio.io/waypoint-for": "service"},
    "annotations": {
        "note": 'quotes " and: colons',
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "gateway.istio.io/controller-version": "5",
    },
}


def gateways() -> list[dict[str, Any]]:
    """Return Gateways of both classes, in each variant for which a template has a condition."""
    return [
        _gateway(f"{short}-{name}", class_name, **extra)
        for short, class_name in (("wp", "istio-waypoint"), ("gw", "istio"))
        for name, extra in _VARIANTS.items()
    ]


def _reference(name: str) -> dict[str, str]:
    return {"group": "", "kind": "ConfigMap", "name": name}


# Overlay by the key that istiod reads it from. istiod makes a HorizontalPodAutoscaler and a
# PodDisruptionBudget only with an overlay for them.
_PARAMETERS: dict[str, dict[str, Any]] = {
    "parameters": {
        "deployment": {
            "metadata": {"labels": {"added": "deployment"}},
            "spec": {
                "replicas": 2,
                "template": {
                    "metadata": {"annotations": {"prometheus.io/scrape": "false"}},
                    "spec": {
                        "nodeSelector": {"mesh": "true"},
                        "containers": [
                            {
                                "name": "istio-proxy",
                                "resources": {"requests": {"cpu": "222m"}},
                                "env": [{"name": "ISTIO_META_CLUSTER_ID", "value": "other"}],
                                "volumeMounts": [{"name": "site", "mountPath": "/etc/istio/pod"}],
                            },
                            {"name": "beside", "image": "example/beside"},
                        ],
                        "volumes": [{"name": "site", "emptyDir": {}}],
                    },
                },
            },
        },
        "service": {"spec": {"ports": [{"port": 15021, "$patch": "delete"}]}},
        "serviceAccount": {"metadata": {"annotations": {"added": "account"}}},
        "horizontalPodAutoscaler": {
            "spec": {
                "minReplicas": 2,
                "maxReplicas": 5,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 70},
                        },
                    }
                ],
            }
        },
        "podDisruptionBudget": {"spec": {"minAvailable": 1}},
    },
    "scaled": {"horizontalPodAutoscaler": {}, "podDisruptionBudget": {}},
}


def parameters() -> list[dict[str, Any]]:
    """Return the ConfigMaps that Gateways of `gateways` refer to."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "data": {key: json.dumps(overlay) for key, overlay in overlays.items()},
        }
        for name, overlays in _PARAMETERS.items()
    ]


_VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "metadata": {"metadata": _METADATA},
    "infrastructure": {
        "metadata": _METADATA,
        "infrastructure": {
            "labels": {
                "charms.canonical.com/prod.istio.telemetry": "aggregated",
                "topology.istio.io/network": "network-1",
            },
            "annotations": {"note": "for the pods"},
        },
    },
    "annotated": {
        "metadata": {
            "annotations": {
                "sidecar.istio.io/proxyImage": "registry.example.com/proxyv2:debug",
                "sidecar.istio.io/logLevel": "debug",
                "sidecar.istio.io/componentLogLevel": "rbac:debug",
                "sidecar.istio.io/agentLogLevel": "default:debug",
            }
        }
    },
    "image-name": {
        "metadata": {"annotations": {"sidecar.istio.io/proxyImageType": "debug"}},
    },
    "address": {"addresses": [{"type": "IPAddress", "value": "192.0.2.7"}]},
    "parameters": {"infrastructure": {"parametersRef": _reference("parameters")}},
    # All at once: the fields of the overlay are in the object already.
    "scaled": {
        "infrastructure": {
            "labels": {"team": "a"},
            "annotations": {"note": "for the pods"},
            "parametersRef": _reference("scaled"),
        }
    },
}


def _gateway(name: str, class_name: str, **extra: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": "0a1b2c3d"}
    listener = (
        {"name": "mesh", "port": 15008, "protocol": "HBONE"}
        if class_name == "istio-waypoint"
        else {"name": "http-80", "port": 80, "protocol": "HTTP"}
    )
    spec: dict[str, Any] = {"gatewayClassName": class_name, "listeners": [listener]}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": metadata | extra.pop("metadata", {}),
        "spec": spec | extra,
    }


def objects(control_plane: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the objects that istiod makes for `gateways`, given its Deployment and ConfigMaps."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in control_plane}
    data: dict[str, Mapping[str, str]] = {
        name: each["data"] for (kind, name), each in named.items() if kind == "ConfigMap"
    }
    pod = named["Deployment", "istiod"]["spec"]["template"]["spec"]
    environment = {
        entry["name"]: str(entry["value"])
        for entry in pod["containers"][0]["env"]
        if "value" in entry
    }
    request: dict[str, Any] = {
        "config": data["istio-sidecar-injector"]["config"],
        "values": data["istio-sidecar-injector"]["values"],
        "mesh": data["istio"]["mesh"],
        "namespace": named["Deployment", "istiod"]["metadata"]["namespace"],
        "gateways": gateways(),
        "configMaps": parameters(),
    }
    answer = subprocess.run(
        [_program()],
        input=json.dumps(request),
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [each for made in json.loads(answer) for each in made]


@functools.cache
def _program() -> pathlib.Path:
    """Return the program: $GATEWAYOBJECTS, or the lab's."""
    given = os.environ.get("GATEWAYOBJECTS")
    if given:
        return pathlib.Path(given)
    return _binaries.program(PROGRAM)
