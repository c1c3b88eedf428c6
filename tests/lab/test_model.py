# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The model simulates Juju: order of events, databags, secrets, checks, objects in the cluster."""

import concurrent.futures
import json
import os
import re
import socket
import subprocess
from typing import Any

import ops
import pytest
from lightkube import ApiError
from lightkube.resources.apps_v1 import Deployment, StatefulSet
from lightkube.resources.core_v1 import ConfigMap, Namespace, Service, ServiceAccount
from lightkube.resources.rbac_authorization_v1 import ClusterRoleBinding

from tests import lab
from tests.lab import apps, bookshop, juju
from tests.lab.conftest import ModelFactory
from tests.lab.juju import _requests


def stored(model: juju.Model, unit: str) -> dict[str, Any]:
    states = model.unit(unit).stored_states
    return dict(next(s.content for s in states if s.name == "_stored" and s.owner_path))


def events(model: juju.Model, unit: str, *, since: int = 0) -> list[str]:
    return list(stored(model, unit)["events"])[since:]


def relation_events(model: juju.Model, unit: str, endpoint: str) -> list[str]:
    prefix = f"{endpoint}_relation_"
    return [e.removeprefix(prefix) for e in events(model, unit) if e.startswith(prefix)]


def metadata(resource: Any) -> Any:
    """Return an object's metadata, whose annotations lightkube leaves untyped."""
    return resource.metadata


def pair(model: juju.Model) -> None:
    model.deploy(apps.WITNESS, "a")
    model.deploy(apps.WITNESS, "b")
    model.integrate("b:back", "a:link")
    model.settle()


def test_a_program_that_a_hook_starts_is_recorded():
    def start() -> None:
        subprocess.run(["true"], check=True)

    def in_a_thread() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(start).result()

    with _requests.requests(["a/0"]) as seen, _requests.requests(["b/0"]) as other:
        start()
        with _requests.recording("a/0", "start"):
            start()
            in_a_thread()
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        start()
    found = [each.split()[0] for each in seen.processes]
    assert found == ["subprocess.Popen", "subprocess.Popen", "os.posix_spawn"]
    assert other.processes == []


def test_events_of_a_new_unit_come_in_jujus_order(model: juju.Model):
    pair(model)
    assert events(model, "a/0") == [
        "install",
        "peers_relation_created a",
        "link_relation_created b",
        "leader_elected",
        "config_changed",
        "start",
        "start",  # deferred, and emitted again before the next
        "workload_pebble_ready",
        "link_relation_joined b/0",
        "link_relation_changed b/0",
        "link_relation_changed b/0",
    ]


def test_settle_does_nothing_when_nothing_is_pending(model: juju.Model):
    pair(model)
    assert model.settle() == 0


def test_databags_are_carried_both_ways(model: juju.Model):
    pair(model)
    assert model.databag("a:link")["app"] == "a"
    assert model.databag("b:back", unit=0)["unit"] == "b/0"
    seen = len(events(model, "a/0"))
    model.set_databag("b", "back", "app", "changed")
    model.settle()
    assert events(model, "a/0", since=seen) == ["link_relation_changed b/0"]


def test_removing_a_relation_breaks_it_on_both_sides(model: juju.Model):
    pair(model)
    model.remove_relation("a", "b")
    model.settle()
    assert relation_events(model, "a/0", "link")[-2:] == ["departed b/0", "broken b"]
    assert relation_events(model, "b/0", "back")[-2:] == ["departed a/0", "broken a"]
    with pytest.raises(juju.JujuError):
        model.databag("a:link")


def test_units_come_and_go(model: juju.Model, cluster: lab.Cluster):
    pair(model)
    model.add_unit("a", 2)
    model.settle()
    assert relation_events(model, "a/2", "peers") == [
        "created a", "joined a/0", "changed a/0", "joined a/1", "changed a/1",
    ]  # fmt: skip
    assert {"joined a/1", "joined a/2"} <= set(relation_events(model, "b/0", "back"))
    assert "leader_elected" not in events(model, "a/1")
    assert _replicas(cluster, model) == 3

    model.remove_unit("a", 2)
    model.settle()
    assert {"departed a/1", "departed a/2"} <= set(relation_events(model, "b/0", "back"))
    assert [u.name for u in model.app("a").units.values()] == ["a/0"]
    assert _replicas(cluster, model) == 1
    model.update_status()
    assert model.unit_status("a/0") == ops.ActiveStatus("1 planned")


