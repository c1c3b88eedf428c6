# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What other applications add to the control plane, out of their databags."""

import json

import pytest
from istio_ambient import control_plane
from istio_ambient.control_plane import _integrations
from istio_ambient.interfaces import istio_ingress_config, tracing

from tests import authorities

GOOD = {"ext_authz_service_name": "oauth2-proxy.iam.svc", "ext_authz_port": "4180"}
NONE = {"ext_authz_service_name": "fake_host", "ext_authz_port": "5432"}


def receivers(url: str) -> dict[str, str]:
    answer = [{"protocol": {"name": "otlp_grpc", "type": "grpc"}, "url": url}]
    return {"receivers": json.dumps(answer)}


def ingresses(**databags: dict[str, str]) -> _integrations.Integrations:
    remotes = [control_plane.Remote(n, app, bag) for n, (app, bag) in enumerate(databags.items())]
    return control_plane.read_integrations(ingresses=remotes)


def mesh_config(integrations: _integrations.Integrations) -> str:
    """Return the mesh config that the objects of these integrations hold."""
    facts = control_plane.Facts("mesh", "istio", integrations=integrations)
    objects = control_plane.desired(facts).objects
    (found,) = (obj for obj in objects if obj.metadata and obj.metadata.name == "istio")
    return str(getattr(found, "data", {})["mesh"])


def test_nothing_related():
    assert control_plane.read_integrations() == _integrations.Integrations()


def test_every_ingress_has_a_provider_of_its_own_and_fake_host_means_none():
    found = ingresses(one=GOOD, two=NONE, three={**GOOD, "ext_authz_protocol": "grpc"}, four={})
    assert found.problems == ()
    assert [(name, p.protocol) for name, p in found.ext_authz_providers.items()] == [
        ("ext-authz-one", "http"),
        ("ext-authz-three", "grpc"),
    ]
    assert found.provider_names == {0: "ext-authz-one", 2: "ext-authz-three"}


def test_a_provider_has_a_name_that_istiod_takes_and_the_path_prefix():
    long = "a" * 63
    found = ingresses(**{long: {**GOOD, "ext_authz_path_prefix": "/decisions"}})
    ((name, provider),) = found.ext_authz_providers.items()
    assert len(name) == 63
    assert name.startswith("ext-authz-aaa")
    assert provider.path_prefix == "/decisions"


def test_a_bad_ingress_is_reported_and_the_good_one_stays():
    found = ingresses(bad={**GOOD, "ext_authz_port": "http"}, good=GOOD)
    assert [*found.ext_authz_providers] == ["ext-authz-good"]
    assert [problem.app for problem in found.problems] == ["bad"]


def test_one_application_has_one_provider():
    remotes = [control_plane.Remote(n, "ingress", GOOD) for n in (4, 7)]
    found = control_plane.read_integrations(ingresses=remotes)
    assert found.provider_names == {4: "ext-authz-ingress"}
    assert len(found.problems) == 1


def test_the_reply_to_an_ingress_names_a_provider_that_mesh_config_has():
    found = ingresses(one=GOOD)
    assert control_plane.provider_replies(found, "") == {}
    assert control_plane.provider_replies(found, mesh_config(ingresses())) == {}
    reply = istio_ingress_config.Reply("ext-authz-one")
    assert control_plane.provider_replies(found, mesh_config(found)) == {0: reply}


@pytest.mark.parametrize(
    "text",
    [
        "{broken",
        "- ext-authz-one",
        "2026-13-01",
        "extensionProviders: 7",
        "extensionProviders: [ext-authz-one, {name: [ext-authz-one]}]",
        "[" * 5000,
    ],
)
def test_a_mesh_config_that_another_writer_broke_has_no_provider(text: str):
    assert control_plane.provider_replies(ingresses(one=GOOD), text) == {}


def test_a_path_prefix_that_is_no_text_is_none():
    text = "extensionProviders: [{name: ext-authz-one, envoyExtAuthzHttp: {pathPrefix: 7}}]"
    replies = control_plane.provider_replies(ingresses(one=GOOD), text)
    assert replies == {0: istio_ingress_config.Reply("ext-authz-one")}


def test_the_reply_to_an_ingress_repeats_the_path_prefix_in_use():
    old = ingresses(one={**GOOD, "ext_authz_path_prefix": "/old"})
    new = ingresses(one={**GOOD, "ext_authz_path_prefix": "/new"})
    replies = control_plane.provider_replies(new, mesh_config(old))
    assert replies == {0: istio_ingress_config.Reply("ext-authz-one", "/old")}


def test_the_collector():
    remote = control_plane.Remote(1, "tempo", receivers("tempo.cos.svc:4317"))
    found = control_plane.read_integrations(collectors=[remote])
    assert found.tracing == tracing.Endpoint(host="tempo.cos.svc", port=4317)
    assert "otel-tracing" in mesh_config(found)
    bad = control_plane.Remote(1, "tempo", receivers("http://tempo"))
    found = control_plane.read_integrations(collectors=[bad])
    assert found.tracing is None
    assert len(found.problems) == 1
    assert "otel-tracing" not in mesh_config(found)


def test_the_authorities_are_one_bundle():
    one, two = authorities.pem("one"), authorities.pem("two")
    remotes = [
        control_plane.Remote(1, "a", {"certificates": json.dumps([one, "x"])}),
        control_plane.Remote(2, "b", {"version": "0"}, ({"chain": json.dumps([two, one])},)),
    ]
    found = control_plane.read_integrations(authorities=remotes)
    assert found.jwks_ca == "".join(sorted([one, two]))
    assert [problem.app for problem in found.problems] == ["a"]
