# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What each option of istio-k8s does, and what it reads of the cluster."""

from collections.abc import Mapping
from typing import Any

from istio_ambient import control_plane, manifests, resources

from tests.unit.whole_charm.cases import actions, integrations, preflight
from tests.unit.whole_charm.cases.base_control_plane import (
    AUTHORITY,
    BASE,
    CACERTS,
    CNI,
    HARDENED,
    ISTIOD,
    MESH,
    REVOKED,
    SECRET,
    SYSTEM,
    VALUES,
    ZTUNNEL,
    encoded,
)
from tests.unit.whole_charm.fake_istiod import FAULTS
from tests.unit.whole_charm.outcomes import ABSENT, PRESENT, Has, Lacks, blocked, warning
from tests.unit.whole_charm.scenarios import Case, Option, Patch, Suite, merged

ROOT_CA = f"Secret {SYSTEM}/istio-ca-secret"
OLDER_TAG = f"{manifests.VERSION.rpartition('.')[0]}.0"
OTHER_TAG, OLD_BUNDLE = f"{manifests.VERSION}-another", "v1.2.0"
OLD_KUBERNETES = f"{manifests.MIN_KUBERNETES[0]}.{manifests.MIN_KUBERNETES[1] - 1}"
TAINT = "- {key: dedicated, operator: Exists}"
TOLERATION = {"key": "dedicated", "operator": "Exists"}
LINUX = {"kubernetes.io/os": "linux"}
NOT_READY = {"key": "cni.istio.io/not-ready", "operator": "Exists"}
EVERY_TAINT = [
    {"operator": "Exists", "effect": "NoSchedule"},
    {"operator": "Exists", "key": "CriticalAddonsOnly"},
    {"operator": "Exists", "effect": "NoExecute"},
]
REVOKING: Patch = {"secrets": {SECRET: {"ca-crl": REVOKED}}}
WITH_CA: Patch = {
    "config": {"ca-secret": SECRET},
    "earlier": {"secrets": {SECRET: AUTHORITY}},
}


def pods(option: str, template: str, container: str, **defaults: Any) -> dict[str, Option]:
    """Return the three options of a component's pods."""
    spec = f"{template}.spec"
    labels = {**defaults, "disk": "ssd"}
    return {
        f"{option}-resources": Option(
            "{requests: {cpu: 321m}}",
            {f"{spec}.containers[{container}].resources.requests.cpu": "321m"},
        ),
        f"{option}-tolerations": Option(TAINT, {f"{spec}.tolerations": Has(str(TOLERATION))}),
        f"{option}-node-selector": Option("disk: ssd", {f"{spec}.nodeSelector": labels}),
    }


