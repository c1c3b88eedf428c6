# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The codes of problems: the one table from which `docs/reference/problems.md` is generated.

Everything that a status reports has a code. An operator finds its page by it, and a program tells
problems apart by it, so a number is never used again and never changes its meaning:

| numbers | about |
|---|---|
| 001 to 099 | the API server and objects in the cluster |
| 101 to 199 | options |
| 201 to 299 | relations and their databags |
| 301 to 399 | access requests |
| 401 to 499 | routes and the ingress gateway |
| 501 to 599 | the gateway's certificate |
| 601 to 699 | the control plane and its preflight |
| 701 to 799 | what istiod and the proxies accept |
| 801 to 899 | login and tokens |
"""

import dataclasses
import enum
import functools
from typing import Any

from istio_ambient.values import documentation


class Severity(enum.StrEnum):
    """How much a problem of a code matters."""

    ERROR = "error"
    """Something that was asked for is not done until an operator acts."""
    WARNING = "warning"
    """It is waited for, and blocks once it takes too long; or nothing is lost meanwhile."""


# The documentation's build has no library that a struct needs.
@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a code means: the section of its page."""

    number: int
    title: str
    severity: Severity
    cause: str
    """Why the problem occurs and what it affects, in sentences."""
    remedy: str
    """What to do about it, in sentences."""


_E, _W = Severity.ERROR, Severity.WARNING


