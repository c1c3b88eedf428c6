# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where we differ from istioctl on purpose. An entry that matches nothing fails the test."""

from ._compare import ABSENT, Intended

_INSTALLER = "names the installer: we are not Helm, and nothing in the mesh reads it"
_ISTIOD_DEPLOYMENT = "Deployment/*/istiod"

INTENDED: tuple[Intended, ...] = (
    Intended("*", "*labels.helm.sh/chart", _INSTALLER, ours=ABSENT),
    Intended("*", "*labels.app.kubernetes.io/managed-by", _INSTALLER, ours=ABSENT, theirs="Helm"),
    Intended("*", "*labels.release", _INSTALLER, ours=ABSENT),
    Intended(
        "*", "*labels.install.operator.istio.io/owning-resource", _INSTALLER, theirs="unknown"
    ),
    Intended("*", "*labels.operator.istio.io/component", _INSTALLER, ours=ABSENT),
    Intended(
        "*",
        "*labels.app.kubernetes.io/instance",
        "whoever applies the objects says whose they are",
        ours=ABSENT,
        theirs="istio",
    ),
    Intended(
        "*",
        "*labels.app.kubernetes.io/version",
        "the version of the charts; in a pod template it would restart pods for nothing",
        ours=ABSENT,
    ),
    Intended(
        "ClusterRoleBinding/istio-cni-*",
        "metadata.labels.app",
        "labelled like everything else of istio-cni",
        ours="istio-cni",
        theirs=ABSENT,
    ),
    Intended(
        "ClusterRoleBinding/istio-cni-*",
        "metadata.labels.k8s-app",
        "labelled like everything else of istio-cni",
        ours=ABSENT,
        theirs="istio-cni-repair",
    ),
    Intended(
        "MutatingWebhookConfiguration/istio-sidecar-injector*",
        "",
        "ambient only: no webhook stands in the way when anybody's pods are created",
        ours=ABSENT,
    ),
    Intended(
        "ConfigMap/*/istio-sidecar-injector",
        "data.config",
        "templates of our own, and none for sidecars: what istiod makes of them is compared",
    ),
    Intended(
        "ConfigMap/*/istio-sidecar-injector",
        "data.values.*",
        "only the values that our templates and istiod read: what comes of them is compared",
        ours=ABSENT,
    ),
    Intended(
        "ConfigMap/*/values",
        "",
        "the values of the charts, kept for debugging them; nothing reads it",
        ours=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.env[PLATFORM].name",
        "an empty variable is the same to istiod as none",
        ours=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.env[PLATFORM].value",
        "an empty variable is the same to istiod as none",
        ours=ABSENT,
        theirs="",
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "spec.template.metadata.annotations.charmed-istio.io/jwks-ca",
        "istiod reads the authorities for JWKS when it starts only: changed ones replace its pods",
        theirs=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "spec.template.metadata.annotations.charmed-istio.io/mesh-ca",
        "istiod reads its own authority when it starts: another one replaces its pods",
        theirs=ABSENT,
    ),
    Intended(
        "Secret/*/cacerts",
        "",
        "the site's own authority: with the charts it is for the operator to create",
        theirs=ABSENT,
    ),
    Intended(
        "ConfigMap/*/istio",
        "data.mesh.defaultProviders.metrics[0]",
        "the charts drop the provider of metrics as soon as one of traces is set; ours stays",
        ours="prometheus",
        theirs=ABSENT,
    ),
    Intended(
        "DaemonSet/*/istio-cni-node",
        "*.volumes[cni-bin-dir].hostPath.path",
        "on GKE the charts ask the cluster for its version to find this; without one they guess",
        ours="/home/kubernetes/bin",
        theirs="/opt/cni/bin",
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.env[CA_TRUSTED_NODE_ACCOUNTS].value",
        "OpenShift's profile expects ztunnel in kube-system; ours runs beside istiod",
        theirs="kube-system/ztunnel",
    ),
    Intended(
        "NetworkAttachmentDefinition/default/istio-cni",
        "",
        "on OpenShift, pods with sidecars refer to it; there are none",
        ours=ABSENT,
    ),
    Intended("CustomResourceDefinition/*.istio.io", "metadata.labels.*", _INSTALLER, ours=ABSENT),
    Intended(
        "CustomResourceDefinition/*.istio.io",
        "metadata.annotations.helm.sh/resource-policy",
        _INSTALLER,
        ours=ABSENT,
    ),
)
