# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Each code of a problem is provoked by a test, and the message of a status has its remedy whole.

Most codes come from a case of a whole charm: the code is in its status, and what to do stands in
the 120 bytes that Juju shows. The others are provoked where the table says.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from istio_ambient.charm import status
from istio_ambient.values.problem_codes import Code

from tests.unit.whole_charm import running
from tests.unit.whole_charm.cases import beacon, control_plane, ingress
from tests.unit.whole_charm.scenarios import patched

SUITES = {suite.charm: suite for suite in (control_plane.SUITE, beacon.SUITE, ingress.SUITE)}
TESTS = Path(__file__).parents[1]
# The charm and its case.
CASES: dict[Code, tuple[str, str]] = {
    Code.NAME_TAKEN: ("istio-ingress-k8s", "the policy about networks is of another"),
    Code.RESTORED: ("istio-ingress-k8s", "a route of ours is for another requester"),
    Code.HELD: ("istio-k8s", "an upgrade"),
    Code.WORKLOAD_NOT_READY: ("istio-k8s", "hub"),
    Code.INVALID_OPTION: ("istio-ingress-k8s", "a hostname that is none"),
    Code.SECRET_UNREADABLE: ("istio-k8s", "a CA secret that is not readable any more"),
    Code.INVALID_CLIENT_NETWORKS: ("istio-ingress-k8s", "networks that are none"),
    Code.MESH_CONFIG_REFUSED: ("istio-k8s", "a mesh-config that istiod refused"),
    Code.NO_EFFECT: ("istio-k8s", "a mesh-config without effect in ambient mode"),
    Code.ALREADY_ON_MESH: ("istio-beacon-k8s", "a namespace that is on a mesh"),
    Code.INVALID_EXTRA_ACCESS: ("istio-beacon-k8s", "extra access with an entry that is invalid"),
    Code.OPEN_TO_EVERYONE: ("istio-beacon-k8s", "extra access for everyone"),
    Code.INGRESS_LABEL_TAKEN: (
        "istio-beacon-k8s",
        "gateways: the namespace has the label of another owner",
    ),
    Code.GATEWAYS_NOT_ADMITTED: (
        "istio-beacon-k8s",
        "gateways: policies come before the label",
    ),
    Code.EXTRA_TARGET_ABSENT: ("istio-beacon-k8s", "extra access to what does not exist"),
    Code.INVALID_ENTRY: ("istio-ingress-k8s", "a rule that cannot be read"),
    Code.RELATED_TWICE: ("istio-k8s", "an ingress that is integrated twice"),
    Code.NOT_ITS_OWN: ("istio-beacon-k8s", "a Service selects other pods"),
    Code.OUTSIDE_ITS_MODEL: ("istio-beacon-k8s", "another model"),
    Code.UNKNOWN_MODEL: ("istio-beacon-k8s", "a namespace of another model"),
    Code.NOT_DEPLOYED: ("istio-beacon-k8s", "a Service that Juju did not make"),
    Code.TARGET_ABSENT: ("istio-beacon-k8s", "there is no such Service"),
    Code.SCRAPER_UNKNOWN: ("istio-ingress-k8s", "a scraper of another model"),
    Code.PATH_TAKEN: ("istio-ingress-k8s", "another application asks for the same path"),
    Code.HOSTNAME_TAKEN: ("istio-ingress-k8s", "a route for the gateway's own hostname"),
    Code.HOSTNAME_NOT_SERVED: ("istio-ingress-k8s", "external_hostname"),
    Code.PORT_REFUSED: ("istio-ingress-k8s", "a listener that Istio itself needs"),
    Code.MODEL_NOT_ITS_OWN: ("istio-ingress-k8s", "another model"),
    Code.BACKEND_NOT_ITS_OWN: ("istio-ingress-k8s", "a Service selects other pods"),
    Code.BACKEND_MISSING: ("istio-ingress-k8s", "there is no such Service"),
    Code.ROUTE_NOT_ACCEPTED: ("istio-ingress-k8s", "istiod does not take a route"),
    Code.ROUTE_NOT_SEEN: ("istio-ingress-k8s", "istiod has not looked at a route"),
    Code.NO_ADDRESS: ("istio-ingress-k8s", "another model"),
    Code.ADDRESS_UNUSABLE: ("istio-ingress-k8s", "the gateway has an address that is no name"),
    Code.GUARD_MISSING: ("istio-ingress-k8s", "the policy about networks is of another"),
    Code.UPSTREAM_SILENT: ("istio-ingress-k8s", "an ingress in front of another name"),
    Code.CERTIFICATE_UNUSABLE: (
        "istio-ingress-k8s",
        "an authority has issued one of an authority",
    ),
    Code.CERTIFICATE_DENIED: ("istio-ingress-k8s", "an authority refuses"),
    Code.NOT_IN_CERTIFICATE: ("istio-ingress-k8s", "an authority has issued one for another name"),
    Code.CERTIFICATE_NOT_ISSUED: ("istio-ingress-k8s", "an authority refuses"),
    Code.NAMES_NOT_ISSUED: ("istio-ingress-k8s", "an authority issues none for addresses"),
    Code.CNI_EXCLUSIVE: ("istio-k8s", "a mesh that runs already"),
    Code.SOCKET_LOAD_BALANCING: ("istio-k8s", "Cilium that balances at sockets"),
    Code.KUBERNETES_TOO_OLD: ("istio-k8s", "an old Kubernetes"),
    Code.OTHER_ISTIO: ("istio-k8s", "another Istio"),
    Code.CILIUM_HOST_ROUTING: ("istio-k8s", "Cilium that routes with eBPF"),
    Code.CILIUM_DENIES_PROBES: ("istio-k8s", "Cilium that denies by default"),
    Code.CILIUM_ZTUNNEL: ("istio-k8s", "Cilium with a ztunnel of its own"),
    Code.CALICO_LOAD_BALANCING: ("istio-k8s", "Calico's eBPF data plane"),
    Code.CALICO_TOO_OLD: ("istio-k8s", "an old Calico"),
    Code.STRICT_SECURITY_GROUPS: ("istio-k8s", "strict security groups for pods"),
    Code.OVN_GATEWAY_MODE: ("istio-k8s", "OpenShift in shared gateway mode"),
    Code.PLATFORM_DIFFERS: ("istio-k8s", "folders of another platform"),
    Code.POD_SECURITY: ("istio-k8s", "a namespace that enforces a Pod Security Standard"),
    Code.DEFINITIONS_TOO_OLD: ("istio-k8s", "definitions of another installer"),
    Code.TAG_BEHIND: ("istio-k8s", "a tag of an older patch"),
    Code.INVALID_MESH_CA: ("istio-k8s", "a CA secret without a key"),
    Code.ISTIOD_SILENT: ("istio-beacon-k8s", "an istiod without a pod"),
    Code.ISTIOD_BUILT_IN: ("istio-beacon-k8s", "an istiod that runs on its defaults"),
    Code.MESH_CONFIG_PENDING: ("istio-k8s", "an istiod that does not take the configuration"),
    Code.AUTHORIZER_UNKNOWN: ("istio-ingress-k8s", "login beside tokens"),
    Code.PROXY_REFUSES: ("istio-beacon-k8s", "a proxy that refuses"),
    Code.PROXY_NOT_CONNECTED: ("istio-beacon-k8s", "three units"),
    Code.LOGIN_NEEDS_CONTROL_PLANE: ("istio-ingress-k8s", "an authorizer without a control plane"),
    Code.LOGIN_PENDING: ("istio-ingress-k8s", "an authorizer at another path"),
    Code.PATH_NEEDS_AUTHENTICATION: ("istio-ingress-k8s", "an open path for one method"),
    Code.KEYS_UNUSABLE: ("istio-ingress-k8s", "a server without keys"),
    Code.KEYS_PENDING: ("istio-ingress-k8s", "two rules"),
}
# The tests that provoke the code, and name it.
ELSEWHERE: dict[Code, str] = {
    Code.NOT_PERMITTED: "kube/test_apply.py",
    Code.TOKEN_REFUSED: "kube/test_apply.py",
    Code.REFUSED_BY_ADMISSION: "kube/test_apply.py",
    Code.QUOTA_EXCEEDED: "kube/test_apply.py",
    Code.NAMESPACE_TERMINATING: "kube/test_apply.py",
    Code.REQUEST_REFUSED: "kube/test_apply.py",
    Code.NO_ANSWER: "kube/test_apply.py",
    Code.CHANGED_ON_WRITE: "kube/test_apply.py",
    Code.KIND_NOT_SERVED: "charm/test_status.py",
    Code.RELATION_FORGOTTEN: "whole_charm/test_refused_by_juju.py",
    Code.JUJU_REFUSES: "whole_charm/test_refused_by_juju.py",
    Code.PEBBLE_REFUSES: "charm/test_reconciling.py",
    Code.ROUTES_CONTRADICT: "ingress/test_routes.py",
    Code.DEFINITIONS_REPLACED: "control_plane/test_preflight.py",
    Code.TUNNEL_BLOCKED: "preflight/test_conditions.py",
    Code.PROBES_BLOCKED: "preflight/test_conditions.py",
    Code.MESH_CA_EXPIRES: "preflight/test_rows.py",
    Code.DOWNGRADE: "control_plane/test_versions.py",
    Code.SKIPPED_MINOR: "control_plane/test_versions.py",
    Code.NO_ISTIOD: "cluster/test_istiod.py",
    Code.SEVERAL_ISTIODS: "cluster/test_istiod.py",
    Code.MESH_CONFIG_NOT_USED: "acceptance/test_findings.py",
    Code.POLICY_NOT_ACCEPTED: "acceptance/test_policies.py",
    Code.POLICY_NOT_SEEN: "acceptance/test_policies.py",
    Code.POLICY_NOT_DELETED: "acceptance/test_policies.py",
    Code.PROXY_BEHIND: "acceptance/test_findings.py",
    Code.ISSUER_CONTRADICTS: "ingress/test_token_rules.py",
    Code.HEADER_CONTRADICTS: "ingress/test_token_rules.py",
}