def _replicas(cluster: lab.Cluster, model: juju.Model) -> int | None:
    found = cluster.client.get(StatefulSet, "a", namespace=model.name)
    return found.spec.replicas if found.spec else None


def test_leadership_moves(model: juju.Model):
    model.deploy(apps.WITNESS, "a", units=2)
    model.settle()
    assert model.leader("a") == "a/0"
    model.set_leader("a/1")
    model.settle()
    assert events(model, "a/1")[-1] == "leader_elected"
    assert model.unit("a/leader").number == 1


def test_config_is_typed_and_can_be_reset(model: juju.Model):
    model.deploy(apps.WITNESS, "a", config={"ports": "80"})
    model.settle()
    seen = len(events(model, "a/0"))
    model.config("a", check_port=7)
    model.reset("a", "ports")
    model.settle()
    assert events(model, "a/0", since=seen) == ["config_changed"]
    assert model.app("a").config == {"check-port": 7}
    with pytest.raises(juju.JujuError, match="no option"):
        model.config("a", nonsense=1)
    with pytest.raises(juju.JujuError, match="is not int"):
        model.config("a", check_port=True)


def test_secrets_reach_the_applications_with_a_grant(model: juju.Model):
    pair(model)
    assert set(stored(model, "b/0")["passwords"]) == {"first"}
    model.config("a", password="second")
    model.settle()
    assert "secret_changed" in events(model, "b/0")
    assert stored(model, "b/0")["passwords"][-1] == "second"
    assert events(model, "a/0")[-1] == "secret_remove"


def test_pebble_checks_are_probed(model: juju.Model):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        model.deploy(apps.WITNESS, "a", config={"check-port": port})
        model.settle()
        assert model.run_checks() == []
    assert model.run_checks() == ["a/0: workload-pebble-check-failed (reach)"]
    assert model.run_checks() == []
    with socket.create_server(("127.0.0.1", port)):
        assert model.run_checks() == ["a/0: workload-pebble-check-recovered (reach)"]
    assert events(model, "a/0")[-2:] == [
        "workload_pebble_check_failed", "workload_pebble_check_recovered",
    ]  # fmt: skip


def test_an_exception_in_a_hook_is_reported_with_traceback_and_log(model: juju.Model):
    model.deploy(apps.WITNESS, "a", config={"fails": True})
    model.settle()
    with pytest.raises(juju.HookError) as caught:
        model.emit("a/0", "update-status")
    text = str(caught.value)
    assert "a/0: hook update-status failed" in text
    assert "ValueError: option fails is set" in text
    assert "in _read_cluster" in text
    assert "witnessed update_status" in text


def test_actions_give_results_or_fail(model: juju.Model):
    model.deploy(apps.WITNESS, "a")
    model.settle()
    assert model.run("a/leader", "echo", word="hello") == {"said": "hello"}
    with pytest.raises(juju.ActionError, match="gave up"):
        model.run("a/0", "give-up")
    with pytest.raises(juju.JujuError, match="no action"):
        model.run("a/0", "nonsense")


def test_endless_changes_are_reported(model: juju.Model):
    model.deploy(apps.WITNESS, "a", config={"chats": True})
    model.deploy(apps.WITNESS, "b", config={"chats": True})
    model.integrate("b:back", "a:link")
    with pytest.raises(juju.NotSettledError, match=r"link-relation-changed .* wrote a:link"):
        model.settle()
    model.config("a", chats=False)
    model.config("b", chats=False)
    model.settle()


def test_restart_and_refresh_replace_the_pod(model: juju.Model):
    model.deploy(apps.WITNESS, "a")
    model.settle()
    again = ["stop", "upgrade_charm", "config_changed", "start", "workload_pebble_ready"]
    for replace in (lambda: model.restart("a/0"), lambda: model.refresh("a")):
        seen = len(events(model, "a/0"))
        replace()
        model.settle()
        assert events(model, "a/0", since=seen) == again
        assert "reach" in model.unit("a/0").containers["workload"].plan.checks


