# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""istio-k8s' endpoints with the published library on the other side of each."""

import json
from typing import Any, cast

import ops
import pytest
from canonical_service_mesh.interfaces import istio_ingress_config as published_ingress
from charmlibs.interfaces import certificate_transfer as published_certificates
from charmlibs.interfaces import istio_metadata as published_metadata
from charmlibs.interfaces import tracing as published_tracing
from istio_ambient.charm import observability
from istio_ambient.charm.relations import Relations
from istio_ambient.interfaces import (
    certificate_transfer,
    istio_ingress_config,
    metadata,
    tracing,
)
from ops import testing

from tests import authorities

FAKE = ("fake_host", "5432")


class Other(ops.CharmBase):
    """The other side of every relation."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.ingress = published_ingress.IngressConfigProvider(self.model.relations, self.app)
        self.metadata = published_metadata.IstioMetadataRequirer(self.model.relations)
        self.certificates = published_certificates.CertificateTransferProvides(self, "send-ca")
        self.tracing = published_tracing.TracingEndpointProvider(self)


META: dict[str, Any] = {
    "name": "other",
    "provides": {
        "istio-ingress-config": {"interface": "istio_ingress_config"},
        "send-ca": {"interface": "certificate_transfer"},
        "tracing": {"interface": "tracing"},
    },
    "requires": {"istio-metadata": {"interface": "istio_metadata"}},
}


class OtherSide:
    """Runs the published library on our databag, and returns what the library writes."""

    def __init__(self) -> None:
        self.context = testing.Context(Other, meta=META)

    def meet(self, endpoint: str, ours: dict[str, str], do: Any = None) -> tuple[Any, Any]:
        """Return the result of `do(charm)`, and the relation after the hook of the other side."""
        relation = testing.Relation(endpoint, remote_app_name="istio-k8s", remote_app_data=ours)
        state = testing.State(leader=True, relations=[relation])
        with self.context(self.context.on.update_status(), state) as manager:
            result = do(manager.charm) if do else None
            out = manager.run()
        return result, out.get_relation(relation.id)


@pytest.fixture
def other() -> OtherSide:
    return OtherSide()


def test_the_root_namespace(other: OtherSide):
    def read(charm: Other) -> Any:
        return charm.metadata.get_data()

    data, _ = other.meet("istio-metadata", metadata.dump_istio("mesh"), read)
    assert data == published_metadata.IstioMetadataAppData(root_namespace="mesh")


def test_an_authorizer_as_the_published_provider_names_it(other: OtherSide):
    def publish(charm: Other) -> None:
        charm.ingress.publish(
            "oauth2-proxy.iam.svc",
            "4180",
            "http",
            published_ingress.DEFAULT_INCLUDE_HEADERS_IN_CHECK,
            published_ingress.DEFAULT_HEADERS_TO_UPSTREAM_ON_ALLOW,
            published_ingress.DEFAULT_HEADERS_TO_DOWNSTREAM_ON_ALLOW,
            published_ingress.DEFAULT_HEADERS_TO_DOWNSTREAM_ON_DENY,
        )

    _, relation = other.meet("istio-ingress-config", {}, publish)
    authorizer, problems = istio_ingress_config.parse(
        relation.local_app_data, app="ingress", endpoint="istio-ingress-config"
    )
    assert problems == []
    assert authorizer is not None
    assert (authorizer.service, authorizer.port) == ("oauth2-proxy.iam.svc", 4180)
    assert (authorizer.protocol, list(authorizer.include_headers_in_check)) == (
        "http",
        published_ingress.DEFAULT_INCLUDE_HEADERS_IN_CHECK,
    )
    assert authorizer.headers_to_downstream_on_deny == ("content-type", "set-cookie")


def test_an_authorizer_over_grpc_and_one_withdrawn(other: OtherSide):
    def publish(charm: Other) -> None:
        charm.ingress.publish("authorizer.iam.svc", "9001", "grpc")

    def clear(charm: Other) -> None:
        charm.ingress.clear()

    _, relation = other.meet("istio-ingress-config", {}, publish)
    authorizer, _ = istio_ingress_config.parse(relation.local_app_data, app="i", endpoint="e")
    assert authorizer is not None
    assert authorizer.protocol == "grpc"
    _, relation = other.meet("istio-ingress-config", {}, clear)
    assert (
        relation.local_app_data["ext_authz_service_name"],
        relation.local_app_data["ext_authz_port"],
    ) == FAKE
    assert istio_ingress_config.parse(relation.local_app_data, app="i", endpoint="e") == (None, [])


def test_the_published_provider_reads_the_name_that_we_reply(other: OtherSide):
    def read(charm: Other) -> Any:
        return charm.ingress.is_ready(), charm.ingress.get_ext_authz_provider_name()

    ours = istio_ingress_config.dump(istio_ingress_config.Reply("ext-authz-ingress"))
    assert other.meet("istio-ingress-config", ours, read)[0] == (True, "ext-authz-ingress")
    assert other.meet("istio-ingress-config", {}, read)[0] == (False, None)


@pytest.mark.parametrize("ours", [certificate_transfer.request(), {}])
def test_certificates_of_version_one_and_zero(other: OtherSide, ours: dict[str, str]):
    pems = {authorities.pem("one"), authorities.pem("two")}

    def send(charm: Other) -> None:
        charm.certificates.add_certificates(pems)

    _, relation = other.meet("send-ca", ours, send)
    app_data, unit_data = dict(relation.local_app_data), dict(relation.local_unit_data)
    assert ("chain" in unit_data) is not bool(ours)
    if not ours:
        app_data = {}  # a provider that knows version 0 only
    certificates, problems = certificate_transfer.parse(
        app_data, [unit_data], app="ca", endpoint="jwks-ca-cert"
    )
    assert (set(certificates), problems) == (pems, [])


def test_certificates_withdrawn(other: OtherSide):
    def take_back(charm: Other) -> None:
        charm.certificates.add_certificates({authorities.pem("one")})
        charm.certificates.remove_all_certificates()

    _, relation = other.meet("send-ca", certificate_transfer.request(), take_back)
    bag = relation.local_app_data
    assert certificate_transfer.parse(bag, app="ca", endpoint="jwks-ca-cert") == ([], [])


def test_tracing(other: OtherSide):
    def publish(charm: Other) -> Any:
        charm.tracing.publish_receivers(
            [("otlp_http", "http://tempo.cos.svc:4318"), ("otlp_grpc", "tempo.cos.svc:4317")]
        )
        library: Any = cast(Any, charm.tracing)
        return set[str](library.requested_protocols())

    asked, relation = other.meet("tracing", tracing.request("otlp_grpc"), publish)
    assert asked == {"otlp_grpc"}
    found = tracing.parse_url(relation.local_app_data, app="tempo", endpoint="charm-tracing")
    assert found == ("http://tempo.cos.svc:4318", [])
    assert tracing.parse(relation.local_app_data, app="tempo", endpoint="workload-tracing") == (
        tracing.Endpoint(host="tempo.cos.svc", port=4317),
        [],
    )


class Traced(ops.CharmBase):
    """Sends its own traces as our charms do."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        traced = self.on["charm-tracing"]
        for event in (self.on.start, traced.relation_created, traced.relation_changed):
            framework.observe(event, self._on_event)
        framework.observe(traced.relation_broken, self._on_event)
        self.relations = Relations(self)

    def _on_event(self, _: ops.EventBase) -> None:
        observability.publish(self, self.relations)