def test_every_code_has_a_test_that_provokes_it():
    assert CASES.keys() | ELSEWHERE.keys() == set(Code)
    assert not CASES.keys() & ELSEWHERE.keys()


@pytest.mark.parametrize("code", ELSEWHERE)
def test_the_test_of_a_code_names_it(code: Code):
    text = (TESTS / ELSEWHERE[code]).read_text()
    assert re.search(rf"\bCode\.{code.name}\b|{code.id}", text)


@pytest.mark.slow
@pytest.mark.parametrize("code", CASES)
def test_a_case_provokes_the_code_and_its_message_has_the_remedy(code: Code):
    charm, name = CASES[code]
    case = SUITES[charm].cases[name]
    outcome = running.run(patched(SUITES[charm].base, case.given, case.change))
    assert code.id in outcome.at("codes")
    assert list(_flaws(outcome.message, outcome.remedy)) == []
    if len(outcome.at("codes")) > 1 and not outcome.at("status").startswith("active"):
        assert f" more: {status.DETAILS})" in outcome.message


def _flaws(message: str, remedy: str) -> Iterator[str]:
    """Yield what is wrong with the message of a status."""
    if len(message.encode()) > status.MAX_MESSAGE:
        yield "too long"
    if remedy not in message or (remedy and not re.match(rf"CI-\d+ {re.escape(remedy)}", message)):
        yield f"the remedy does not come first: {remedy}"
    if re.search(r"<application>|not permitted to \w+ing\b", message):
        yield "cannot be typed"