def test_a_changed_pod_template_restarts_the_unit(model: juju.Model, cluster: lab.Cluster):
    model.deploy(apps.WITNESS, "a", units=2)
    model.settle()
    seen, pod = len(events(model, "a/1")), model.unit("a/1").pod
    patch = {"spec": {"template": {"metadata": {"labels": {"new": "label"}}}}}
    client: Any = cluster.client
    client.patch(StatefulSet, "a", patch, namespace=model.name)
    model.settle()
    assert events(model, "a/1", since=seen)[:2] == ["stop", "upgrade_charm"]
    assert model.unit("a/1").pod != pod
    assert model.settle() == 0


@pytest.mark.parametrize(
    ("pauses", "said"), [("sleep", r"time\.sleep\(0\)"), ("wait", r"Event\.wait\(0\)")]
)
def test_a_hook_that_sleeps_fails(model: juju.Model, pauses: str, said: str):
    model.deploy(apps.WITNESS, "a")
    model.settle()
    model.config("a", pauses=pauses)
    model.settle()
    with pytest.raises(juju.HookError, match=said):
        model.emit("a/0", "update-status")


def test_a_model_with_a_failing_charm_can_be_destroyed(
    new_model: ModelFactory, cluster: lab.Cluster
):
    model = new_model()
    model.deploy(apps.WITNESS, "a", config={"breaks": True})
    model.deploy(apps.WITNESS, "b")
    model.integrate("b:back", "a:link")
    model.settle()
    with pytest.warns(UserWarning, match="option breaks is set"):
        model.destroy(force=True)
    with pytest.raises(ApiError, match="not found"):
        cluster.client.get(ClusterRoleBinding, f"{model.name}-a")
    assert not model.apps


def test_relations_across_models(new_model: ModelFactory):
    offering = new_model()
    consuming = new_model(controller=offering.controller)
    offering.deploy(apps.WITNESS, "a")
    consuming.deploy(apps.WITNESS, "b")
    offer = offering.offer("a:link")
    consuming.integrate("b:back", offer)
    offering.settle()
    names = relation_events(offering, "a/0", "link")
    assert re.fullmatch(r"created remote-[0-9a-f]{32}", names[0])
    assert relation_events(consuming, "b/0", "back")[0] == "created a"
    assert offering.databag("a:link")["model"] == consuming.uuid
    assert consuming.databag("b:back")["model"] == offering.uuid
    assert set(stored(consuming, "b/0")["passwords"]) == {"first"}

    consuming.remove_relation("b", offer)
    consuming.settle()
    assert relation_events(offering, "a/0", "link")[-1].startswith("broken remote-")


def test_integrate_refuses_what_juju_refuses(model: juju.Model):
    for name in ("a", "b", "c"):
        model.deploy(apps.WITNESS, name)
    with pytest.raises(juju.JujuError, match="ambiguous"):
        model.integrate("a", "b")
    with pytest.raises(juju.JujuError, match="no relation"):
        model.integrate("a:link", "b:more")
    model.integrate("a:other", "b")
    with pytest.raises(juju.JujuError, match="exists"):
        model.integrate("a:other", "b:more")
    with pytest.raises(juju.JujuError, match="takes 1"):
        model.integrate("a:other", "c:more")


def test_the_cluster_holds_what_juju_makes(model: juju.Model, cluster: lab.Cluster):
    namespace = metadata(cluster.client.get(Namespace, model.name))
    assert namespace.labels["app.kubernetes.io/managed-by"] == "juju"
    assert namespace.annotations["model.juju.is/id"] == model.uuid
    operator = cluster.client.get(Deployment, "modeloperator", namespace=model.name)
    assert operator.spec
    assert metadata(operator.spec.template).labels == {
        "juju-modeloperator": "modeloperator",
        "operator.juju.is/name": "modeloperator",
        "operator.juju.is/target": "model",
    }

    bookshop.deploy(model, "details")
    assert _ports(cluster, model, "details") == [("placeholder", 65535)]
    model.settle()
    assert _ports(cluster, model, "details") == [("9080-tcp", 9080)]
    template = cluster.client.get(StatefulSet, "details", namespace=model.name)
    assert template.spec and template.spec.template.spec
    assert metadata(template.spec.template).annotations == {lab.APP_ANNOTATION: "true"}
    assert template.spec.template.spec.serviceAccountName == "details"

    model.remove("details")
    model.settle()
    for kind in (StatefulSet, Service, ServiceAccount):
        with pytest.raises(ApiError, match="not found"):
            cluster.client.get(kind, "details", namespace=model.name)
    with pytest.raises(ApiError, match="not found"):
        cluster.client.get(ClusterRoleBinding, f"{model.name}-details")


