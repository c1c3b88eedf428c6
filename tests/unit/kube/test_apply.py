# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Applying a plan: the writes, their order, and what a fault stops."""

import dataclasses
from typing import Any, cast

import httpx2
import lightkube
import pytest
from istio_ambient import kube, resources
from istio_ambient.kube import _client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import Namespace

from tests.unit.kube.objects import IDENTITY, as_live, config_map, live, policy


def api_error(code: int, message: str = "no") -> lightkube.ApiError:
    request = httpx2.Request("PATCH", "http://api/x")
    body = {"kind": "Status", "code": code, "message": message}
    return lightkube.ApiError(request, httpx2.Response(code, json=body, request=request))


class RecordingClient:
    """Records writes; raises the given errors, each once."""

    def __init__(self, faults: dict[str, lightkube.ApiError] | None = None):
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.managers: set[str | None] = set()
        self._faults = faults or {}

    def _record(self, verb: str, name: str) -> None:
        self.calls.append((verb, name))
        if name in self._faults:
            raise self._faults.pop(name)

    def get(self, res: Any, name: str, *, namespace: str | None = None) -> Any:
        self._record("get", name)
        return Namespace(metadata=ObjectMeta(name=name, labels={"kept": "yes"}))

    def list(self, res: Any, **_: Any) -> list[Any]:
        return []

    def patch(
        self, res: Any, name: str, obj: Any, *, field_manager: str | None = None, **_: Any
    ) -> Any:
        self._record("patch", name)
        self.managers.add(field_manager)
        self.bodies.append(obj)
        return obj

    def replace(self, obj: Any, *, field_manager: str | None = None) -> Any:
        self._record("replace", obj.metadata.name)
        self.managers.add(field_manager)
        return obj

    def delete(self, res: Any, name: str, **_: Any) -> None:
        self._record("delete", name)


def test_each_object_takes_one_request_and_deletions_come_last():
    client = RecordingClient()
    plan = kube.plan([policy("new"), config_map("cm")], live(as_live(policy("old"))))
    applied = kube.apply(client, plan, IDENTITY)
    assert client.calls == [("patch", "cm"), ("patch", "new"), ("delete", "old")]
    assert not applied.faults


def test_an_empty_plan_sends_no_request():
    client = RecordingClient()
    kube.apply(client, kube.plan([policy()], live(as_live(policy()))), IDENTITY)
    assert client.calls == []


def test_a_fault_ends_the_run_before_deletions():
    client = RecordingClient({"new": api_error(500)})
    plan = kube.plan([policy("new")], live(as_live(policy("old"))))
    (fault,) = kube.apply(client, plan, IDENTITY).faults
    assert fault.transient
    assert ("delete", "old") not in client.calls


def test_a_fault_of_a_guard_ends_the_run_before_other_custom_resources():
    client = RecordingClient({"allow": api_error(500)})
    kinds = (resources.AuthorizationPolicy, resources.HTTPRoute)
    route = resources.HTTPRoute(metadata=ObjectMeta(name="open", namespace="shop"), spec={})
    plan = kube.plan([route, policy()], kube.Live(IDENTITY, kinds))
    assert kube.apply(client, plan, IDENTITY).faults
    assert client.calls == [("patch", "allow")]


def test_an_immutable_object_of_a_kind_that_runs_nothing_is_recreated():
    client = RecordingClient({"cm": api_error(422, "field is immutable")})
    plan = kube.plan([config_map("cm", a="2")], live(as_live(config_map("cm", a="1"))))
    assert not kube.apply(client, plan, IDENTITY).faults
    assert client.calls == [("patch", "cm"), ("delete", "cm"), ("patch", "cm")]


def test_an_immutable_object_of_another_kind_needs_an_operator():
    client = RecordingClient({"allow": api_error(422, "field is immutable")})
    (fault,) = kube.apply(client, kube.plan([policy()], live()), IDENTITY).faults
    assert not fault.transient
    assert "immutable" in fault.text


def test_a_missing_permission_names_verb_resource_and_the_owners_hint():
    message = (
        'policies is forbidden: User "u" cannot patch resource "policies" in API group "x.io" in n'
    )
    client = RecordingClient({"allow": api_error(403, message)})
    (fault,) = kube.apply(client, kube.plan([policy()], live()), IDENTITY).faults
    assert not fault.transient
    assert "patch policies.x.io" in fault.text
    assert fault.text.endswith(": run juju trust beacon --scope=cluster")


def test_a_missing_permission_without_a_hint_is_reported_alone():
    client = RecordingClient({"allow": api_error(403)})
    requester = dataclasses.replace(IDENTITY, permission_hint="")
    (fault,) = kube.apply(client, kube.plan([policy()], live()), requester).faults
    assert fault.text == "not permitted to create AuthorizationPolicy shop/allow"


def test_every_write_names_the_owners_field_manager():
    client = RecordingClient()
    opened = as_live(policy(), manager="kubectl-edit", operation="Update")
    kube.apply(client, kube.plan([policy(action="DENY"), config_map()], live(opened)), IDENTITY)
    assert [verb for verb, _ in client.calls] == ["patch", "replace"]
    crd = CustomResourceDefinition(metadata=ObjectMeta(name="x"), spec=cast(Any, {}))
    kube.release(client, kube.Live(IDENTITY, objects={kube.ref_of(crd): crd}))
    assert client.calls[-1] == ("patch", "x")
    assert client.managers == {"charmed-istio"}


def test_label_patches_contain_differences_only():
    client = RecordingClient()
    same = kube.LabelPatch(Namespace, "shop", {"kept": "yes", "gone": None})
    other = kube.LabelPatch(Namespace, "shop", {"kept": None, "new": "1"})
    assert kube.apply_labels(client, [same], "us") == []
    assert kube.apply_labels(client, [other], "us") == [other]
    assert client.bodies == [{"metadata": {"labels": {"kept": None, "new": "1"}}}]
    assert client.managers == {"us"}


class Answers(httpx2.BaseTransport):
    def __init__(self, *codes: int):
        self.codes = list(codes)
        self.sent = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent += 1
        code = self.codes.pop(0)
        if code == 0:
            raise httpx2.ConnectError("refused")
        return httpx2.Response(code, headers={"Retry-After": "0"})


@pytest.mark.parametrize(("codes", "sent"), [([429, 200], 2), ([0, 503, 200], 3), ([404], 1)])
def test_requests_to_a_busy_or_silent_api_server_are_repeated(codes: list[int], sent: int):
    answers = Answers(*codes)
    transport = _client.RetryTransport(answers)
    response = transport.handle_request(httpx2.Request("GET", "http://api/x"))
    assert (response.status_code, answers.sent) == (codes[-1], sent)


def test_repetitions_are_bounded():
    answers = Answers(*[503] * 1000)
    transport = _client.RetryTransport(answers, seconds=0.0)
    assert transport.handle_request(httpx2.Request("GET", "http://api/x")).status_code == 503
    assert answers.sent == 1
