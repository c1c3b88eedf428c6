# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Check of the lab itself, with Istio's own manifests: `python -m tests.lab.selfcheck`.

It runs inside (`python -m tests.lab.run -- …`). When a test of the charms fails and this check
passes, the fault is in the charms.
"""

import subprocess
import sys
import time
from typing import Any

import lightkube
import rich.console
import yaml
from lightkube import codecs
from lightkube.resources import apps_v1

from tests import lab
from tests.lab import _binaries, _objects

_AuthorizationPolicy = _objects.custom(
    "security.istio.io", "v1", "AuthorizationPolicy", "authorizationpolicies"
)
_objects.custom("gateway.networking.k8s.io", "v1", "Gateway", "gateways")
_objects.custom("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")
_NAMESPACE = "shop"
_APPLICATION = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: shop}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: NAME}}
  template:
    metadata:
      labels: {app.kubernetes.io/name: NAME, istio.io/dataplane-mode: ambient}
      annotations: {lab.charmed-istio/app: "true"}
    spec:
      serviceAccountName: NAME
      containers: [{name: NAME, image: NAME, ports: [{containerPort: 9080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: NAME, namespace: shop, labels: {istio.io/use-waypoint: waypoint}}
spec:
  selector: {app.kubernetes.io/name: NAME}
  ports: [{port: 9080}]
"""
_CONFIGURATION = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop, labels: {istio.io/waypoint-for: service}}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ingress, namespace: shop}
spec:
  gatewayClassName: istio
  listeners:
  - {name: http-80, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: reviews, namespace: shop}
spec:
  parentRefs: [{name: ingress, namespace: shop, sectionName: http-80}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /shop-reviews}}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    backendRefs: [{name: reviews, port: 9080}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews, namespace: shop}
spec:
  targetRefs: [{group: "", kind: Service, name: reviews}]
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/productpage]}}]
    to: [{operation: {methods: [GET], paths: [/reviews/*]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: outside, namespace: shop}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: ingress}]
  action: ALLOW
  rules:
  - from: [{source: {ipBlocks: [192.0.2.0/24]}}]
"""
_L4 = """
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: istio-system}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: reviews-l4, namespace: shop}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: reviews}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/waypoint]}}]
"""


class Check:
    """Counts unexpected responses."""

    def __init__(self) -> None:
        self.console = rich.console.Console()
        self.failed = 0
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """Print the current step, with the time since the start."""
        self.console.print(f"{time.monotonic() - self._started:6.1f} s  {text}", highlight=False)

    def expect(self, what: str, got: lab.Response, status: int | None, hop: str) -> None:
        """Compare a response with the expected one."""
        right = (got.status, got.hop) == (status, hop)
        self.failed += not right
        mark = "ok" if right else f"WRONG, expected {status} by {hop} {got.error} {got.body[:200]}"
        self.step(f"{what}: {got.status} by {got.hop}  {mark}")


def apply(client: lightkube.Client, text: str) -> None:
    """Apply YAML unchanged: definitions first, each kind once it is served."""
    documents: list[dict[str, Any]] = [
        found for found in yaml.load_all(text, yaml.CSafeLoader) if found
    ]
    documents.sort(key=lambda found: found["kind"] != "CustomResourceDefinition")
    for document in documents:
        item: Any = codecs.from_dict(document)
        lab.eventually(lambda item=item: client.apply(item, field_manager="selfcheck"))


def install(cluster: lab.Cluster) -> None:
    """Install Istio's own manifests, without the webhook for sidecars."""
    result = subprocess.run(
        [_binaries.program("istioctl"), "manifest", "generate", "--set", "profile=ambient"],
        capture_output=True,
        text=True,
        check=True,
    )
    documents = [
        found
        for found in yaml.load_all(result.stdout, yaml.CSafeLoader)
        if found and found["kind"] != "MutatingWebhookConfiguration"
    ]
    definitions = [
        path.read_text()
        for path in sorted((_binaries.folder() / "gateway-api-crds").glob("*.yaml"))
        if path.name.startswith("gateway.networking.k8s.io_") and "vap_" not in path.name
    ]
    for name in ("istio-system", _NAMESPACE):
        metadata = {"name": name}
        apply(
            cluster.client,
            yaml.safe_dump({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
        )
    apply(
        cluster.client,
        "\n---\n".join([*definitions, yaml.dump_all(documents, Dumper=yaml.CSafeDumper)]),
    )


def main() -> int:
    """Run the check; return its exit status."""
    check = Check()
    check.step("starting the cluster")
    with lab.Cluster() as cluster:
        check.step("cluster ready")
        run(cluster, check)
        if check.failed:
            check.step(f"logs: {cluster.keep_logs()}")
    check.step("stopped")
    return 1 if check.failed else 0


def run(cluster: lab.Cluster, check: Check) -> None:
    """Install Istio, send requests, change policies, send requests again."""
    install(cluster)
    check.step("istio applied")
    cluster.wait_ready(apps_v1.Deployment, "istiod", "istio-system")
    check.step("istiod ready")
    for name in ("productpage", "ratings", "reviews"):
        apply(cluster.client, _APPLICATION.replace("NAME", name))
    apply(cluster.client, _CONFIGURATION)
    for name in ("productpage", "ratings", "reviews"):
        cluster.wait_ready(apps_v1.Deployment, name, _NAMESPACE)
    check.step("applications ready")
    cluster.wait_gateway("waypoint", _NAMESPACE)
    check.step("waypoint ready")
    cluster.wait_gateway("ingress", _NAMESPACE)
    check.step("gateway ready")
    cluster.wait_synced()
    check.step("in sync")
    service = "shop/reviews:9080"
    for source, path, status, hop in (
        ("shop/productpage", "/reviews/1", 200, "application"),
        ("shop/productpage", "/admin", 403, "waypoint"),
        ("shop/ratings", "/reviews/1", 403, "waypoint"),
    ):
        check.expect(
            f"{source} GET {path}", cluster.request(source, service, path=path), status, hop
        )
    outside = "http://203.0.113.10/shop-reviews/x"
    for address, status, hop in (
        ("192.0.2.10", 200, "application"),
        ("198.51.100.7", 403, "gateway"),
    ):
        got = cluster.request_outside(outside, address)
        check.expect(f"{address} GET {outside}", got, status, hop)
    if cluster.has_ztunnel:
        run_l4(cluster, check, service)
    else:
        check.step("L4: not run, there is no ztunnel")


def run_l4(cluster: lab.Cluster, check: Check, service: str) -> None:
    """Check the requests about which ztunnel decides."""
    got = cluster.request("shop/ratings", service, via="pod")
    check.expect("ratings past the waypoint, no L4 policy", got, 200, "application")
    apply(cluster.client, _L4.split("---")[0])
    cluster.wait_synced()
    check.step("in sync")
    got = cluster.request("shop/productpage", service, path="/reviews/1")
    check.expect("through the waypoint, nothing allowed", got, 503, "ztunnel")
    apply(cluster.client, _L4.split("---")[1])
    cluster.wait_synced()
    check.step("in sync")
    got = cluster.request("shop/productpage", service, path="/reviews/1")
    check.expect("through the waypoint, waypoint allowed", got, 200, "application")
    got = cluster.request("shop/ratings", service, via="pod")
    check.expect("ratings past the waypoint", got, 401, "ztunnel")
    cluster.client.delete(_AuthorizationPolicy, "nothing", namespace="istio-system")


if __name__ == "__main__":
    sys.exit(main())