def _ports(cluster: lab.Cluster, model: juju.Model, app: str) -> list[tuple[str | None, int]]:
    service = cluster.client.get(Service, app, namespace=model.name)
    assert service.spec and service.spec.ports
    return [(port.name, port.port) for port in service.spec.ports]


def test_ports_are_closed_again(model: juju.Model, cluster: lab.Cluster):
    model.deploy(apps.WITNESS, "a", config={"ports": "80,443"})
    model.settle()
    assert _ports(cluster, model, "a") == [("80-tcp", 80), ("443-tcp", 443)]
    model.config("a", ports="")
    model.settle()
    assert _ports(cluster, model, "a") == [("placeholder", 65535)]


def test_hooks_have_the_rights_of_their_service_account(model: juju.Model):
    model.deploy(apps.WITNESS, "trusted")
    model.deploy(apps.WITNESS, "other", trust=False)
    model.settle()
    with model.requests("trusted/0") as seen:
        model.emit("trusted/0", "update-status")
        with pytest.raises(
            juju.HookError, match=f"system:serviceaccount:{model.name}:other.* cannot list"
        ):
            model.emit("other/0", "update-status")
    assert seen == [("GET", f"/api/v1/namespaces/{model.name}/configmaps")]
    assert not seen.writes


def test_consumers_join_and_leave_a_mesh(model: juju.Model, cluster: lab.Cluster):
    bookshop.deploy(model, "details", "productpage")
    model.integrate("productpage:backends", "details:api")
    model.fake_remote(
        "details:service-mesh",
        "beacon",
        {"labels": '{"istio.io/dataplane-mode": "ambient"}', "mesh_type": '"istio"'},
    )
    model.settle()
    policy = json.loads(model.databag("details:service-mesh")["policies"])[0]
    assert policy["source_app_name"] == "productpage"
    assert policy["endpoints"][0]["paths"] == ["/health", "/details/*"]
    assert model.unit_status("productpage/0") == ops.ActiveStatus("calls details")
    assert _template_labels(cluster, model) == {
        "app.kubernetes.io/name": "details",
        "istio.io/dataplane-mode": "ambient",
    }

    model.remove_relation("details", "beacon")
    model.settle()
    assert _template_labels(cluster, model) == {"app.kubernetes.io/name": "details"}
    with pytest.raises(ApiError, match="not found"):
        cluster.client.get(ConfigMap, "juju-service-mesh-details-labels", namespace=model.name)


def _template_labels(cluster: lab.Cluster, model: juju.Model) -> dict[str, str]:
    found = cluster.client.get(StatefulSet, "details", namespace=model.name)
    assert found.spec
    return metadata(found.spec.template).labels


def test_a_fake_remote_has_the_given_databags(model: juju.Model):
    model.deploy(apps.WITNESS, "a")
    model.fake_remote("a:link", "stranger", {"app": "{broken"})
    model.settle()
    assert "joined stranger/0" in relation_events(model, "a/0", "link")
    assert model.databag("stranger:link") == {"app": "{broken"}
    seen = len(events(model, "a/0"))
    model.set_databag("stranger", "link", "app", None)
    model.settle()
    assert events(model, "a/0", since=seen) == ["link_relation_changed stranger/0"]
    assert model.databag("stranger:link") == {}


def test_the_ingress_requirer_speaks_ingress_v2(model: juju.Model):
    model.deploy(apps.STOREFRONT, "productpage", config={"strip-prefix": True})
    model.fake_remote("productpage:ingress", "ingress")
    model.settle()
    data = {k: json.loads(v) for k, v in model.databag("productpage:ingress").items()}
    assert data == {
        "model": model.name, "name": "productpage", "port": 9080, "strip-prefix": True,
    }  # fmt: skip
    unit = model.databag("productpage:ingress", unit=0)
    host = f"productpage-0.productpage-endpoints.{model.name}.svc.cluster.local"
    assert json.loads(unit["host"]) == host
    assert json.loads(unit["ip"]).startswith("10.244.")


def test_status_names_applications_and_units(model: juju.Model):
    pair(model)
    status = model.status()
    assert status.apps["a"].status == "active"
    assert status.apps["a"].units["a/0"].leader
    assert "1 planned" in str(status)
    assert any("witnessed install" in line for line in model.logs("a/0"))
