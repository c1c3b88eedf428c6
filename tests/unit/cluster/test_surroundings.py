# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Another Istio that works is found, and what a removed one left is not."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from istio_ambient import kube, resources
from istio_ambient.cluster import surroundings
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.discovery_v1 import EndpointSlice

IDENTITY = resources.identity("mesh", "istio")
SERVICE = {"service": {"namespace": "old", "name": "istiod"}}


def deployment(namespace: str, **metadata: str) -> Any:
    named = {"name": "istiod", "namespace": namespace, **metadata}
    spec: dict[str, Any] = {"selector": {}, "template": {}}
    return Deployment.from_dict({"metadata": named, "spec": spec})  # pyright: ignore[reportUnknownMemberType]


def injector(client_config: Mapping[str, Any]) -> Any:
    webhook = {
        "name": "x.istio.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": client_config,
    }
    found = {"metadata": {"name": "injector"}, "webhooks": [webhook]}
    return MutatingWebhookConfiguration.from_dict(found)  # pyright: ignore[reportUnknownMemberType]


def endpoints(*addresses: str) -> Any:
    labels = {"kubernetes.io/service-name": "istiod"}
    found = {
        "metadata": {"name": "istiod-x", "namespace": "old", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]} for address in addresses],
    }
    return EndpointSlice.from_dict(found)  # pyright: ignore[reportUnknownMemberType]


OURS = deployment("mesh")


@pytest.mark.parametrize(
    ("cluster", "named"),
    [
        ([], ()),
        ([OURS], ()),
        ([OURS, deployment("old")], ("Deployment old/istiod",)),
        ([deployment("old", deletionTimestamp="2026-01-01T00:00:00Z")], ()),
        ([injector(SERVICE)], ()),
        ([injector(SERVICE), endpoints()], ()),
        ([injector(SERVICE), endpoints("192.0.2.7")], ("MutatingWebhookConfiguration injector",)),
        # Named once, by its Deployment.
        (
            [deployment("old"), injector(SERVICE), endpoints("192.0.2.7")],
            ("Deployment old/istiod",),
        ),
        ([injector({"service": {"namespace": "mesh", "name": "istiod"}})], ()),
        # Whether a URL is served cannot be read from the API server.
        ([injector({"url": "https://istiod.site/x"})], ("MutatingWebhookConfiguration injector",)),
    ],
)
def test_another_istio_is_named_and_what_a_removed_one_left_is_not(
    monkeypatch: pytest.MonkeyPatch, cluster: list[kube.Resource], named: tuple[str, ...]
):
    def list_kind(_: kube.Client, kind: kube.ResourceType, *__: Any, **___: Any) -> Any:
        return [obj for obj in cluster if isinstance(obj, kind)]

    monkeypatch.setattr(kube, "list_kind", list_kind)
    monkeypatch.setattr(kube, "first_of", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(kube, "server_version", lambda _: None)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    monkeypatch.setattr(kube, "read_taken", lambda *_: kube.Taken())  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    live = kube.Live(IDENTITY, (), {kube.ref_of(OURS): OURS})
    assert surroundings.read(cast(kube.Client, None), live).other_istios == named