TRACED_META: dict[str, Any] = {
    "name": "traced",
    "requires": {"charm-tracing": {"interface": "tracing", "limit": 1}},
}


def test_our_own_traces_go_to_the_receiver_that_the_published_provider_names(
    other: OtherSide, monkeypatch: pytest.MonkeyPatch
):
    def publish(charm: Other) -> Any:
        charm.tracing.publish_receivers([("otlp_http", "http://tempo.cos.svc:4318")])

    destinations: list[str | None] = []

    def note(url: str | None, ca: str | None) -> None:
        destinations.append(url)

    _, answer = other.meet("tracing", tracing.request("otlp_http"), publish)
    monkeypatch.setattr(ops.tracing, "set_destination", note)
    context = testing.Context(Traced, meta=TRACED_META)
    relation = testing.Relation("charm-tracing", remote_app_data=answer.local_app_data)
    state = testing.State(leader=True, relations=[relation])
    context.run(context.on.relation_changed(relation), state)
    context.run(context.on.relation_broken(relation), state)
    assert destinations == ["http://tempo.cos.svc:4318/v1/traces", None]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "1" * 5000,
        "[" * 100_000,
        "[" * 500 + "]" * 500,
        "null",
        '[{"protocol": {"name": "otlp_http", "type": "http"}, "url": "\\ud800"}]',
        '[{"protocol": {"name": "otlp_http", "type": "http"}, "url": "gopher://[x"}]',
    ],
)
def test_no_answer_of_a_tracing_provider_fails_our_hook(text: str):
    context = testing.Context(Traced, meta=TRACED_META)
    relation = testing.Relation("charm-tracing", remote_app_data={"receivers": text})
    state = testing.State(leader=True, relations=[relation])
    context.run(context.on.relation_changed(relation), state)
    context.run(context.on.start(), state)


def test_the_charm_requests_a_receiver_of_its_own_traces():
    context = testing.Context(Traced, meta=TRACED_META)
    relation = testing.Relation("charm-tracing")
    state = testing.State(leader=True, relations=[relation])
    out = context.run(context.on.relation_created(relation), state)
    assert json.loads(out.get_relation(relation.id).local_app_data["receivers"]) == ["otlp_http"]
