# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Applying a plan: the writes, their order, and what a fault stops."""

from typing import Any, cast

import httpx2
import lightkube
import msgspec
import pytest
from istio_ambient import kube, resources
from istio_ambient.values.problem_codes import Code
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import Namespace, Service

from tests.unit.kube.objects import IDENTITY, as_live, config_map, edited, live, policy


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
        self.preconditions: list[Any] = []
        self.time_left = 45.0
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

    def has_time(self, seconds: float) -> bool:
        return self.time_left >= seconds

    def extend(self, seconds: float) -> None:
        pass

    def patch(
        self,
        res: Any,
        name: str,
        obj: Any,
        *,
        field_manager: str | None = None,
        dry_run: bool = False,
        **_: Any,
    ) -> Any:
        self._record("dry run" if dry_run else "patch", name)
        self.managers.add(field_manager)
        self.bodies.append(obj)
        if res is CustomResourceDefinition:
            return res(metadata=ObjectMeta(name=name), spec=cast(Any, {}))
        return res.from_dict({**obj, "metadata": {**obj["metadata"], "name": name}})

    def replace(self, obj: Any, *, field_manager: str | None = None, dry_run: bool = False) -> Any:
        self._record("dry run" if dry_run else "replace", obj.metadata.name)
        self.managers.add(field_manager)
        return obj

    def delete(self, res: Any, name: str, **options: Any) -> None:
        self.preconditions.append(options.get("preconditions"))
        self._record("delete", name)


def test_each_object_takes_one_request_and_deletions_come_last():
    client = RecordingClient()
    service = Service(metadata=ObjectMeta(name="old", namespace="shop"))
    plan = kube.plan([policy("new"), config_map("cm")], live(as_live(service)))
    applied = kube.apply(client, plan, IDENTITY)
    assert sorted(client.calls[:2]) == [("patch", "cm"), ("patch", "new")]
    assert client.calls[2:] == [("delete", "old")]
    assert not applied.faults


def test_an_empty_plan_sends_no_request():
    client = RecordingClient()
    kube.apply(client, kube.plan([policy()], live(as_live(policy()))), IDENTITY)
    assert client.calls == []


@pytest.mark.parametrize("ours", [True, False])
def test_an_object_that_was_created_with_a_lost_answer_is_created(ours: bool):
    client = RecordingClient({"allow": api_error(409, "the object has been modified")})
    found = as_live(policy()) if ours else edited(as_live(policy()), annotations={})

    def get(res: Any, name: str, **_: Any) -> Any:
        client.calls.append(("get", name))
        return found

    client.get = get  # pyright: ignore[reportAttributeAccessIssue]
    applied = kube.apply(client, kube.plan([policy()], live()), IDENTITY)
    assert client.calls == [("patch", "allow"), ("get", "allow")]
    assert [f.problem.code for f in applied.faults] == ([] if ours else [Code.NO_ANSWER])
    assert len(applied.done) == ours


def test_a_fault_keeps_nothing_else_from_being_written_or_deleted():
    client = RecordingClient({"new": api_error(500)})
    plan = kube.plan([policy("new"), config_map("cm")], live(as_live(policy("old"))))
    (fault,) = kube.apply(client, plan, IDENTITY).faults
    assert fault.transient
    assert {("delete", "old"), ("patch", "cm")} <= set(client.calls)


ROUTE = resources.HTTPRoute(metadata=ObjectMeta(name="open", namespace="shop"), spec={"a": 1})
GUARDS = frozenset({kube.ref_of(policy())})


def guarded(*desired: kube.Resource, found: kube.Live, fault: int = 0) -> list[tuple[str, str]]:
    """Return the writes where `allow` guards what is served, and is refused with a fault."""
    client = RecordingClient({"allow": api_error(fault)} if fault else {})
    plan = kube.withheld(kube.plan(desired, found, guards=GUARDS), found)
    applied = kube.apply(client, plan, IDENTITY)
    assert len(applied.faults) == bool(fault)
    return client.calls


def test_nothing_is_served_without_its_guard():
    route, empty, denied = ("patch", "open"), live(), [("patch", "allow")]
    assert guarded(ROUTE, policy(), found=empty) == [*denied, route]
    assert guarded(ROUTE, policy(), found=empty, fault=403) == denied
    served = live(as_live(ROUTE))
    assert guarded(ROUTE, policy(), found=served, fault=403) == denied
    # Of a kind that is not served, or a name that another owner has taken.
    assert guarded(ROUTE, policy(), found=live(missing=[resources.AuthorizationPolicy])) == []


