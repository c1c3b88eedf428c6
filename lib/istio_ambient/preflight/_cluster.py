# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Conditions about the cluster itself."""

from collections.abc import Iterator

from istio_ambient import kube, manifests
from istio_ambient.preflight._conditions import Area, Cluster, Condition, Finding, always
from istio_ambient.values.problem_codes import Code

_FORBIDS = ("baseline", "restricted")
_NEEDED = ".".join(map(str, manifests.MIN_KUBERNETES))


def _kubernetes(cluster: Cluster) -> Iterator[Finding]:
    version = cluster.around.kubernetes
    if version is not None and version < manifests.MIN_KUBERNETES:
        yield Finding(
            "Kubernetes",
            f"is {version[0]}.{version[1]}, and Istio {manifests.VERSION} needs {_NEEDED}",
            f"upgrade Kubernetes to {_NEEDED} or newer",
        )


def _pod_security(cluster: Cluster) -> Iterator[Finding]:
    level = cluster.around.pod_security
    if level in _FORBIDS:
        yield Finding(
            f"namespace {cluster.model}",
            f"enforces the Pod Security Standard {level}: no pod of istio-cni and ztunnel would "
            "be created",
            kube.allow_any_pod(cluster.model),
        )


def _other_istios(cluster: Cluster) -> Iterator[Finding]:
    found = cluster.around.other_istios
    if found:
        yield Finding(
            "Istio",
            f"another one is in this cluster: {', '.join(found)}",
            "remove it, or this application",
        )


CONDITIONS = (
    Condition(
        name="kubernetes-version",
        area=Area.CLUSTER,
        about="Any cluster",
        title="Kubernetes is new enough",
        reads="the version of the API server",
        wrong=f"older than {_NEEDED}",
        code=Code.KUBERNETES_TOO_OLD,
        sources=(
            "istio/istio istioctl/pkg/install/k8sversion: "
            "https://github.com/istio/istio/blob/master/istioctl/pkg/install/k8sversion/version.go",
            "Istio, Supported Releases: https://istio.io/latest/docs/releases/supported-releases/",
        ),
        find=_kubernetes,
        applies=always,
    ),
    Condition(
        name="pod-security",
        area=Area.CLUSTER,
        about="Any cluster",
        title="the model's namespace allows the pods of istio-cni and ztunnel",
        reads=f"the model's namespace: label `{kube.POD_SECURITY_LABEL}`; in `check`, also a dry "
        "run of such a pod, which decides where no label is set",
        wrong="`baseline` or `restricted`",
        code=Code.POD_SECURITY,
        sources=(
            "Istio, Install Istio with Pod Security Admission: "
            "https://istio.io/latest/docs/setup/additional-setup/pod-security-admission/",
            "Kubernetes, Pod Security Standards: "
            "https://kubernetes.io/docs/concepts/security/pod-security-standards/",
        ),
        find=_pod_security,
        applies=always,
    ),
    Condition(
        name="other-istio",
        area=Area.CLUSTER,
        about="Any cluster",
        title="there is no other Istio",
        reads="Deployments and webhooks with Istio's labels",
        wrong="one of another owner works: a webhook whose Service has endpoints, or a Deployment",
        code=Code.OTHER_ISTIO,
        sources=(
            "Istio, Install Multiple Istio Control Planes: "
            "https://istio.io/latest/docs/setup/install/multiple-controlplanes/",
        ),
        find=_other_istios,
        applies=always,
    ),
)
