# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the engine has to know of this project: custom resource types, and whose objects are ours.

Each type is a lightkube generic resource: a `dict` with the fields of the Kubernetes object, for
example `AuthorizationPolicy({"metadata": {...}, "spec": {...}})`. lightkube keeps one class per
(apiVersion, kind) and process; a class that another library registered before is used as it is.

Types of Istio and of the Gateway API, and the labels and annotations of a Juju application's
objects are here, so that `kube` knows none of them.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from lightkube import generic_resource
from lightkube.core import resource, resource_registry

from istio_ambient import kube
from istio_ambient.values.names import is_owner, model_app_name

Namespaced = generic_resource.GenericNamespacedResource
Cluster = generic_resource.GenericGlobalResource

R = TypeVar("R", Namespaced, Cluster)
_Create: TypeAlias = Callable[[str, str, str, str], type[R]]


def _type(
    base: type[R], create: _Create[R], group: str, version: str, kind: str, plural: str
) -> type[R]:
    """Return the class that is registered in this process for a resource, or create it.

    Raises:
        TypeError: the class that is registered under this name is not this resource.
    """
    api_version = f"{group}/{version}"
    found = resource_registry.resource_registry.get(api_version, kind)
    if found is None:
        return create(group, version, kind, plural)
    if not issubclass(found, base) or resource.api_info(found).plural != plural:
        raise TypeError(
            f"lightkube already has {api_version} {kind} as {found!r}: expected a generic "
            f"{'namespaced' if base is Namespaced else 'cluster'} resource with plural {plural}"
        )
    return found


# lightkube leaves the last, optional parameter of these untyped.
_namespaced = functools.partial(
    _type,
    Namespaced,
    cast(_Create[Namespaced], generic_resource.create_namespaced_resource),  # pyright: ignore[reportUnknownMemberType]
)
_cluster = functools.partial(
    _type,
    Cluster,
    cast(_Create[Cluster], generic_resource.create_global_resource),  # pyright: ignore[reportUnknownMemberType]
)


def defined_by(crd: Mapping[str, Any]) -> type[Namespaced] | type[Cluster]:
    """Return the lightkube class of the custom resources that a definition defines.

    Args:
        crd: a CustomResourceDefinition in JSON form; its first served version is used.
    """
    spec = crd["spec"]
    version = next(each["name"] for each in spec["versions"] if each["served"])
    make = _namespaced if spec["scope"] == "Namespaced" else _cluster
    return make(spec["group"], version, spec["names"]["kind"], spec["names"]["plural"])


_SECURITY = "security.istio.io"
_GATEWAY = "gateway.networking.k8s.io"

AuthorizationPolicy = _namespaced(_SECURITY, "v1", "AuthorizationPolicy", "authorizationpolicies")
PeerAuthentication = _namespaced(_SECURITY, "v1", "PeerAuthentication", "peerauthentications")
RequestAuthentication = _namespaced(
    _SECURITY, "v1", "RequestAuthentication", "requestauthentications"
)
DestinationRule = _namespaced("networking.istio.io", "v1", "DestinationRule", "destinationrules")
Telemetry = _namespaced("telemetry.istio.io", "v1", "Telemetry", "telemetries")
GatewayClass = _cluster(_GATEWAY, "v1", "GatewayClass", "gatewayclasses")
Gateway = _namespaced(_GATEWAY, "v1", "Gateway", "gateways")
HTTPRoute = _namespaced(_GATEWAY, "v1", "HTTPRoute", "httproutes")
GRPCRoute = _namespaced(_GATEWAY, "v1", "GRPCRoute", "grpcroutes")

# Of CNIs, which the preflight of istio-k8s reads.
CiliumClusterwideNetworkPolicy = _cluster(
    "cilium.io", "v2", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies"
)
FelixConfiguration = _cluster(
    "crd.projectcalico.org", "v1", "FelixConfiguration", "felixconfigurations"
)
FelixConfigurationV3 = _cluster(
    "projectcalico.org", "v3", "FelixConfiguration", "felixconfigurations"
)
SecurityGroupPolicy = _namespaced(
    "vpcresources.k8s.aws", "v1beta1", "SecurityGroupPolicy", "securitygrouppolicies"
)
ClusterNetwork = _cluster("operator.openshift.io", "v1", "Network", "networks")
"""Configuration of OpenShift's Cluster Network Operator."""

DATAPLANE_MODE = "istio.io/dataplane-mode"
"""Label of a pod, or of its namespace: `ambient` puts it on the mesh, `none` keeps it off."""