def put(found: kube.Resource, *codes: int, generation: int = 3) -> tuple[list[str], bool]:
    """Return the requests of a replacement that is refused with these codes, and its success."""
    client = RecordingClient()
    refusals = list(codes)

    def replace(obj: Any, **_: Any) -> Any:
        client.calls.append(("replace", obj.metadata.resourceVersion))
        if refusals:
            raise api_error(refusals.pop(0))
        return obj

    def get(res: Any, name: str, **_: Any) -> Any:
        client.calls.append(("get", name))
        return edited(found, resourceVersion="8", generation=generation)

    client.replace, client.get = replace, get  # pyright: ignore[reportAttributeAccessIssue]
    wanted = policy(action="DENY", rules=[{}])
    applied = kube.apply(client, kube.plan([wanted], live(found)), IDENTITY)
    return [f"{verb} {what}" for verb, what in client.calls], not applied.faults


def test_a_replacement_is_sent_again_where_only_the_status_changed():
    opened = edited(as_live(policy(), manager="kubectl-edit", operation="Update"), generation=3)
    assert put(opened, 409) == (["replace 7", "get allow", "replace 8"], True)
    assert put(opened, 409, generation=4) == (["replace 7", "get allow"], False)
    assert put(opened, 403) == (["replace 7"], False)


def test_a_guard_that_cannot_be_replaced_is_outdated_and_not_missing():
    found = live(as_live(ROUTE), as_live(policy(), manager="charmed-istio", operation="Update"))
    plan = kube.plan([ROUTE, policy(action="DENY", rules=[{}])], found, guards=GUARDS)
    client = RecordingClient({"allow": api_error(403)})
    failed = kube.apply(client, plan, IDENTITY).failed.values()
    assert client.calls == [("replace", "allow")]
    assert kube.missing(plan, found, failed) == frozenset()


def test_a_guard_that_another_writer_narrowed_is_not_missing_while_it_cannot_be_restored():
    wide, narrow = (
        policy(rules=[{"from": [{"source": {"ipBlocks": [net]}}]}]) for net in NETS[::-1]
    )
    narrowed = as_live(wide, manager="kubectl-edit", operation="Update")
    narrowed["spec"] = dict(narrow["spec"])
    found = live(narrowed)
    plan = kube.plan([ROUTE, wide], found, guards=GUARDS)
    client = RecordingClient({"allow": api_error(503)})
    failed = kube.apply(client, plan, IDENTITY).failed.values()
    assert ("patch", "open") in client.calls
    assert kube.missing(plan, found, failed) == frozenset()


def test_an_object_whose_marks_a_webhook_removes_is_not_written_in_each_hook():
    bare = as_live(policy())
    annotations = {OWNER: "shop/beacon"}
    (change,) = kube.plan([policy()], live(edited(bare, annotations=annotations))).changes
    assert change.repairs


OWNER = resources.OWNER_ANNOTATION


def test_with_an_outdated_guard_what_is_served_stays_and_nothing_is_added():
    stricter = policy(action="DENY", rules=[{}])
    served = live(as_live(ROUTE), as_live(policy()))
    changed = resources.HTTPRoute(
        metadata=ObjectMeta(name="open", namespace="shop"), spec={"a": 2}
    )
    denied = [("patch", "allow")]
    assert guarded(ROUTE, stricter, found=served, fault=403) == denied
    assert guarded(changed, stricter, found=served, fault=403) == denied
    assert guarded(stricter, found=served, fault=403) == [*denied, ("delete", "open")]


def test_a_guard_that_somebody_else_wrote_into_is_no_guard_while_it_cannot_be_restored():
    opened = as_live(policy(), manager="kubectl-edit", operation="Update")
    opened["spec"] = {"rules": [{}]}
    found = live(as_live(ROUTE), opened)
    plan = kube.plan([ROUTE, policy()], found, guards=GUARDS)
    client = RecordingClient({"allow": api_error(403)})
    failed = kube.apply(client, plan, IDENTITY).failed.values()
    assert client.calls == [("dry run", "allow")]
    assert kube.missing(plan, found, failed) == {"AuthorizationPolicy shop/allow"}