OPTIONS: Mapping[str, Option] = {
    "hardened-mode": Option(
        True, {f"{HARDENED}-ztunnel": PRESENT, f"{HARDENED}-waypoint": PRESENT}
    ),
    "auto-allow-waypoint-policy": Option(
        False,
        {f"{ISTIOD}.spec.containers[discovery].env": Lacks("PILOT_AUTO_ALLOW_WAYPOINT_POLICY")},
    ),
    "platform": Option(
        "gke",
        {
            f"{CNI}.spec.volumes[cni-bin-dir].hostPath.path": "/home/kubernetes/bin",
            f"{VALUES}.platform": "gke",
        },
    ),
    "cni-bin-dir": Option(
        "/srv/cni/bin", {f"{CNI}.spec.volumes[cni-bin-dir].hostPath.path": "/srv/cni/bin"}
    ),
    "cni-conf-dir": Option(
        "/srv/cni/conf", {f"{CNI}.spec.volumes[cni-net-dir].hostPath.path": "/srv/cni/conf"}
    ),
    "mtls-mode": Option(
        "strict", {f"PeerAuthentication {SYSTEM}/default: spec.mtls.mode": "STRICT"}
    ),
    "hub": Option(
        "registry.example/mesh",
        {
            f"{ISTIOD}.spec.containers[discovery].image": Has("registry.example/mesh/pilot:"),
            f"{CNI}.spec.containers[install-cni].image": Has("registry.example/mesh/"),
            f"{ZTUNNEL}.spec.containers[istio-proxy].image": Has("registry.example/mesh/"),
            f"{VALUES}.hub": "registry.example/mesh",
        },
    ),
    "tag": Option(
        OTHER_TAG,
        {
            f"{ISTIOD}.spec.containers[discovery].image": Has(f"pilot:{OTHER_TAG}-"),
            f"{CNI}.spec.containers[install-cni].image": Has(f":{OTHER_TAG}-"),
            f"{ZTUNNEL}.spec.containers[istio-proxy].image": Has(f":{OTHER_TAG}-"),
            f"{VALUES}.tag": OTHER_TAG,
        },
    ),
    "image-pull-policy": Option(
        "Always",
        {
            f"{ISTIOD}.spec.containers[discovery].imagePullPolicy": "Always",
            f"{CNI}.spec.containers[install-cni].imagePullPolicy": "Always",
            f"{ZTUNNEL}.spec.containers[istio-proxy].imagePullPolicy": "Always",
            f"{VALUES}.imagePullPolicy": "Always",
        },
    ),
    "image-pull-secrets": Option(
        "first, second",
        {
            f"ServiceAccount {SYSTEM}/{account}: imagePullSecrets": [
                {"name": "first"},
                {"name": "second"},
            ]
            for account in ("istiod", "istio-cni", "ztunnel", "istio-reader-service-account")
        }
        | {f"{VALUES}.imagePullSecrets": ["first", "second"]},
    ),
    "purge-ca": Option(
        True,
        {ROOT_CA: ABSENT},
        {"event": "remove", "units": 0, "objects": {ROOT_CA: {"data": {}}}},
    ),
    "ca-secret": Option(
        SECRET,
        {
            f"{CACERTS}: data[ca-cert.pem]": encoded(AUTHORITY["ca-cert"]),
            f"{ISTIOD}.metadata.annotations[charmed-istio/mesh-ca]": PRESENT,
        },
    ),
    "mesh-config": Option("accessLogFile: /dev/null", {f"{MESH}.accessLogFile": "/dev/null"}),
    **pods("istiod", ISTIOD, "discovery"),
    "istiod-affinity": Option(
        "{nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}",
        {
            f"{ISTIOD}.spec.affinity": {
                "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}
            }
        },
    ),
    "istiod-topology-spread": Option(
        "[{maxSkew: 1, topologyKey: rack, whenUnsatisfiable: DoNotSchedule}]",
        {f"{ISTIOD}.spec.topologySpreadConstraints": Has("'rack'", "'istiod'")},
    ),
    "istiod-priority-class": Option(
        "system-cluster-critical",
        {f"{ISTIOD}.spec.priorityClassName": "system-cluster-critical"},
    ),
    "ca-address": Option(
        "csr.cert-manager.svc:443",
        {
            f"{ZTUNNEL}.spec.containers[istio-proxy].env": Has("'csr.cert-manager.svc:443'"),
            f"{ISTIOD}.spec.containers[discovery].env": Has("'ENABLE_CA_SERVER'"),
            f"{VALUES}.caAddress": "csr.cert-manager.svc:443",
        },
    ),
    "cluster-id": Option(
        "north",
        {
            f"{ISTIOD}.spec.containers[discovery].env": Has("'CLUSTER_ID'", "'north'"),
            f"{ZTUNNEL}.spec.containers[istio-proxy].env": Has(
                "'ISTIO_META_CLUSTER_ID'", "'north'"
            ),
        },
    ),
    "trust-domain": Option(
        "mesh.example",
        {
            f"{MESH}.trustDomain": "mesh.example",
            # istiod signs in the one that it had when it started.
            f"{ISTIOD}.metadata.annotations[charmed-istio/trust-domain]": "mesh.example",
        },
    ),
    "trust-domain-aliases": Option(
        "old.example, older.example",
        {f"{MESH}.trustDomainAliases": ["old.example", "older.example"]},
        given={"config": {"mesh-config": "trustDomainAliases: [other.example]"}},
    ),
    "dual-stack": Option(
        True,
        {
            f"Service {SYSTEM}/istiod: spec.ipFamilyPolicy": "PreferDualStack",
            f"{ISTIOD}.spec.containers[discovery].env": Has("ISTIO_DUAL_STACK"),
            f"{MESH}.defaultConfig.proxyMetadata[ISTIO_DUAL_STACK]": "true",
        },
    ),
    "istiod-env": Option(
        "{SITE: text}", {f"{ISTIOD}.spec.containers[discovery].env": Has("'SITE'", "'text'")}
    ),
    "cni-env": Option(
        "{SITE: text}",
        {
            f"{CNI}.spec.containers[install-cni].env": Has("'SITE'", "'text'"),
            f"ConfigMap {SYSTEM}/istio-cni-config: data.SITE": "text",
        },
    ),
    "ztunnel-env": Option(
        "{SITE: text}", {f"{ZTUNNEL}.spec.containers[istio-proxy].env": Has("'SITE'", "'text'")}
    ),
    **pods("cni", CNI, "install-cni", **LINUX),
    **pods("ztunnel", ZTUNNEL, "istio-proxy", **LINUX),
    "cni-preflight": Option(
        "warn",
        {f"Deployment {SYSTEM}/istiod": PRESENT, "status": Lacks("blocked: preflight")},
        given={
            "objects": {"ConfigMap kube-system/cilium-config": {"data": {"cni-exclusive": "true"}}}
        },
    ),
}