FIELD_MANAGER = "charmed-istio"
INSTANCE_LABEL = "app.kubernetes.io/instance"
_FORMER_DOMAIN = "charmed-istio.io"
"""Domain of our annotations in earlier releases: `istioctl` takes names that end like Istio's own
for Istio's, and warns of each."""
OWNER_ANNOTATION = "charmed-istio/owner"
UNKNOWN_OWNER = "an unknown owner"
"""What is shown in place of an owner whose name is none."""
HASH_ANNOTATION = "charmed-istio/applied-hash"
REQUESTED_BY = "charmed-istio/requested-by"
"""Annotation of policies and routes: who asked for them, each `<application>:<endpoint>`."""
ACCEPTANCE_ACCOUNT = "charmed-istio-acceptance"
"""ServiceAccount in istiod's namespace, without any rights, with whose token istiod is asked what
it and the proxies took."""
SCOPE_LABEL = "kubernetes-resource-handler-scope"
"""The label under which the public charms of the same names keep their objects."""


def identity(
    model: str,
    app: str,
    adopted_scopes: frozenset[str] = frozenset(),
    access: kube.Access = kube.NO_ACCESS,
) -> kube.Identity:
    """Return a Juju application as the owner of objects in the cluster.

    The instance label is `<model>-<app>`, cut with a hash past 63 characters. It is ambiguous:
    model `a-b` with application `c` and model `a` with application `b-c` share it. The owner
    annotation, `<model>/<app>`, is not.

    Args:
        model: the application's model, which is its namespace too.
        app: the application's name.
        adopted_scopes: values of the scope label. Objects of the public charm of the same name
            that have one of them, in the same model and of the same application, are adopted.
        access: the order of writes, `authorization.order.ACCESS`.
    """
    return kube.Identity(
        namespace=model,
        name=app,
        labels={INSTANCE_LABEL: model_app_name(model, app, separator="-")},
        owner_annotation=OWNER_ANNOTATION,
        hash_annotation=HASH_ANNOTATION,
        field_manager=FIELD_MANAGER,
        former_domain=_FORMER_DOMAIN,
        access=access,
        adopts=functools.partial(_is_of_public_charm, app, adopted_scopes),
        permission_hint=f"juju trust {app} --scope=cluster",
    )


def mark(annotations: Mapping[str, Any], key: str) -> str | None:
    """Return the value of an annotation of these charms, also as earlier releases named it."""
    return kube.mark(annotations, key, _FORMER_DOMAIN)


def owner(annotations: Mapping[str, Any]) -> str:
    """Return the owner that annotations name, `<model>/<application>`; empty: none.

    Anybody may write the annotation. Only names that Juju gives count: they are fit for commands.
    """
    named = mark(annotations, OWNER_ANNOTATION)
    return named if isinstance(named, str) and is_owner(named) else ""


def owner_text(annotations: Mapping[str, Any]) -> str:
    """Return the owner in a text: `UNKNOWN_OWNER` where the name is none; empty: no annotation."""
    is_named = mark(annotations, OWNER_ANNOTATION) is not None
    return owner(annotations) or (UNKNOWN_OWNER if is_named else "")


def is_written_by_owner(metadata: Mapping[str, Any]) -> bool:
    """Return whether the owner that an object names certainly wrote it.

    It has the owner's instance label, was applied by the field manager of these charms, and is in
    the owner's own model. In other namespaces, whoever may write there may write all of that too.

    Args:
        metadata: of a live object, in JSON form.
    """
    named = owner(kube.section(metadata, "annotations"))
    model, _, app = named.partition("/")
    applied = ("Apply", FIELD_MANAGER)
    return (
        bool(named)
        and metadata.get("namespace") == model
        and kube.section(metadata, "labels").get(INSTANCE_LABEL)
        == model_app_name(model, app, separator="-")
        and any(
            (entry.get("operation"), entry.get("manager")) == applied
            for entry in kube.items(metadata, "managedFields")
        )
    )


def _is_of_public_charm(app: str, scopes: frozenset[str], live: kube.Manifest) -> bool:
    metadata = kube.section(live, "metadata")
    if kube.section(metadata, "labels").get(SCOPE_LABEL) not in scopes:
        return False
    # The public charms apply with the application's name as field manager, which settles which
    # of two applications with one instance label made the object.
    return any(entry.get("manager") == app for entry in kube.items(metadata, "managedFields"))
