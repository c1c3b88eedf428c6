# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The live objects of an owner and of all others: each is read once."""

from typing import Any, cast

import msgspec
import pytest
from istio_ambient import kube, resources
from lightkube import operators
from lightkube.models.meta_v1 import ObjectMeta

LABEL = "app.kubernetes.io/instance"
IDENTITY = resources.identity("shop", "gate")
OURS = {resources.OWNER_ANNOTATION: "shop/gate"}
THEIRS = {resources.OWNER_ANNOTATION: "a/b-c"}


def route(name: str, namespace: str = "shop", label: str = "", **more: Any) -> kube.Resource:
    metadata = ObjectMeta(name=name, namespace=namespace, labels={LABEL: label} if label else {})
    return resources.HTTPRoute(metadata=msgspec.structs.replace(metadata, **more))


ROUTES = (
    route("ours", label="shop-gate", annotations=OURS),
    route("ours-elsewhere", "store", label="shop-gate", annotations=OURS),
    route("same-label", label="shop-gate", annotations=THEIRS),
    route("same-label-elsewhere", "store", label="shop-gate"),
    route("other-label", label="another"),
    route("no-label"),
    route("no-label-elsewhere", "store"),
)


class Routes:
    """Answers LISTs of routes as the API server selects them."""

    def __init__(self) -> None:
        self.sent = 0

    def list(self, _: Any, *, namespace: str, labels: dict[str, Any] | None, **__: Any) -> Any:
        for each in ROUTES:
            has: str | None = each.metadata.labels.get(LABEL)
            wanted = (labels or {}).get(LABEL, has)
            differs = isinstance(wanted, operators.BinaryOperator)
            value = wanted.value if differs else wanted
            if namespace in ("*", each.metadata.namespace) and (has == value) is not differs:
                self.sent += 1
                yield each


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [
        ("shop", ["no-label", "other-label", "same-label"]),
        (
            None,
            [
                "no-label",
                "no-label-elsewhere",
                "other-label",
                "same-label",
                "same-label-elsewhere",
            ],
        ),
    ],
)
def test_objects_of_others_are_those_that_were_not_read_with_ours(
    namespace: str | None, expected: list[str]
):
    client = Routes()
    live = kube.read_live(cast(Any, client), IDENTITY, [resources.HTTPRoute])
    assert sorted(ref.name for ref in live.objects) == ["ours", "ours-elsewhere"]
    others = kube.read_others(cast(Any, client), resources.HTTPRoute, live, namespace)
    assert sorted(each.metadata.name for each in others) == expected
    if namespace is None:
        assert client.sent == len(ROUTES), "each object is sent once"


def test_owners_with_several_labels_get_all_objects_and_leave_theirs_out():
    identity = msgspec.structs.replace(IDENTITY, labels={LABEL: "shop-gate", "x": "y"})
    live = kube.Live(identity, objects={kube.ref_of(ROUTES[0]): ROUTES[0]})
    others = kube.read_others(cast(Any, Routes()), resources.HTTPRoute, live)
    assert [each.metadata.name for each in others] == [r.metadata.name for r in ROUTES[1:]]
