# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of an application or model that is no more are adopted, and no others."""

from typing import Any

import httpx2
import lightkube
import pytest
from istio_ambient import resources
from istio_ambient.charm import owners
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

IDENTITY = resources.identity("shop", "beacon")


class Cluster:
    """Has these objects; others are absent, or the answer is an error."""

    def __init__(self, *names: str, code: int = 404):
        self.names = names
        self.code = code

    def get(self, kind: Any, name: str, *, namespace: str | None = None) -> Any:
        if f"{kind.__name__} {namespace or ''}/{name}" in self.names:
            return kind.from_dict({"metadata": {"name": name}})
        request = httpx2.Request("GET", "http://api/x")
        body = {"kind": "Status", "code": self.code, "message": "no"}
        raise lightkube.ApiError(request, httpx2.Response(self.code, json=body, request=request))


def owned(owner: str) -> ConfigMap:
    annotations = {resources.OWNER_ANNOTATION: owner}
    return ConfigMap(metadata=ObjectMeta(name="x", annotations=annotations))


@pytest.mark.parametrize(
    ("cluster", "gone"),
    [
        (Cluster(), True),
        (Cluster("Namespace /old"), True),
        (Cluster(code=403), False),
        (Cluster(code=503), False),
    ],
)
def test_an_owner_is_gone_with_its_model_or_application(cluster: Any, gone: bool):
    found = owners.abandoned(cluster, IDENTITY, [owned("old/istio")])
    assert found == ({"old/istio"} if gone else frozenset())


def test_owners_that_nobody_can_look_for_are_not_gone():
    others = [owned("shop/beacon"), owned("released"), owned(""), ConfigMap(metadata=ObjectMeta())]
    assert owners.abandoned(Cluster(), IDENTITY, others) == frozenset()  # type: ignore[arg-type]
