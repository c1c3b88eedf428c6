# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every command in the documentation exists, with its options, endpoints, actions and images."""

from pathlib import Path

import pytest

from tests.unit.docs.commands import _juju, _programs
from tests.unit.docs.commands._charms import Charm, charms
from tests.unit.docs.commands._pages import ROOT, Command, commands, pages

OTHERS = {
    "istioctl": _programs.faults_of_istioctl,
    "kubectl": _programs.faults_of_kubectl,
    "make": _programs.faults_of_make,
    "terraform": _programs.faults_of_terraform,
    "tofu": _programs.faults_of_terraform,
}


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def faults_of(command: Command, known: dict[str, Charm]) -> list[str]:
    if command.program == "juju":
        return list(_juju.faults(command, known))
    check = OTHERS.get(command.program)
    return list(check(command)) if check else []


def faults_in(text: str) -> list[str]:
    """Return what is wrong with the commands in a page's text: line, command, fault."""
    found = commands(text)
    known = _juju.applications(found)
    return [
        f"{command.line}: `{' '.join(command.words)}`: {fault}"
        for command in found
        for fault in faults_of(command, known)
    ]


@pytest.mark.parametrize("page", pages(), ids=title)
def test_each_command_of_a_page_exists(page: Path):
    assert [f"{title(page)}:{fault}" for fault in faults_in(page.read_text())] == []


def test_commands_are_found():
    found = [command for page in pages() for command in commands(page.read_text())]
    programs = [command.program for command in found]
    assert programs.count("juju") > 200
    assert all(programs.count(program) > 5 for program in OTHERS if program != "tofu")
    words = {command.words[1:2] for command in found if command.program == "juju"}
    seldom = {"attach-resource", "remove-relation"}
    assert words >= {(name,) for name in _juju.CHECKS if name not in seldom}


FILE = "./istio-k8s_ubuntu@24.04-amd64.charm"
DEPLOYED = f"juju deploy {FILE} --trust --resource metrics-proxy-image="
IMAGE = "docker.io/ubuntu/metrics-proxy:0.1.1-24.04_stable"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("juju deploi istio-k8s", "juju has no command deploi"),
        ("juju deploy istio-k8s --trust", "belongs to another publisher's charm"),
        (f"{DEPLOYED}x:1", "x:1 is not the image of charmcraft.yaml"),
        (f"{DEPLOYED}{IMAGE} --trusted", "juju deploy has no option --trusted"),
        (f"{DEPLOYED}{IMAGE} --config hub=a --config hubs=b", "istio-k8s has no option hubs"),
        (f"{DEPLOYED}{IMAGE} --resource proxy=a", "istio-k8s has no resource proxy"),
        (
            "juju deploy ./build/istio-k8s_*.charm --trust",
            "--resource metrics-proxy-image=… is missing",
        ),
        (
            f"juju deploy ./build/istio-k8s_*.charm --resource metrics-proxy-image={IMAGE}",
            "needs --trust",
        ),
        ("juju deploy ./istio-gateway-k8s_ubuntu@24.04-amd64.charm --trust", "make pack makes no"),
        ("juju config istio-k8s hardened=true", "istio-k8s has no option hardened; there are"),
        ("juju config -m istio-system istio-k8s hardened-mode=yes", "'yes' is no boolean"),
        ("juju config istio-beacon-k8s ready-timeout=1m", "'1m' is no int"),
        ("juju config istio-k8s mtls-mode=STRICT", "istio-k8s mtls-mode: "),
        (
            "juju config istio-k8s istiod-resources='{limit: {cpu: 1}}'",
            "istio-k8s istiod-resources",
        ),
        ("juju config istio-k8s mesh-config='{rootNamespace: x}'", "istio-k8s mesh-config"),
        ("juju config istio-ingress-k8s gateway-service-type=External", "gateway-service-type"),
        ("juju attach-resource istio-k8s image=x", "istio-k8s has no resource image"),
        ("juju config istio-k8s --reset hub,tags", "istio-k8s has no option tags"),
        ("juju config istio-k8s hub=a \\\n    tags=b", "istio-k8s has no option tags"),
        ("juju run istio-beacon-k8s/0 explains source=a", "has no action explains"),
        ("juju run istio-beacon-k8s/0 explain from=a", "explain has no parameter from"),
        (
            "juju run istio-beacon-k8s/leader list-access format=yaml",
            "'yaml' is none of table, json",
        ),
        ("juju run istio-k8s/leader purge-crds confirm=yes", "'yes' is no boolean"),
        ("juju run istio-ingress-k8s/0 check method=GET", "check needs url"),
        ("juju run list-access", "needs a unit and an action"),
        ("x=$(juju run istio-k8s/0 list-access)", "has no action list-access"),
        ("cd build && juju run istio-k8s/0 list-access | jq .", "has no action list-access"),
        ("juju integrate istio-beacon-k8s:mesh productpage", "has no endpoint mesh"),
        (
            "juju integrate istio-k8s:istio-metadata istio-beacon-k8s",
            "no endpoint that one provides",
        ),
        (
            "juju integrate istio-ingress-k8s:ingress istio-k8s:jwks-ca-cert",
            "no endpoint that one provides",
        ),
        ("juju integrate istio-beacon-k8s:service-mesh", "two ends are needed"),
        ("juju remove-relation istio-beacon-k8s:mesh productpage", "has no endpoint mesh"),
        ("juju offer shop.istio-beacon-k8s:service-mesh,cmr", "has no endpoint cmr"),
        ("juju offer istio-beacon-k8s", "needs the endpoints"),
        ("juju refresh istio-k8s", "is refreshed from a name on Charmhub"),
        (
            "juju refresh istio-k8s --path ./istio-k8s_ubuntu@22.04-amd64.charm",
            "make pack makes istio-k8s for ubuntu@24.04:amd64",
        ),
        ("juju refresh istio-k8s --path build/istio-beacon-k8s_*.charm", "another charm"),
        (f"juju refresh istio-k8s --path {FILE} --resource image=a", "has no resource image"),
        ("make units", "the Makefile has no target units"),
        ("make unit ARG=-k", "the Makefile has no variable ARG"),
        ("kubectl fetch pods", "kubectl has no command fetch"),
        (
            "kubectl get authorisationpolicies -n shop",
            "no kind authorisationpolicies is in the CRDs",
        ),
        ("kubectl -n shop logs deployments/x deploi/x", None),
        ("kubectl -n shop logs deploi/istiod", "no kind deploi is in the CRDs"),
        ("kubectl get pods -l appp=istiod", "no object of ours has a label appp"),
        ("kubectl rollout restart daemon cilium", "no kind daemon is in the CRDs"),
        ("sudo k8s kubectl get pots -A", "no kind pots is in the CRDs"),
        ("istioctl analyse", "istioctl has no command analyse"),
        ("terraform -chdir=terraform tests", "terraform has no command tests"),
    ],
)
def test_a_wrong_command_is_detected(line: str, fault: str | None):
    faults = faults_in(f"# Page\n\n```console\n{line}\n```\n")
    if fault is None:
        assert faults == []
    else:
        assert len(faults) >= 1 and fault in "\n".join(faults)
        assert faults[0].startswith("4: ")