CILIUM = "ConfigMap kube-system/cilium-config"
EXCLUSIVE = {"data": {"cni-exclusive": "true"}}
GATEWAYS = "CustomResourceDefinition gateways.gateway.networking.k8s.io"
POLICIES = "CustomResourceDefinition authorizationpolicies.security.istio.io"
OWNER = resources.OWNER_ANNOTATION
DEFINITION: Mapping[str, Any] = {
    "metadata": {"annotations": {"gateway.networking.k8s.io/bundle-version": OLD_BUNDLE}},
    "spec": {
        "group": "gateway.networking.k8s.io",
        "names": {"kind": "Gateway", "plural": "gateways"},
        "scope": "Cluster",
        "versions": [],
    },
}
WORKS = {
    f"Deployment {SYSTEM}/istiod": {
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "updatedReplicas": 1,
            "availableReplicas": 1,
        }
    },
    **{
        f"DaemonSet {SYSTEM}/{name}": {
            "status": {
                "observedGeneration": 1,
                "currentNumberScheduled": 1,
                "desiredNumberScheduled": 1,
                "numberMisscheduled": 0,
                "numberReady": 1,
                "updatedNumberScheduled": 1,
                "numberAvailable": 1,
            }
        }
        for name in ("istio-cni-node", "ztunnel")
    },
}
"""Statuses of workloads all of whose pods work."""

OVERLAY = {"accessLogFile": "/dev/null"}
OVERLAID: Patch = {"config": {"mesh-config": "accessLogFile: /dev/null"}, "earlier": {}}
CONFIG = f"ConfigMap {SYSTEM}/istio"
LONG_AGO = {
    CONFIG: {
        "metadata": {
            "managedFields": [
                {"manager": "charmed-istio", "operation": "Apply", "time": "2026-01-02T00:00:00Z"}
            ]
        }
    }
}
DROPPED = {"metadata": {"annotations": {FAULTS: "dropped"}}}
BUILT_IN = {f"EndpointSlice {SYSTEM}/istiod-1": {"metadata": {"annotations": {FAULTS: "foreign"}}}}


def left_out(overlay: Mapping[str, Any], words: str = "") -> control_plane.RefusedOverlay:
    """Return what the cluster remembers of an overlay that was refused."""
    return control_plane.RefusedOverlay(control_plane.overlay_digest(overlay), words)


def refused(overlay: Mapping[str, Any], words: str = "") -> Patch:
    """Return the change by which the cluster remembers that an overlay was refused."""
    annotations = left_out(overlay, words).annotations
    return {"meanwhile": {CONFIG: {"metadata": {"annotations": annotations}}}}