def test_a_guard_widens_only_after_what_it_guards_is_gone():
    narrow, wide = (policy(rules=[{"from": [{"source": {"ipBlocks": [net]}}]}]) for net in NETS)
    found = live(as_live(ROUTE), as_live(narrow))
    assert guarded(wide, found=found) == [("delete", "open"), ("patch", "allow")]
    client = RecordingClient({"open": api_error(403)})
    applied = kube.apply(client, kube.plan([wide], found, guards=GUARDS), IDENTITY)
    assert client.calls == [("delete", "open")]
    assert [change.ref.name for change in applied.held] == ["allow"]


def test_an_object_whose_finalizers_keep_it_is_deleted_once_and_counts_as_live():
    kept = edited(as_live(policy("old")), finalizers=["example.com/keep"])
    client, found = RecordingClient(), live(kept)
    applied = kube.apply(client, kube.plan([], found), IDENTITY)
    assert client.calls == [("delete", "old")]
    assert applied.live(found).of(resources.AuthorizationPolicy)
    going = edited(kept, deletionTimestamp="2026-01-01T00:00:00Z")
    (change,) = kube.plan([], live(going)).changes
    assert change.verb is kube.Verb.HELD


NETS = ("10.0.0.0/8", "0.0.0.0/0")


class Altering(RecordingClient):
    """Has an admission webhook that adds a rule to every policy."""

    def patch(self, res: Any, name: str, obj: Any, **options: Any) -> Any:
        return super().patch(res, name, {**obj, "spec": {"rules": [{}]}}, **options)


def test_an_answer_that_is_not_what_was_sent_is_a_fault():
    client = Altering()
    applied = kube.apply(client, kube.plan([policy()], live()), IDENTITY)
    (fault,) = applied.faults
    assert not fault.transient
    assert fault.text.startswith(
        "AuthorizationPolicy shop/allow: a webhook changes what is written"
    )
    assert fault.problem.code is Code.CHANGED_ON_WRITE
    # The next hook finds out by a dry run that another write would not last either.
    again = kube.plan([policy()], applied.live(live()))
    assert len(kube.apply(client, again, IDENTITY).faults) == 1
    assert client.calls == [("patch", "allow"), ("dry run", "allow")]


def test_an_immutable_object_of_a_kind_that_runs_nothing_is_recreated():
    client = RecordingClient({"cm": api_error(422, "field is immutable")})
    plan = kube.plan([config_map("cm", a="2")], live(as_live(config_map("cm", a="1"))))
    assert not kube.apply(client, plan, IDENTITY).faults
    recreated = [("dry run", "cm-tried"), ("delete", "cm"), ("patch", "cm")]
    assert client.calls == [("patch", "cm"), *recreated]
    assert client.preconditions == [{"uid": "of-cm", "resourceVersion": "7"}]


@pytest.mark.parametrize(
    ("first", "tried"),
    [
        ('admission webhook "images" denied the request: field is immutable', ""),
        ("data: Invalid value: too large", ""),
        ("field is immutable", "denied by an admission policy"),
    ],
)
def test_nothing_is_deleted_that_cannot_be_created_again(first: str, tried: str):
    client = RecordingClient({"cm": api_error(422, first), "cm-tried": api_error(422, tried)})
    plan = kube.plan([config_map("cm", a="2")], live(as_live(config_map("cm", a="1"))))
    (fault,) = kube.apply(client, plan, IDENTITY).faults
    assert (tried or first)[:20] in fault.text
    assert "delete" not in {verb for verb, _ in client.calls}


def test_nothing_is_deleted_that_there_is_no_time_to_create_again():
    client = RecordingClient({"cm": api_error(422, "field is immutable")})
    client.time_left = 9.0
    plan = kube.plan([config_map("cm", a="2")], live(as_live(config_map("cm", a="1"))))
    (fault,) = kube.apply(client, plan, IDENTITY).faults
    assert fault.transient
    assert "no time is left" in fault.text
    assert "delete" not in {verb for verb, _ in client.calls}


def test_an_immutable_object_that_another_writer_changed_is_recreated():
    found = as_live(config_map("cm", a="1"), manager="kubectl-edit", operation="Update")
    client = RecordingClient({"cm": api_error(422, "field is immutable")})
    assert not kube.apply(
        client, kube.plan([config_map("cm", a="2")], live(found)), IDENTITY
    ).faults
    recreated = [("dry run", "cm-tried"), ("delete", "cm"), ("patch", "cm")]
    assert client.calls == [("replace", "cm"), *recreated]


