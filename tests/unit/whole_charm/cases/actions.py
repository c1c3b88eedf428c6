# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What actions of istio-k8s and istio-beacon-k8s read of the cluster."""

from collections.abc import Mapping
from typing import Any

from tests.unit.whole_charm.outcomes import ABSENT, Has
from tests.unit.whole_charm.scenarios import Case, Patch, merged, patched

NAME = "app.kubernetes.io/name"
CALLER = {"source": {"principals": ["cluster.local/ns/shop/sa/caller"]}}
FORMER_CALLER = {"source": {"principals": ["former/ns/shop/sa/caller"]}}


CAPTURED = {"ambient.istio.io/redirection": "enabled"}
"""istio-cni marks a pod so whose traffic ztunnel carries."""


def pod(app: str) -> Mapping[str, Any]:
    """Return a pod of an application that is on the mesh with its namespace."""
    return {
        "metadata": {"labels": {NAME: app}, "annotations": CAPTURED},
        "spec": {
            "serviceAccountName": app,
            "containers": [{"name": app, "ports": [{"containerPort": 9080}]}],
        },
        "status": {"phase": "Running", "podIP": "10.244.0.10"},
    }


def meshed(root: str) -> Mapping[str, Any]:
    """Return a shop whose pods are behind a waypoint, which lets `caller` in to `details`.

    Args:
        root: Istio's root namespace, where a policy allows nothing.
    """
    return {
        "Namespace shop": {
            "metadata": {
                "labels": {"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "way"}
            }
        },
        "Service shop/details": {
            "metadata": {"labels": {"app.kubernetes.io/managed-by": "juju"}},
            "spec": {
                "selector": {NAME: "details"},
                "ports": [{"port": 80, "targetPort": 9080}],
            },
        },
        "Pod shop/details-0": pod("details"),
        "Pod shop/caller-0": pod("caller"),
        "Pod shop/way-0": {
            "metadata": {"labels": {"gateway.networking.k8s.io/gateway-name": "way"}},
            "spec": {"serviceAccountName": "way", "containers": [{"name": "proxy"}]},
            "status": {"phase": "Running", "podIP": "10.244.0.11"},
        },
        "Gateway shop/way": {
            "spec": {
                "gatewayClassName": "istio-waypoint",
                "listeners": [
                    {
                        "name": "mesh",
                        "port": 15008,
                        "protocol": "HBONE",
                        "allowedRoutes": {"namespaces": {"from": "All"}},
                    }
                ],
            },
            "status": {"addresses": [{"value": "10.96.0.9"}]},
        },
        "AuthorizationPolicy shop/open": {
            "spec": {
                "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
                "rules": [{"from": [CALLER]}],
            }
        },
        f"AuthorizationPolicy {root}/nothing": {"spec": {}},
    }


PREVIEWED: Patch = {
    "event": {"action": "preview-hardened-mode", "params": {"format": "json"}},
    "objects": meshed("istio-system"),
}


def cut_off(change: Patch) -> Case:
    """Return the case for a change by which hardened mode would cut details off."""
    return Case(change, {"action: cut-off": Has('"shop/details"')}, given=PREVIEWED)


def without(name: str) -> Patch:
    """Return the change that takes an object away."""
    return {"objects": {name: None}}


def istiod(*variables: str, owner: str = "mesh/control") -> Mapping[str, Any]:
    """Return istiod's Deployment, in whose environment these variables are true."""
    env = [{"name": name, "value": "true"} for name in variables]
    pods = {"spec": {"containers": [{"name": "discovery", "env": env}]}}
    return {
        "metadata": {
            "labels": {"app": "istiod"},
            "annotations": {"charmed-istio/owner": owner},
        },
        "spec": {"selector": {}, "template": pods},
    }


PREVIEW: Mapping[str, Case] = {
    "the preview: waypoints are not let through": cut_off(
        {"config": {"auto-allow-waypoint-policy": False}}
    ),
    "the preview: waypoints are let through": Case(
        {"config": {"auto-allow-waypoint-policy": True}},
        {"action: cut-off": '["shop/caller"]'},
        given=merged(PREVIEWED, {"config": {"auto-allow-waypoint-policy": False}}),
    ),
    "the preview: a policy is gone": cut_off(without("AuthorizationPolicy shop/open")),
    "the preview: a waypoint is gone": cut_off(without("Gateway shop/way")),
    "the preview: a Service is gone": cut_off(without("Service shop/details")),
    "the preview: a namespace is behind no waypoint": cut_off(
        {"objects": {"Namespace shop": {"metadata": {"labels": {"istio.io/use-waypoint": None}}}}}
    ),
    "the preview: a pod is gone": Case(
        without("Pod shop/caller-0"), {"action: json[1]": ABSENT}, given=PREVIEWED
    ),
    "the preview: the root namespace lets a client in": Case(
        {
            "objects": {
                "AuthorizationPolicy istio-system/all": {"spec": {"rules": [{"from": [CALLER]}]}}
            }
        },
        {"action: json": Has("istio-system/all")},
        given=PREVIEWED,
    ),
    "the preview: there is no istiod whose mesh config it could read": Case(
        without("Deployment istio-system/istiod"),
        {"action: not-weighed": Has("of which the defaults are taken: there is no istiod")},
        given=merged(PREVIEWED, {"objects": {"Deployment istio-system/istiod": istiod()}}),
    ),
    "the preview: identities have an alias of their trust domain": Case(
        {
            "objects": {
                "ConfigMap istio-system/istio": {"data": {"mesh": "trustDomainAliases: [former]"}}
            }
        },
        {"action: json": Has('"admits": ["shop/caller"]')},
        given=merged(
            PREVIEWED,
            {
                "objects": {
                    "Deployment istio-system/istiod": istiod(),
                    "AuthorizationPolicy shop/open": {
                        "spec": {"rules": [{"from": [FORMER_CALLER]}]}
                    },
                }
            },
        ),
    ),
}


AUTO_ALLOW = "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"
ISTIOD: Mapping[str, Any] = {
    "Deployment mesh/istiod": istiod(AUTO_ALLOW),
    "AuthorizationPolicy root/nothing-at-waypoints": {
        "spec": {
            "targetRefs": [
                {
                    "group": "gateway.networking.k8s.io",
                    "kind": "GatewayClass",
                    "name": "istio-waypoint",
                }
            ]
        }
    },
    "ConfigMap mesh/istio": {"data": {"mesh": "rootNamespace: root"}},
    # Neither of these is what istiod reads.
    "ConfigMap mesh/aaa": {"data": {"mesh": "rootNamespace: other"}},
    "ConfigMap aaa/istio": {"data": {"mesh": "rootNamespace: other"}},
}
EXPLAINED: Patch = {
    "event": {"action": "explain", "params": {"source": "caller", "target": "details"}},
    "objects": merged(meshed("root"), ISTIOD),
}
ASKED: Patch = {
    "objects": {
        "AuthorizationPolicy shop/ask": {
            "spec": {
                "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
                "action": "CUSTOM",
                "provider": {"name": "login"},
                "rules": [{}],
            }
        }
    }
}
"""A policy that sends requests to the authorizer `login`."""
WITHOUT_HTTP: Patch = {
    "objects": {
        "Service shop/details": {
            "spec": {"ports": [{"name": "tcp-db", "port": 80, "targetPort": 9080}]}
        }
    }
}


def opened(**rule: Any) -> Patch:
    """Return the change by which one rule alone opens `details`."""
    return {"objects": {"AuthorizationPolicy shop/open": {"spec": {"rules": [rule]}}}}


def mesh_config(*lines: str) -> Patch:
    """Return the change of istiod's mesh config."""
    content = "\n".join(("rootNamespace: root", *lines))
    return {"objects": {"ConfigMap mesh/istio": {"data": {"mesh": content}}}}


def authorizer(kind: str) -> Patch:
    """Return the mesh config that has the authorizer `login`, of a kind."""
    return mesh_config(f"extensionProviders: [{{name: login, {kind}: {{service: a, port: 80}}}}]")


NOT_OPEN = patched(EXPLAINED, {"objects": {"AuthorizationPolicy shop/open": None}})

WITHOUT_IDENTITY = patched(
    EXPLAINED,
    {
        "objects": {
            "Deployment mesh/istiod": istiod(),
            "AuthorizationPolicy root/nothing": None,
            "Pod shop/caller-0": {"metadata": {"annotations": None}},
        }
    },
)
"""`caller` is not captured, and no policy keeps plain text out."""

EXPLAIN: Mapping[str, Case] = {
    "an explanation: no client is let in": Case(
        without("AuthorizationPolicy shop/open"), {"action: verdict": "denied"}, given=EXPLAINED
    ),
    "an explanation: istiod lets waypoints through": Case(
        {"objects": {"Deployment mesh/istiod": istiod(AUTO_ALLOW)}},
        {"action: verdict": "allowed"},
        given=patched(EXPLAINED, {"objects": {"Deployment mesh/istiod": istiod()}}),
    ),
    "an explanation: istiod is of another application": Case(
        {"objects": {"Deployment mesh/istiod": istiod(AUTO_ALLOW, owner="other/istio")}},
        {"action: explanation": Has("juju config -m other istio hardened-mode=false")},
        given=NOT_OPEN,
    ),
    "an explanation: the root namespace is another": Case(
        {"objects": {"ConfigMap mesh/istio": {"data": {"mesh": "rootNamespace: elsewhere"}}}},
        {"action: verdict": "allowed"},
        given=NOT_OPEN,
    ),
    "an explanation: identities have another trust domain": Case(
        mesh_config("trustDomain: former"),
        {"action: verdict": "allowed"},
        given=patched(EXPLAINED, opened(**{"from": [FORMER_CALLER]})),
    ),
    "an explanation: slashes of paths are merged": Case(
        mesh_config("pathNormalization: {normalization: MERGE_SLASHES}"),
        {"action: verdict": "allowed"},
        given=patched(
            EXPLAINED,
            {"event": {"params": {"path": "/a//b"}}},
            opened(to=[{"operation": {"paths": ["/a/b"]}}]),
        ),
    ),
    "an explanation: plain text is refused": Case(
        {"objects": {"PeerAuthentication root/default": {"spec": {"mtls": {"mode": "STRICT"}}}}},
        {"action: verdict": "denied"},
        given=WITHOUT_IDENTITY,
        same={"action: explanation": Has("shop/caller is not on the mesh")},
    ),
    "an explanation: tokens are looked at": Case(
        {
            "objects": {
                "RequestAuthentication shop/tokens": {
                    "spec": {
                        "targetRefs": [{"group": "", "kind": "Service", "name": "details"}],
                        "jwtRules": [{"issuer": "https://login.example"}],
                    }
                }
            }
        },
        {"action: explanation": Has("whether a token of the request is valid")},
        given=EXPLAINED,
    ),
    "an explanation: an authorizer is known": Case(
        authorizer("envoyExtAuthzHttp"),
        {"action: verdict": "conditional"},
        given=patched(EXPLAINED, ASKED),
    ),
    "an explanation: an authorizer is unknown": Case(
        mesh_config(),
        {"action: verdict": "denied"},
        given=patched(EXPLAINED, ASKED, authorizer("envoyExtAuthzHttp")),
    ),
    "an explanation: an authorizer is asked about HTTP only": Case(
        authorizer("envoyExtAuthzHttp"),
        {"action: verdict": "allowed"},
        given=patched(EXPLAINED, ASKED, WITHOUT_HTTP, authorizer("envoyExtAuthzGrpc")),
    ),
}