FACTS: Mapping[str, Case] = {
    "another model": Case(
        {"model": "mesh"},
        {
            "Deployment mesh/istiod": PRESENT,
            "ConfigMap mesh/istio: data.mesh.rootNamespace": "mesh",
            "app databag beacon: root_namespace": "mesh",
            "plan: checks.istiod.tcp.host": "istiod.mesh.svc",
        },
    ),
    "another application": Case(
        {"app": "mesh"},
        {
            f"{template}.metadata.labels[charms.canonical.com/{SYSTEM}.mesh.telemetry]": PRESENT
            for template in (ISTIOD, CNI, ZTUNNEL)
        }
        | {
            f"AuthorizationPolicy {SYSTEM}/mesh-{SYSTEM}-policy-global-allow-nothing-ztunnel": (
                PRESENT
            ),
        },
        given={"config": {"hardened-mode": True}},
    ),
    "three units": Case(
        {"units": 3},
        {
            f"HorizontalPodAutoscaler {SYSTEM}/istiod: spec.minReplicas": 3,
            f"{ISTIOD}.spec.topologySpreadConstraints": Has(
                "'kubernetes.io/hostname'", "'ScheduleAnyway'", "'istiod'"
            ),
        },
    ),
    "a unit that does not lead": Case(
        {"leader": False},
        {"requests": [], f"Deployment {SYSTEM}/istiod": ABSENT, "app databag beacon": {}},
    ),
    "an option that cannot be used": Case(
        {"config": {"hub": "https://registry.example"}},
        {"status": blocked("config hub", "https://registry.example")},
        given={"earlier": {"config": {"hub": "docker.io/istio"}}},
        same={f"Deployment {SYSTEM}/istiod": PRESENT, "requests": []},
    ),
    "a tag of an older patch": Case(
        {"config": {"tag": OLDER_TAG}},
        {
            "status": Has("config tag", "keeps Istio at", "juju config istio --reset tag"),
            "codes": ["CI-653"],
            f"{ISTIOD}.spec.containers[discovery].image": Has(f":{OLDER_TAG}-"),
        },
        given={"earlier": {}, "meanwhile": WORKS},
    ),
    "a tag of another minor version": Case(
        {"config": {"tag": "1.9.4"}},
        {"status": blocked("config tag", "use a tag of ")},
        given={"earlier": {}},
        same={"requests": []},
    ),
    "a variable that the charm owns": Case(
        {"config": {"istiod-env": "{CLUSTER_ID: other, SITE: text}"}},
        {
            "status": blocked("config istiod-env CLUSTER_ID"),
            f"{ISTIOD}.spec.containers[discovery].env": Has("'SITE'", "'Kubernetes'"),
        },
        given={"earlier": {}},
        same={f"{MESH}.trustDomain": "cluster.local"},
    ),
    "a CA secret that is not readable any more": Case(
        {"secrets": {SECRET: None}},
        {"status": blocked("config ca-secret")},
        given=WITH_CA,
        same={CACERTS: PRESENT},
    ),
    "a CA that is not readable from the beginning": Case(
        {"config": {"ca-secret": SECRET}},
        {"status": blocked("config ca-secret"), "requests": []},
        given={"secrets": {SECRET: None}},
    ),
    "a CA secret with a list of revoked certificates": Case(
        REVOKING,
        {
            f"{CACERTS}: data[ca-crl.pem]": encoded(REVOKED),
            f"{ZTUNNEL}.spec.containers[istio-proxy].env": Has("'CRL_PATH'"),
            f"{ZTUNNEL}.spec.volumes[crl-volume].configMap.name": "istio-ca-crl",
        },
        given=WITH_CA,
    ),
    "a CA secret with such a list that is not readable any more": Case(
        {"secrets": {SECRET: None}},
        {"status": blocked("config ca-secret")},
        given=merged(WITH_CA, {**REVOKING, "earlier": REVOKING}),
        same={f"{CACERTS}: data[ca-crl.pem]": encoded(REVOKED)},
    ),
    "a CA secret without a key": Case(
        {"secrets": {SECRET: {"ca-key": None}}},
        {"status": blocked("config ca-secret ca-key")},
        given=WITH_CA,
        same={CACERTS: PRESENT},
    ),
    "istiod tolerates nodes whose CNI is not ready, and what is added": Case(
        {"config": {"istiod-tolerations": TAINT}},
        {f"{ISTIOD}.spec.tolerations": [NOT_READY, TOLERATION]},
    ),
    "istio-cni runs on every node again": Case(
        {"config": {"cni-tolerations": ""}},
        {f"{CNI}.spec.tolerations": EVERY_TAINT},
        given={"config": {"cni-tolerations": TAINT}},
    ),
    "ztunnel runs on every node again": Case(
        {"config": {"ztunnel-tolerations": ""}},
        {f"{ZTUNNEL}.spec.tolerations": EVERY_TAINT},
        given={"config": {"ztunnel-tolerations": TAINT}},
    ),
    "a mesh-config that istiod refused": Case(
        refused(OVERLAY),
        {
            f"{MESH}.accessLogFile": "/dev/stdout",
            "status": blocked("config mesh-config", "see its log"),
            **{
                f"{CONFIG}: metadata.annotations[{key}]": value
                for key, value in left_out(OVERLAY).annotations.items()
            },
        },
        given={**OVERLAID, **refused({"accessLogFile": "other"})},
    ),
    "a mesh-config that a proxy refused": Case(
        refused(OVERLAY, "bad words"),
        {"status": blocked("config mesh-config", "bad words")},
        given={**OVERLAID, **refused(OVERLAY, "other words")},
        same={f"{MESH}.accessLogFile": "/dev/stdout"},
    ),
    "an istiod that runs on its defaults, in hardened mode": Case(
        {"config": {"hardened-mode": True}},
        {"status": Has("built-in configuration, so hardened mode may be open")},
        given={"objects": BUILT_IN, "earlier": {}, "meanwhile": WORKS},
    ),
    "an istiod that runs on its defaults, with a new mesh-config": Case(
        OVERLAID,
        {"status": Has("built-in configuration", "correct config mesh-config")},
        given={"objects": BUILT_IN},
    ),
    "an istiod that does not take the configuration": Case(
        {"objects": {f"EndpointSlice {SYSTEM}/istiod-1": DROPPED}},
        {"status": Has("waiting: istiod: it does not use the applied configuration yet")},
        given={"earlier": {}, "meanwhile": WORKS},
    ),
    "an istiod that never took the configuration": Case(
        {"objects": {f"EndpointSlice {SYSTEM}/istiod-1": DROPPED}},
        {"status": blocked("config mesh-config"), f"{MESH}.accessLogFile": "/dev/stdout"},
        given={**OVERLAID, "meanwhile": LONG_AGO},
    ),
    "a mesh-config without effect in ambient mode": Case(
        {"config": {"mesh-config": "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"}},
        {"status": warning("config mesh-config outboundTrafficPolicy")},
        same={"codes": ["CI-106"]},
        given={
            "config": {"mesh-config": "proxyHttpPort: 8080"},
            "earlier": {},
            "meanwhile": WORKS,
        },
    ),
    "a list in mesh-config": Case(
        {"config": {"mesh-config": "trustDomainAliases: [old.example]"}},
        {f"{MESH}.trustDomainAliases": ["old.example"]},
    ),
    "a mesh that works": Case(
        {"meanwhile": WORKS},
        # Without it hooks follow, until everything is ready.
        {"status": "active: ", "plan: checks.retry-10s": ABSENT},
        given={"earlier": {}},
    ),
    "an upgrade": Case(
        {"earlier": {"config": {"tag": OTHER_TAG}}, "meanwhile": WORKS},
        {
            "status": Has("waiting: istio-cni ", "istiod"),
            f"{CNI}.spec.containers[install-cni].image": Has(f":{OTHER_TAG}-"),
            f"{ZTUNNEL}.spec.containers[istio-proxy].image": Has(f":{OTHER_TAG}-"),
        },
        same={
            f"{ISTIOD}.spec.containers[discovery].image": Has(f":{manifests.VERSION}-"),
            # No event tells that istiod is ready.
            "plan: checks.retry-10s": PRESENT,
        },
    ),
    "a mesh that works, with Cilium that disables other plugins": Case(
        {"config": {"cni-preflight": "warn"}},
        {"status": warning("preflight cilium-config cni-exclusive")},
        same={"codes": ["CI-601"]},
        given={"objects": {CILIUM: EXCLUSIVE}, "earlier": {"objects": {CILIUM: None}}}
        | {"meanwhile": WORKS},
    ),
    "a ConfigMap of Cilium's name that is not Cilium's": Case(
        {
            "objects": {
                "ConfigMap other/cilium-config": EXCLUSIVE,
                "ConfigMap kube-system/another": EXCLUSIVE,
            }
        },
        {"ConfigMap other/cilium-config": PRESENT},
        same={f"Deployment {SYSTEM}/istiod": PRESENT},
    ),
    "a node of k3s": Case(
        {"objects": {"Node node-0": {"spec": {"providerID": "k3s://node-0"}}}},
        {f"{VALUES}.platform": "k3s"},
    ),
    "a mesh that runs already": Case(
        {"earlier": {"objects": {CILIUM: None}, "config": {"mesh-config": ""}}},
        {f"{MESH}.accessLogFile": "/dev/null"},
        given={
            "config": {"mesh-config": "accessLogFile: /dev/null"},
            "objects": {CILIUM: EXCLUSIVE},
        },
    ),
    "an old Kubernetes": Case(
        {"kubernetes": OLD_KUBERNETES},
        {
            "status": blocked(
                "preflight Kubernetes",
                OLD_KUBERNETES,
                ".".join(map(str, manifests.MIN_KUBERNETES)),
            )
        },
    ),
    "Cilium that disables other plugins": Case(
        {"objects": {CILIUM: EXCLUSIVE}},
        {"status": blocked("preflight cilium-config cni-exclusive"), "requests": []},
    ),
    "Cilium that balances at sockets": Case(
        {"objects": {CILIUM: {"data": {"bpf-lb-sock": "true"}}}},
        {"status": blocked("preflight cilium-config bpf-lb-sock-hostns-only")},
    ),
    "another Istio": Case(
        {
            "objects": {
                "Deployment old/istiod": {
                    "metadata": {"labels": {"app": "istiod"}},
                    "spec": {"selector": {}, "template": {}},
                }
            }
        },
        {"status": blocked("preflight Istio", "old/istiod")},
    ),
    "definitions of another installer": Case(
        {"objects": {GATEWAYS: DEFINITION}},
        {"status": blocked("preflight Gateway API", OLD_BUNDLE, manifests.gateway_api_version())},
    ),
    "definitions of another installer of Istio": Case(
        {
            "objects": {
                POLICIES: merged(
                    DEFINITION,
                    {"metadata": None, "spec": {"group": "security.istio.io"}},
                )
            }
        },
        {
            "status": blocked(
                "preflight CustomResourceDefinition", "authorizationpolicies", manifests.VERSION
            )
        },
    ),
    "definitions of an application that is no more": Case(
        {"objects": {GATEWAYS: {"metadata": {"annotations": {OWNER: "dead/istio"}}}}},
        {
            f"{GATEWAYS}: spec.scope": "Namespaced",
            f"{GATEWAYS}: metadata.annotations[{OWNER}]": f"{SYSTEM}/istio",
        },
        given={"objects": {GATEWAYS: DEFINITION}},
    ),
    "definitions of no other installer": Case(
        {"objects": {GATEWAYS: None}},
        {
            f"{GATEWAYS}: spec.scope": "Namespaced",
            POLICIES: PRESENT,
        },
        given={"objects": {GATEWAYS: DEFINITION}},
    ),
}

CONSTANT = {"control_plane.Config.purge_ca": "the removal reads it, and gathers no facts"}
MORE = {**integrations.CASES, **preflight.CASES, **preflight.with_works(WORKS), **actions.PREVIEW}
SUITE = Suite(BASE, OPTIONS, {**FACTS, **MORE}, CONSTANT)