def test_an_immutable_object_that_drifted_is_recreated():
    found = as_live(config_map("cm", a="1"), manager="kubectl-edit", operation="Update")
    found.data["a"] = "theirs"
    client = RecordingClient({"cm": api_error(422, "field is immutable")})
    plan = kube.plan([config_map("cm", a="1")], live(found))
    assert not kube.apply(client, plan, IDENTITY).faults
    assert [verb for verb, _ in client.calls] == ["dry run", "replace"]


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
    assert fault.text.endswith("; juju trust beacon --scope=cluster")
    assert fault.problem.code is Code.NOT_PERMITTED


def test_a_missing_permission_without_a_hint_is_reported_alone():
    message = 'User "u" cannot patch resource "policies" in API group "x.io" in n'
    client = RecordingClient({"allow": api_error(403, message)})
    requester = msgspec.structs.replace(IDENTITY, permission_hint="")
    (fault,) = kube.apply(client, kube.plan([policy()], live()), requester).faults
    assert fault.text == "not permitted to patch policies.x.io"


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (403, 'x "i" is forbidden: exceeded quota: team, requested: x=1', Code.QUOTA_EXCEEDED),
        (403, "forbidden: failed quota: q: must specify limits.cpu", Code.QUOTA_EXCEEDED),
        (403, 'admission webhook "v.x" denied the request: images', Code.REFUSED_BY_ADMISSION),
        (400, 'admission webhook "v.x" denied the request: images', Code.REFUSED_BY_ADMISSION),
        (
            422,
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            Code.REFUSED_BY_ADMISSION,
        ),
        (
            403,
            "unable to create new content in namespace mesh because it is being terminated",
            Code.NAMESPACE_TERMINATING,
        ),
        (401, "Unauthorized", Code.TOKEN_REFUSED),
        (422, "spec.x: Invalid value", Code.REQUEST_REFUSED),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_api_server(status: int, message: str, code: Code):
    client = RecordingClient({"allow": api_error(status, message)})
    requester = msgspec.structs.replace(IDENTITY, token_hint="kubectl delete pod beacon-0")
    (fault,) = kube.apply(client, kube.plan([policy()], live()), requester).faults
    assert fault.problem.code is code
    assert ("delete pod beacon-0" in fault.text) == (code is Code.TOKEN_REFUSED)
    assert fault.text.startswith("create AuthorizationPolicy shop/allow: ")
    assert message in fault.text and "trust" not in fault.text


def test_rules_that_the_charm_may_not_grant_need_juju_trust():
    message = 'clusterroles "x" is forbidden: user "u" is attempting to grant RBAC permissions'
    client = RecordingClient({"allow": api_error(403, message)})
    (fault,) = kube.apply(client, kube.plan([policy()], live()), IDENTITY).faults
    assert fault.problem.code is Code.NOT_PERMITTED
    assert "juju trust beacon" in fault.text and message in fault.text


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
    assert kube.apply_labels(client, [same], "us").changed == ()
    assert kube.apply_labels(client, [other], "us").changed == (other,)
    assert client.bodies == [{"metadata": {"labels": {"kept": None, "new": "1"}}}]
    assert client.managers == {"us"}


def test_known_labels_are_not_read():
    client = RecordingClient()
    labels = {"kept": "yes", "gone": None, "new": "1"}
    same = kube.LabelPatch(Namespace, "shop", labels, current={"kept": "yes", "new": "1"})
    other = kube.LabelPatch(Namespace, "shop", labels, current={"kept": "no", "gone": "x"})
    assert kube.apply_labels(client, [same, other], "us").changed == (other,)
    assert client.calls == [("patch", "shop")]
    assert client.bodies == [{"metadata": {"labels": labels}}]


def test_labels_of_a_pod_template_are_read_where_those_of_its_owner_are_known():
    client = RecordingClient()
    patch = kube.LabelPatch(Namespace, "shop", {"kept": "yes"}, pod_template=True, current={})
    assert kube.label_changes(client, [patch]) == [patch]
    assert client.calls == [("get", "shop")]


def test_an_object_that_is_gone_since_its_labels_were_read_is_passed_over():
    client = RecordingClient({"shop": api_error(404, "not found")})
    patch = kube.LabelPatch(Namespace, "shop", {"new": "1"}, current={})
    done = kube.apply_labels(client, [patch], "us")
    assert not done.changed and not done.failed
