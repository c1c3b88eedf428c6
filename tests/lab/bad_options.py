# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Invalid values of the options of istio-k8s."""

AMOUNTS = [
    ("{limits: {memory: 1Mi}}", "limits.memory", "raise it"),
    ("{limit: {memory: 1Gi}}", "limit", "use requests and limits"),
    ("[1]", "a list, not a mapping", "key: value"),
]
TOLERATIONS = [
    ("[{key: a, effect: Never}]", "'Never'", "NoSchedule"),
    ("{key: a}", "a mapping, not a list", "- item"),
]
LABELS = [
    ("{kubernetes.io/os: windows}", "kubernetes.io/os", "remove it"),
    ("{a: 1}", "1 is no value of a label", "quote it"),
    ("- a", "a list, not a mapping", "key: value"),
]
VARIABLES = [
    ("[A]", "a list, not a mapping", "key: value"),
    ("A: {", "no YAML", "correct it"),
]
BAD: dict[str, list[tuple[str, str, str]]] = {
    "platform": [
        ("bogus", "'bogus'", "'openshift'"),
        ("MicroK8s", "'MicroK8s'", "'microk8s'"),
    ],
    "cni-bin-dir": [("bin", "'bin'", "absolute path"), ("/a/../b", "'/a/../b'", "without '..'")],
    "cni-conf-dir": [("net.d", "'net.d'", "absolute path")],
    "mtls-mode": [("Strict", "'Strict'", "'strict'")],
    "hub": [("https://docker.io/istio", "'https://docker.io/istio'", "without https://")],
    "tag": [
        ("1-distroless", "variant", "leave -distroless out"),
        ("a b", "'a b'", "letters"),
        ("latest", "'latest'", "begin it with the version"),
        ("1.9.2", "1.9, and the charm", "use a tag of"),
    ],
    "image-pull-policy": [("Sometimes", "'Sometimes'", "'Never'")],
    "image-pull-secrets": [("Upper", "'Upper'", "names of Secrets")],
    "ca-secret": [("secret:d0g5k1hmp25c76d2u9a0", "no such secret", "juju grant-secret")],
    "mesh-config": [
        ("acessLogFile: /dev/null", "acessLogFile", "accessLogFile"),
        ("accessLogFile: 1", "accessLogFile", "use text"),
        ("rootNamespace: elsewhere", "rootNamespace", "remove it"),
        ("a: [", "no YAML", "correct it"),
    ],
    "istiod-resources": AMOUNTS,
    "istiod-tolerations": TOLERATIONS,
    "istiod-node-selector": [("{a: 1}", "1 is no value of a label", "quote it")],
    "ca-address": [("https://ca.example:443", "'https://ca.example:443'", "<port>")],
    "cluster-id": [("a b", "'a b'", "letters")],
    "trust-domain": [("spiffe://shop", "'spiffe://shop'", "without spiffe://")],
    "trust-domain-aliases": [("a.test b.test c.test", "3 aliases", "at most 2")],
    "istiod-affinity": [
        ("{nodeAfinity: {}}", "nodeAfinity", "API reference"),
        ("[1]", "a list, not a mapping", "key: value"),
    ],
    "istiod-topology-spread": [
        (
            "[{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: Never}]",
            "'Never'",
            "DoNotSchedule",
        ),
        ("[{maxSkew: 1}]", "[0]", "API reference"),
    ],
    "istiod-priority-class": [("Very High", "'Very High'", "system-cluster-critical")],
    "istiod-env": VARIABLES,
    "cni-resources": AMOUNTS,
    "cni-tolerations": TOLERATIONS,
    "cni-node-selector": LABELS,
    "cni-env": VARIABLES,
    "ztunnel-resources": AMOUNTS,
    "ztunnel-tolerations": TOLERATIONS,
    "ztunnel-node-selector": LABELS,
    "ztunnel-env": VARIABLES,
    "cni-preflight": [("ignore", "'ignore'", "'warn'")],
}
"""Option → invalid values, each with the place and the remedy that the status names."""