@pytest.mark.parametrize(
    "line",
    [
        f"{DEPLOYED}{IMAGE} istio",
        f"{DEPLOYED}./metrics-proxy.yaml",
        "juju config istio-k8s mesh-config=@mesh.yaml   # hubs=x",
        "juju config grafana any-option=1",
        'juju run --string-args istio-beacon-k8s/0 explain log="$line"',
        "juju run istio-beacon-k8s/0 explain source=<application> target=details > out",
        "juju run istio-ingress-k8s/0 check url=http://x/0 headers.x-tenant=blue",
        "juju integrate istio-ingress-k8s:istio-ingress-config istio-k8s",
        "kubectl apply -f - <<EOF\njuju config istio-k8s no-such-option=1\nEOF",
        "kubectl exec -n shop deploy/web -- curl --any http://details:9080",
        "make unit ARGS='-k terraform'",
    ],
)
def test_a_right_command_passes(line: str):
    assert faults_in(f"```console\n{line}\n```\n") == []


def test_an_application_has_the_charm_that_the_page_deploys():
    deployed = f"{DEPLOYED}{IMAGE} mesh"
    text = f"```shell\n{deployed}\njuju config mesh hubs=x\n```\n"
    [fault] = faults_in(text)
    assert fault.startswith("3: `juju config mesh hubs=x`: istio-k8s has no option hubs")


def test_a_command_in_a_sentence_may_be_the_beginning_only():
    assert faults_in("Use `juju refresh istio-k8s` and `juju run`.") == []
    assert "no option hubs" in faults_in("First.\n\nUse `juju config\nistio-k8s hubs=x`.")[0]
    assert faults_in("First.\n\nUse `juju config\nistio-k8s hubs=x`.")[0].startswith("3: ")


def test_a_block_of_text_shows_commands_as_typed_or_as_remedies():
    text = "```text\nCI-301 a: x; if so: juju config istio-k8s hubs=x; or not\n```\n"
    [fault] = faults_in(text)
    assert fault.startswith("2: `juju config istio-k8s hubs=x`: istio-k8s has no option hubs")
    assert commands("```yaml\njuju config istio-k8s hubs=x\n```\n") == []


def test_a_quoted_value_may_have_several_lines():
    config = "juju config istio-k8s cni-node-selector='\n  a: b\n' hubs=x"
    text = f"```console\n{config}\nmake units\n```\n"
    assert [fault.partition(":")[0] for fault in faults_in(text)] == ["2", "5"]


def test_charms_are_those_of_the_project():
    assert {"istio-k8s", "istio-beacon-k8s", "istio-ingress-k8s", "bookshop"} <= set(charms())
    assert all(charm.name == name for name, charm in charms().items())