@functools.total_ordering
class Code(enum.Enum):
    """The code of a kind of problem."""

    # The API server and objects in the cluster.

    NOT_PERMITTED = Meaning(
        1,
        "the charm may not do this in the cluster",
        _E,
        "The API server's authorizer (RBAC) does not permit the charm's service account what the "
        "message names: the application was deployed without `--trust`, or its ClusterRole was "
        "changed.",
        "`juju trust <application> --scope=cluster`. The next hook goes on.",
    )
    TOKEN_REFUSED = Meaning(
        2,
        "the API server does not accept the charm's token",
        _E,
        "The API server answers 401: the token of the charm's service account has expired, or "
        "its service account was deleted and made again. More permissions do not help.",
        "Delete the pod of the unit, as the message says: it gets a new token when it starts.",
    )
    REFUSED_BY_ADMISSION = Meaning(
        3,
        "an admission webhook or policy refuses an object",
        _E,
        "The API server would accept the object, and an admission webhook or an admission policy "
        "in the cluster refuses it. The message quotes its name and its reason.",
        "Except the objects of Charmed Istio from the webhook or policy that the message names, "
        "or ask whoever runs it.",
    )
    QUOTA_EXCEEDED = Meaning(
        4,
        "a quota of the namespace is exceeded",
        _E,
        "A ResourceQuota or LimitRange of the namespace does not allow the object.",
        "Raise the quota that the message names, or lower the resources of the application's "
        "pods (`istiod-resources`, `cni-resources`, `ztunnel-resources`, `waypoint-resources`, "
        "`gateway-resources`).",
    )
    NAMESPACE_TERMINATING = Meaning(
        5,
        "the namespace is being deleted",
        _E,
        "The namespace is terminating, so the API server creates no object in it.",
        "Wait until the model is removed. If it is not meant to be removed, look at what the "
        "namespace waits for: `kubectl get namespace <model> -o yaml`.",
    )
    REQUEST_REFUSED = Meaning(
        6,
        "the API server refuses a request",
        _E,
        "The API server refuses an object for another reason, which the message quotes: a value "
        "is invalid, a field is immutable, or the answer was none of the Kubernetes API.",
        "Correct what the message names. Where it names no option or object of yours, please "
        "report it.",
    )
    NO_ANSWER = Meaning(
        7,
        "the API server does not answer, or fails",
        _W,
        "A request ended without an answer, with an error of the server, or with a conflict. "
        "What the cluster has stays as it is.",
        "None: the next hook tries again. If it lasts, look at the cluster's control plane.",
    )
    CHANGED_ON_WRITE = Meaning(
        8,
        "an admission webhook changes what is written",
        _E,
        "The API server's answer to a write differs from what was written: an admission webhook "
        "changed the object. It does not count as applied.",
        "Except the objects of Charmed Istio from that webhook.",
    )
    NAME_TAKEN = Meaning(
        9,
        "another owner has an object of this name",
        _E,
        "The name of an object that the application needs is taken by an object of another owner. "
        "That object is left as it is, and whatever needs ours is missing.",
        "Rename or remove the other object. If its owner is gone, remove the annotation "
        "`charmed-istio/owner`.",
    )
    KIND_NOT_SERVED = Meaning(
        10,
        "the cluster does not serve a kind",
        _W,
        "A custom resource definition of Istio or of the Gateway API is missing: `istio-k8s` is "
        "not deployed in this cluster, has not installed it yet, or is older than this charm. "
        "After `ready-timeout` the status is *blocked*.",
        "Deploy `istio-k8s` with `--trust` in a model of its own, or refresh it.",
    )
    RESTORED = Meaning(
        11,
        "an object was changed by another writer and is restored",
        _W,
        "An object of the application was changed from outside. It is as desired again.",
        "Find out who changes it: `kubectl get <kind> <name> -o yaml --show-managed-fields`.",
    )
    HELD = Meaning(
        12,
        "an upgrade waits for the component before it",
        _W,
        "The control plane is upgraded component by component: istiod, istio-cni, ztunnel. The "
        "next one keeps its version until the one before it is ready.",
        "None, unless the component that is waited for is reported as not ready too.",
    )
    WORKLOAD_NOT_READY = Meaning(
        13,
        "a workload is not ready",
        _W,
        "Pods of a Deployment or DaemonSet are not ready. The message has the reason that the "
        "pods, the scheduler or the quota give. After `ready-timeout` the status is *blocked*.",
        "`kubectl -n <model> describe pod <name>` shows more, and so does the pod's log.",
    )

    # Options.

    INVALID_OPTION = Meaning(
        101,
        "an option is invalid",
        _E,
        "The value of an option cannot be used. `istio-k8s` changes nothing until it is valid. "
        "The beacon and the ingress keep the last valid waypoint, gateway, hostname and networks, "
        "and use the default of other options, or what the message says; everything else goes on.",
        "`juju config <application> <option>=<value>`, or `--reset <option>`.",
    )
    SECRET_UNREADABLE = Meaning(
        102,
        "the secret of an option cannot be read",
        _E,
        "The secret that an option names does not exist, is not granted to the application, or "
        "Juju does not return its content.",
        "`juju grant-secret <name> <application>`, and give the option the secret's id.",
    )
    INVALID_CLIENT_NETWORKS = Meaning(
        103,
        "the networks of allowed clients are invalid",
        _E,
        "An entry of `external-traffic-policy-cidrs` is no network. Clients that were allowed "
        "before still are, no others: part of a list of allowed clients is another list.",
        "Use networks such as `203.0.113.0/24` or `2001:db8::/32`, with commas between them.",
    )
    MESH_CONFIG_REFUSED = Meaning(
        104,
        "istiod or a proxy refuses what mesh-config sets",
        _E,
        "The option is valid by its form, and istiod or a proxy did not accept the result. The "
        "option is left out until it changes.",
        "Correct `mesh-config` of `istio-k8s`; the message quotes the reason as far as it is "
        "known, istiod's log has it whole.",
    )
    ALREADY_ON_MESH = Meaning(
        105,
        "another application has put the model on the mesh",
        _E,
        "`model-on-mesh` is set, and another `istio-beacon-k8s` or another owner has labelled the "
        "namespace already.",
        "`juju config <application> model-on-mesh=false`, or remove the other one's labels.",
    )

    NO_EFFECT = Meaning(
        106,
        "what mesh-config sets has no effect in ambient mode",
        _W,
        "The field is about sidecars, which this mesh does not have. It is passed on to istiod "
        "and changes nothing. In particular, `outboundTrafficPolicy: {mode: REGISTRY_ONLY}` keeps "
        "no application from reaching other hosts: ztunnel lets such connections pass.",
        "Remove the field from `mesh-config` of `istio-k8s`. To limit egress, use NetworkPolicies "
        "of Kubernetes. [Features of ambient mode](features.md) has what else there is.",
    )

    INVALID_EXTRA_ACCESS = Meaning(
        120,
        "an entry of extra-access is invalid",
        _E,
        "An entry of the option `extra-access` cannot be used, or is for every client and is not "
        "confirmed. It is left out as a whole, and the application that it names is closed to its "
        "clients; the other entries are in force. An option that is no YAML list closes every "
        "target that it had opened.",
        "Correct the member that the message names. For every client, say so twice: "
        "`confirm: true`.",
    )

    OPEN_TO_EVERYONE = Meaning(
        121,
        "extra-access opens an application to every client",
        _W,
        "An entry of the option `extra-access` is for every client, or for every client outside "
        "the mesh, and says `confirm: true`. It is in force. The status shows it as long as it "
        "is, and stays *active*.",
        "None, if it is meant. Otherwise name the clients: a service account, a namespace, or "
        "networks.",
    )

    INGRESS_LABEL_TAKEN = Meaning(
        122,
        "the label istio.io/ingress-use-waypoint is of another owner",
        _E,
        "`ingress-use-waypoint` is set, and another owner has given the namespace this label with "
        "another value. It stays, and requests of ingress gateways bypass the waypoint.",
        "Remove the label with the command in the message, or "
        "`juju config <application> ingress-use-waypoint=false`.",
    )

    GATEWAYS_NOT_ADMITTED = Meaning(
        123,
        "the waypoint does not let ingress gateways pass yet",
        _W,
        "`ingress-use-waypoint` is set. Policies that let gateways pass the waypoint are written "
        "first; a later hook sends their requests there, so that none is denied meanwhile.",
        "None: the next hook goes on. If it lasts, see what else the status reports.",
    )

    # Relations and their databags.

    INVALID_ENTRY = Meaning(
        201,
        "an application sent an invalid entry",
        _E,
        "An entry in the databag of an application cannot be used, and is left out as a whole. "
        "Access is never wider for it: an application whose access requests are all invalid is "
        "closed.",
        "The application's charm has to send what the interface asks for: report it to the "
        "charm's authors, with the place that the message names.",
    )
    RELATION_FORGOTTEN = Meaning(
        202,
        "Juju has forgotten a relation that its agent still lists",
        _E,
        "After `juju remove-saas` or a removal with `--force`, the unit's agent lists a relation "
        "that Juju no longer has. It gives nothing.",
        "Delete the unit's pod, as the message says: the agent starts anew.",
    )
    JUJU_REFUSES = Meaning(
        203,
        "Juju refuses a hook tool",
        _W,
        "A hook tool failed. What the relation sent last is used for a while.",
        "None: the next hook tries again.",
    )
    RELATED_TWICE = Meaning(
        204,
        "an ingress is related twice with an authorizer",
        _E,
        "Two relations with one application have an external authorizer each, and istiod knows "
        "an authorizer by the application's name.",
        "Remove one of the two relations.",
    )
    PEBBLE_REFUSES = Meaning(
        205,
        "the container metrics-proxy cannot be changed",
        _W,
        "Pebble, which runs metrics-proxy and the checks that start hooks, refused a change. "
        "Metrics may be missing, and changes outside of Juju are noticed later. Access, routes "
        "and the mesh do not depend on it.",
        "None, if it passes. Else `kubectl -n <model> logs <pod> -c metrics-proxy` says why.",
    )

    # Access requests.

    NOT_ITS_OWN = Meaning(
        301,
        "an application asks for access to another application",
        _E,
        "An application may ask for access to itself only. The request is refused, and nothing "
        "is created for it.",
        "The charm's authors: ask for access to the charm's own application. The operator, who "
        "trusts the application with others of the model: "
        "`juju config <beacon> trusted-requesters=<application>`.",
    )
    OUTSIDE_ITS_MODEL = Meaning(
        302,
        "an application asks for access in another model",
        _E,
        "An application may ask for access to what is in its own model only.",
        "The charm's authors: ask for access to the charm's own application, in the namespace "
        "that the message names.",
    )
    UNKNOWN_MODEL = Meaning(
        303,
        "the model of an application is not known in this cluster",
        _E,
        "The application comes from a model that no namespace of this cluster is marked with: it "
        "is in another cluster.",
        "Integrate within one cluster.",
    )
    NOT_DEPLOYED = Meaning(
        304,
        "an application of another model asks for what Juju did not deploy there",
        _E,
        "The target belongs to no application that Juju deployed in the model.",
        "The charm's authors: ask for access to the application by the name that it has in its "
        "own model.",
    )
    TARGET_ABSENT = Meaning(
        305,
        "what an access request names does not exist yet",
        _W,
        "The Service does not exist. The request is granted once it does.",
        "None, if the application is about to make it. Otherwise correct the name.",
    )
    SCRAPER_UNKNOWN = Meaning(
        306,
        "a scraper comes from another model, and its name there is not known",
        _W,
        "Access to metrics is given to the application by the name that it has in its own model, "
        "which it publishes over `cross_model_mesh`.",
        "Integrate it with `provide-cmr-mesh` as well.",
    )

    EXTRA_TARGET_ABSENT = Meaning(
        307,
        "what an entry of extra-access names does not exist yet",
        _W,
        "The application has no Service with such a port, or its pods' port is known by name "
        "only. The entry is in force as soon as it can be.",
        "None, if the application is about to be deployed. Otherwise correct the name or the port "
        "in `extra-access`.",
    )

    # Routes and the ingress gateway.

    PATH_TAKEN = Meaning(
        401,
        "another application has this path",
        _E,
        "The route would take requests from a route of another application, or that one from it. "
        "The earlier one stays.",
        "Use another path; or remove the integration of the other application.",
    )
    HOSTNAME_TAKEN = Meaning(
        402,
        "another application has this hostname",
        _E,
        "The hostname of the route includes that of another application's, or is included in it, "
        "or is the gateway's own. The earlier one stays.",
        "Use another hostname; or remove the integration of the other application.",
    )
    ROUTES_CONTRADICT = Meaning(
        403,
        "two requesters ask for one path at the same time",
        _E,
        "Two integrations ask for the same path of the same hostname and listener, and neither "
        "was served before. None of these routes is served.",
        "Remove one of the integrations, or change what it asks for.",
    )
    HOSTNAME_NOT_SERVED = Meaning(
        404,
        "the gateway does not serve the hostname of a route",
        _E,
        "The gateway takes requests for `listener-hostname` only, and no hostname of the route "
        "fits it.",
        "Use a hostname that it includes, leave the hostnames out, or change `listener-hostname`.",
    )
    PORT_REFUSED = Meaning(
        405,
        "the gateway does not open a port",
        _E,
        "Istio uses the port itself, or the application or the gateway has no room for another "
        "one.",
        "Use another port, or fewer.",
    )
    MODEL_NOT_ITS_OWN = Meaning(
        406,
        "an application asks for a route to another model",
        _E,
        "An application may have its own Services exposed only.",
        "The charm's authors: send the model that the application runs in.",
    )
    BACKEND_NOT_ITS_OWN = Meaning(
        407,
        "an application asks for a route to what is not its own",
        _E,
        "An application may have its own Services exposed only: those whose selector has "
        "`app.kubernetes.io/name: <application>`.",
        "The charm's authors: ask for a Service of the application.",
    )
    BACKEND_MISSING = Meaning(
        408,
        "nothing answers at the backend of a route yet",
        _W,
        "The Service or its port does not exist, or no pod has the port. The route is made and "
        "answers 500 meanwhile. After `ready-timeout` the status is *blocked*.",
        "The application has to open the port, or to ask for no route to it.",
    )
    ROUTE_NOT_ACCEPTED = Meaning(
        409,
        "istiod does not accept a route or listener",
        _W,
        "The condition that istiod wrote on the route or the Gateway says why.",
        "Correct what the message quotes. After `ready-timeout` the status is *blocked*.",
    )
    NO_ADDRESS = Meaning(
        410,
        "the gateway has no address",
        _W,
        "The cluster has given the gateway's Service no address: there is no load balancer "
        "(MetalLB, the cloud's), or it has no address left.",
        "Set up a load balancer; or `gateway-service-type=NodePort`; or `ClusterIP` with an "
        "ingress in front.",
    )
    ADDRESS_UNUSABLE = Meaning(
        411,
        "the address of the load balancer cannot be used in a URL",
        _E,
        "What the load balancer reports is neither an IP address nor a DNS name.",
        "`juju config <application> external_hostname=<DNS name>`.",
    )
    GUARD_MISSING = Meaning(
        412,
        "a policy that guards the gateway cannot be put in force",
        _W,
        "A policy that limits clients, or requires a login or a token, could not be written. "
        "Without it the gateway serves nothing.",
        "Correct what the status reports beside it: the request that failed, or the name that "
        "is taken.",
    )
    UPSTREAM_SILENT = Meaning(
        413,
        "the ingress in front has not sent its URL",
        _W,
        "The gateway is integrated with another ingress (`upstream-ingress`), which has not "
        "answered. URLs are published without it meanwhile.",
        "Look at the status of the other ingress.",
    )

    # The gateway's certificate.

    CERTIFICATE_UNUSABLE = Meaning(
        501,
        "the certificate that was issued cannot be used",
        _E,
        "The certificate does not fit its key, has expired, or cannot be read.",
        "The message has the remedy; usually the authority has to issue another one.",
    )
    CERTIFICATE_DENIED = Meaning(
        502,
        "the authority refuses to issue a certificate",
        _E,
        "The provider of `certificates` answered a request with an error.",
        "The message has the remedy for the authority's reason.",
    )
    NOT_IN_CERTIFICATE = Meaning(
        503,
        "the certificate is not for all names",
        _E,
        "Clients of these names get a certificate for another one, and refuse it.",
        "Have a certificate issued for all requested names; or use a hostname that it is for; or "
        "set `listener-hostname` to one.",
    )
    CERTIFICATE_NOT_ISSUED = Meaning(
        504,
        "a certificate is waited for",
        _W,
        "TLS is wanted, and the authority has not issued a certificate yet. Without any, the "
        "gateway serves nothing: it never falls back on plain HTTP.",
        "Look at the status of the authority; some need an operator to sign a request.",
    )
    NAMES_NOT_ISSUED = Meaning(
        505,
        "the authority issues no certificate for the gateway's names",
        _E,
        "The authority says that it issues none for IP addresses or wildcards, and the gateway "
        "has no other name.",
        "`juju config <application> external_hostname=<DNS name>`.",
    )

    # The control plane and its preflight.

    CNI_EXCLUSIVE = Meaning(
        601,
        "Cilium disables other CNI plugins",
        _E,
        "With `cni-exclusive`, Cilium disables the CNI plugin of Istio on every node, so no pod "
        "is on the mesh. Nothing is changed until it is off.",
        "Set `cni.exclusive=false` in Cilium.",
    )
    SOCKET_LOAD_BALANCING = Meaning(
        602,
        "Cilium balances load at sockets, past ztunnel",
        _E,
        "Traffic would bypass ztunnel at its source, unencrypted, while L4 policies at the "
        "destination make it look as if the mesh worked. Nothing is changed until this is "
        "corrected.",
        "Set `socketLB.hostNamespaceOnly=true` in Cilium.",
    )
    KUBERNETES_TOO_OLD = Meaning(
        603,
        "Kubernetes is too old for this Istio",
        _E,
        "Istio does not support this version of Kubernetes.",
        "Upgrade Kubernetes to the version that the message names.",
    )
    OTHER_ISTIO = Meaning(
        604,
        "there is another Istio in the cluster",
        _E,
        "Another istiod or istio-cni is installed, and two of them contend for the same pods and "
        "definitions.",
        "Remove it, or this application.",
    )
    DEFINITIONS_REPLACED = Meaning(
        605,
        "the CRDs of the Gateway API were replaced by another channel's",
        _E,
        "Definitions that `istio-k8s` had installed are of another channel now. They stay so, "
        "since ours would take fields away that others may use.",
        "Give them up with the `kubectl annotate` command in the message, or install the "
        "standard channel's again.",
    )
    DEFINITIONS_TOO_OLD = Meaning(
        606,
        "definitions of another installer are too old",
        _E,
        "Custom resource definitions of another installer do not serve the versions that this "
        "Istio needs.",
        "Upgrade them to the version that the message names, or remove them.",
    )
    INVALID_MESH_CA = Meaning(
        607,
        "the certificate authority of ca-secret cannot be used",
        _E,
        "A member of the secret is missing or invalid. The authority that is in use stays.",
        "Correct the member of the secret that the message names: `juju update-secret`.",
    )
    CILIUM_HOST_ROUTING = Meaning(
        621,
        "Cilium routes past the host's network stack",
        _E,
        "With eBPF masquerading and without legacy host routing, Cilium forwards the answers of "
        "pods past the host's network stack. Istio sends kubelets' probes from 169.254.7.127, and "
        "their answers are lost: probes of every pod on the mesh fail, and the kubelet restarts "
        "these pods.",
        "Set `bpf.hostLegacyRouting=true` in Cilium, or `bpf.masquerade=false`.",
    )
    CILIUM_DENIES_PROBES = Meaning(
        622,
        "Cilium denies kubelets' probes of pods on the mesh",
        _E,
        "With `enable-policy: always`, Cilium denies what no policy allows. It exempts kubelets' "
        "probes by the address of the node; Istio sends them from 169.254.7.127, so that probes "
        "of every pod on the mesh fail.",
        "Apply the [CiliumClusterwideNetworkPolicy](../how-to/cilium.md#allow-kubelets-probes) "
        "that allows this address, or set `policyEnforcementMode=default` in Cilium.",
    )
    CILIUM_ZTUNNEL = Meaning(
        623,
        "Cilium runs a ztunnel of its own",
        _E,
        "With `enable-ztunnel`, Cilium redirects the traffic of pods to a ztunnel of its own, as "
        "Istio does: both write rules into the same pods.",
        "Set `encryption.type=wireguard` or `encryption.enabled=false` in Cilium.",
    )
    CALICO_LOAD_BALANCING = Meaning(
        624,
        "Calico balances load when connections are opened, past waypoints",
        _E,
        "Calico's eBPF data plane replaces the address of a Service by that of a pod in the "
        "client's socket. ztunnel takes such traffic for traffic to the pod, and sends it past "
        "the waypoint of the Service: rules about methods and paths are not enforced, without "
        "any error.",
        "`kubectl patch felixconfiguration default --type merge -p "
        '\'{"spec":{"bpfConnectTimeLoadBalancing":"Disabled",'
        '"bpfHostNetworkedNATWithoutCTLB":"Enabled"}}\'`.',
    )
    CALICO_TOO_OLD = Meaning(
        625,
        "Calico loses kubelets' probes of pods on the mesh",
        _E,
        "Calico's eBPF data plane before 3.29 loses the answers to Istio's probe address "
        "169.254.7.127: probes of every pod on the mesh fail.",
        "Upgrade Calico to 3.29 or newer.",
    )
    STRICT_SECURITY_GROUPS = Meaning(
        626,
        "security groups for pods drop kubelets' probes",
        _E,
        "With security groups for pods in strict mode, the Amazon VPC CNI sends the traffic of "
        "these pods over interfaces of their own, on which Istio's probe address 169.254.7.127 "
        "cannot be routed: probes of these pods fail on the mesh.",
        "`kubectl set env daemonset aws-node -n kube-system "
        "POD_SECURITY_GROUP_ENFORCING_MODE=standard`, and restart the pods that have security "
        "groups.",
    )
    OVN_GATEWAY_MODE = Meaning(
        627,
        "OVN-Kubernetes routes past the host's network stack",
        _E,
        "Red Hat requires local gateway mode for ambient meshes. In shared gateway mode, traffic "
        "between a node and its pods can pass by the host's network stack, where Istio marks "
        "kubelets' probes: these probes fail.",
        "`oc patch network.operator cluster --type merge -p "
        '\'{"spec":{"defaultNetwork":{"ovnKubernetesConfig":{"gatewayConfig":'
        '{"routingViaHost":true}}}}}\'`.',
    )
    PLATFORM_DIFFERS = Meaning(
        628,
        "the option platform is not the nodes' platform",
        _W,
        "The folders of CNI files, and of network namespaces, follow from `platform`. Where they "
        "are others, istio-cni does not become ready, or no pod joins the mesh.",
        "`juju config istio-k8s platform=auto`; or name the folders: `cni-bin-dir`, "
        "`cni-conf-dir`.",
    )
    POD_SECURITY = Meaning(
        629,
        "the model's namespace does not allow the pods of istio-cni and ztunnel",
        _E,
        "istio-cni and ztunnel use folders of the node and enter network namespaces of pods. "
        "The Pod Security Standards *baseline* and *restricted* forbid both, so that no pod of "
        "them is created.",
        "`kubectl label --overwrite namespace <model> "
        "pod-security.kubernetes.io/enforce=privileged`.",
    )
    TUNNEL_BLOCKED = Meaning(
        630,
        "network policies do not allow the port of the mesh",
        _E,
        "Traffic between pods on the mesh has port 15008, whatever port the application uses. "
        "NetworkPolicies that allow an application's ports and not this one cut it off.",
        "Add port 15008 (TCP) to the rules that allow the application's ports.",
    )
    PROBES_BLOCKED = Meaning(
        631,
        "network policies do not allow kubelets' probes",
        _W,
        "Istio sends kubelets' probes of pods on the mesh from 169.254.7.127. Where a "
        "NetworkPolicy isolates a pod and allows no such source, Cilium denies the probes; "
        "whether other CNIs do depends on the CNI.",
        "Allow the source `169.254.7.127/32` in a NetworkPolicy for these pods, or, with Cilium, "
        "in a [CiliumClusterwideNetworkPolicy](../how-to/cilium.md#allow-kubelets-probes).",
    )
    MESH_CA_EXPIRES = Meaning(
        632,
        "the certificate authority of the mesh expires soon",
        _W,
        "When the certificate of the authority has expired, no workload gets a certificate, and "
        "all connections on the mesh end.",
        "With `ca-secret`: `juju update-secret` with a new one. istiod renews an authority of its "
        "own in time, while it runs: see its log.",
    )
    DOWNGRADE = Meaning(
        651,
        "the data plane is newer than this charm",
        _E,
        "A newer revision of the charm has upgraded the mesh, or another installer has. Istio "
        "supports no data plane that is ahead of its control plane, so nothing is written: the "
        "mesh goes on as it is.",
        "`juju refresh` to a revision of the minor version that the message names.",
    )
    SKIPPED_MINOR = Meaning(
        652,
        "an upgrade skips a minor version of Istio",
        _W,
        "Istio supports one minor version between control plane and data plane. Until istio-cni "
        "and ztunnel are upgraded, which needs no command, they are further behind.",
        "None, if the upgrade ends soon. To keep to Istio's rule, go through a revision of each "
        "minor version: [Move from the public charms](../how-to/migrate.md#istios-rule).",
    )
    TAG_BEHIND = Meaning(
        653,
        "option tag keeps an older Istio",
        _W,
        "The option was set for an earlier revision of the charm, and its value stays when the "
        "charm is refreshed. Images are older than the templates, which a patch may be.",
        "`juju config <istio-k8s> --reset tag`, unless you want this version.",
    )

    # What istiod and the proxies accept.

    NO_ISTIOD = Meaning(
        701,
        "there is no control plane",
        _E,
        "No istiod of any `istio-k8s` is in the cluster: it was removed, or never deployed. "
        "Proxies that run keep their last configuration; nothing new takes effect, no new pod "
        "gets a certificate, and certificates expire within a day.",
        "Deploy `istio-k8s` with `--trust` in a model of its own.",
    )
    SEVERAL_ISTIODS = Meaning(
        702,
        "there are several control planes",
        _E,
        "More than one istiod is in the cluster, and none of them is of `istio-k8s`.",
        "Remove all but one.",
    )
    ISTIOD_SILENT = Meaning(
        703,
        "istiod does not answer",
        _W,
        "istiod could not be asked, so whether changes are in force is not known.",
        "See the status of `istio-k8s`.",
    )
    ISTIOD_BUILT_IN = Meaning(
        704,
        "istiod runs with its built-in configuration",
        _E,
        "istiod has refused the MeshConfig, or not found it. Hardened mode and external "
        "authorizers depend on it.",
        "See the status of `istio-k8s`; there: correct `mesh-config`.",
    )
    MESH_CONFIG_NOT_USED = Meaning(
        705,
        "istiod keeps an earlier configuration",
        _E,
        "istiod refuses the MeshConfig that was applied.",
        "Correct `mesh-config` of `istio-k8s`; istiod's log says why.",
    )
    MESH_CONFIG_PENDING = Meaning(
        706,
        "istiod does not use the applied configuration yet",
        _W,
        "istiod reads its MeshConfig from a mounted ConfigMap, which takes up to two minutes.",
        "None: the next hook looks again.",
    )
    POLICY_NOT_ACCEPTED = Meaning(
        707,
        "istiod does not accept a policy",
        _E,
        "The condition that istiod wrote on the policy says why. It is not enforced as it is "
        "written.",
        "Correct what the message quotes.",
    )
    POLICY_NOT_SEEN = Meaning(
        708,
        "istiod has not looked at a policy",
        _W,
        "The policy was written a while ago, and istiod has written no condition on it: it may "
        "not be enforced.",
        "See the status of `istio-k8s`, and istiod's log.",
    )
    POLICY_NOT_DELETED = Meaning(
        709,
        "the deletion of a policy waits for a finalizer",
        _E,
        "The policy is still enforced, since another program's finalizer keeps it.",
        "Remove the finalizer that the message names.",
    )
    AUTHORIZER_UNKNOWN = Meaning(
        710,
        "istiod does not know an external authorizer",
        _E,
        "A policy names an authorizer that istiod's MeshConfig does not have. istiod denies every "
        "request for such a policy.",
        "See the status of `istio-k8s`: it writes the authorizers into MeshConfig.",
    )
    PROXY_REFUSES = Meaning(
        711,
        "a proxy refuses its configuration",
        _E,
        "A proxy does not accept what istiod sent. It goes on with what it had, and no change "
        "reaches it until the cause is corrected.",
        "Correct what the message quotes, in the application that it names.",
    )
    PROXY_BEHIND = Meaning(
        712,
        "a proxy has not acknowledged its configuration",
        _W,
        "istiod has sent a configuration, and the proxy has not acknowledged it in time.",
        "Look at the proxy's pod, and at its connection to istiod.",
    )
    PROXY_NOT_CONNECTED = Meaning(
        713,
        "pods of a gateway are not connected to istiod",
        _W,
        "Pods without a connection get no changes.",
        "Look at the pods' logs, and at network policies between them and istiod.",
    )
    ROUTE_NOT_SEEN = Meaning(
        714,
        "istiod has not looked at a route",
        _W,
        "The route was written a while ago, and istiod has written no condition on it: the "
        "gateway may not serve it, or serve what it was before.",
        "See the status of `istio-k8s`, and istiod's log.",
    )

    # Login and tokens.

    LOGIN_NEEDS_CONTROL_PLANE = Meaning(
        801,
        "a login needs a relation with istio-k8s",
        _E,
        "`forward-auth` is integrated and `istio-ingress-config` is not, so istiod does not know "
        "the authorizer and no client can log in. The gateway serves nothing meanwhile.",
        "`juju integrate <ingress>:istio-ingress-config istio-k8s`.",
    )
    LOGIN_PENDING = Meaning(
        802,
        "the login is not complete yet",
        _W,
        "The authorizer has not sent its address, or the control plane has not confirmed it. The "
        "gateway denies all requests meanwhile.",
        "Look at the status of the authorizer and of `istio-k8s`.",
    )
    PATH_NEEDS_AUTHENTICATION = Meaning(
        803,
        "a path without authentication needs it all the same",
        _E,
        "The path cannot be excepted from login and tokens without excepting an authenticated "
        "one, or cannot be named exactly. In doubt authentication is required.",
        "Use paths of its own: exact ones or prefixes, that no authenticated route has.",
    )
    ISSUER_CONTRADICTS = Meaning(
        804,
        "two applications name one token issuer with different keys",
        _E,
        "Keys of an issuer hold for the whole gateway. The application whose rules are in force "
        "keeps them; where there is none, neither gets them.",
        "Use one `jwks_uri` in all applications.",
    )
    HEADER_CONTRADICTS = Meaning(
        805,
        "a header for claims is not available",
        _E,
        "Another application wants the header from another claim, the login sets it, or there "
        "are too many headers. The rules are left out, so no token of theirs is valid.",
        "Use another header, or fewer.",
    )
    KEYS_UNUSABLE = Meaning(
        806,
        "the keys of a token issuer cannot be used",
        _E,
        "What `jwks_uri` answers is no key set that the gateway can use. The last good keys stay "
        "in force, if there were any.",
        "Correct `jwks_uri`, or its server.",
    )
    KEYS_PENDING = Meaning(
        807,
        "the keys of a token issuer are not fetched",
        _W,
        "The server at `jwks_uri` did not answer, or was not asked yet. The last good keys stay "
        "in force; without any, no token of this issuer is valid.",
        "None: a later hook tries again. `juju run <ingress>/leader reconcile` tries at once.",
    )

    @property
    def id(self) -> str:
        """The code as it is shown: `CI-017`."""
        return f"CI-{self.value.number:03}"

    @property
    def title(self) -> str:
        """What has happened, in a few words."""
        return self.value.title

    @property
    def severity(self) -> Severity:
        """How much a problem of this code matters."""
        return self.value.severity

    @property
    def link(self) -> str:
        """The address of the code's section."""
        return documentation.link(documentation.PROBLEMS, self.id)

    def __str__(self) -> str:
        return self.id

    def __lt__(self, other: Any) -> bool:
        if not isinstance(other, Code):
            return NotImplemented
        return self.value.number < other.value.number


def code_of(id_: str) -> Code | None:
    """Return the code with an id such as `CI-017`; None: there is none."""
    return next((code for code in Code if code.id == id_), None)
