# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The intended differences from istioctl. An entry that matches nothing fails the test."""

from ._compare import ABSENT, Intended

_INSTALLER = "names the installer, which is not Helm here; nothing in the mesh reads it"
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
        "the application that applies the objects writes its own name",
        ours=ABSENT,
        theirs="istio",
    ),
    Intended(
        "*",
        "*labels.app.kubernetes.io/version",
        "the version of the charts; in a pod template it would restart pods without a reason",
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
        "ambient only: no webhook can prevent the creation of pods",
        ours=ABSENT,
    ),
    Intended(
        "ConfigMap/*/istio-sidecar-injector",
        "data.config",
        "our own templates, none for sidecars: the objects that istiod renders are compared",
    ),
    Intended(
        "ConfigMap/*/istio-sidecar-injector",
        "data.values.*",
        "only the values that our templates and istiod read: the rendered objects are compared",
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
        "spec.template.metadata.annotations.charmed-istio/jwks-ca",
        "istiod reads the CAs for JWKS when it starts only: changed ones replace its pods",
        theirs=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "spec.template.metadata.annotations.charmed-istio/mesh-ca",
        "istiod reads its own CA when it starts: another CA replaces its pods",
        theirs=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.topologySpreadConstraints*",
        "several istiods are not all on one node, as far as there are others",
        theirs=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.terminationMessagePolicy",
        "the status of the unit says why istiod ended, by the end of its log",
        ours="FallbackToLogsOnError",
        theirs=ABSENT,
    ),
    Intended(
        _ISTIOD_DEPLOYMENT,
        "*.env[BLOCKED_CIDRS_IN_JWKS_URIS].*",
        "istiod fetches no keys from loopback, link-local and metadata addresses",
        theirs=ABSENT,
    ),
    Intended(
        "Secret/*/cacerts",
        "",
        "the site's own CA: with the charts the operator creates this Secret",
        theirs=ABSENT,
    ),
    Intended(
        "ServiceAccount/*/charmed-istio-acceptance",
        "",
        "without rights: with its token the charms ask istiod what is in force",
        theirs=ABSENT,
    ),
    Intended(
        "ConfigMap/*/istio",
        "data.mesh.extensionProviders[charmed-istio.applied.*].*",
        "nothing uses it: istiod shows by it that it uses this MeshConfig",
        theirs=ABSENT,
    ),
    Intended(
        "ConfigMap/*/istio",
        "data.mesh.defaultProviders.metrics[0]",
        "the charts drop the metrics provider when a tracing provider is set; ours stays",
        ours="prometheus",
        theirs=ABSENT,
    ),
    Intended(
        "DaemonSet/*/istio-cni-node",
        "*.volumes[cni-bin-dir].hostPath.path",
        "the charts derive this from the version of a GKE cluster; without a cluster they guess",
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
    Intended(
        "ConfigMap/*/istio",
        "data.mesh.extensionProviders*charmed-istio.applied.*",
        "the mark by which the charm learns whether istiod took the MeshConfig",
        theirs=ABSENT,
    ),
    Intended(
        "ServiceAccount/*/charmed-istio-acceptance",
        "",
        "the account, without any right, as which the charms ask istiod what was taken",
        theirs=ABSENT,
    ),
)
