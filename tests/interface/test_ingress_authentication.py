# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Login and tokens with the published libraries on the other side."""

import json
from typing import Any

import ops
import pytest
from canonical_service_mesh.interfaces import istio_ingress_config as published_config
from charmlibs.interfaces import forward_auth as published_login
from charmlibs.interfaces import istio_request_auth as published_tokens
from istio_ambient import authorization
from istio_ambient.integrations import ingress_authentication
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces import forward_auth, istio_ingress_config, istio_request_auth
from ops import testing

ADDRESS = "http://proxy.iam.svc.cluster.local:4180"
RULES = [
    published_tokens.JWTRule(issuer="https://issuer.example.com"),
    published_tokens.JWTRule(
        issuer="https://issuer.example.com",
        jwks_uri="https://issuer.example.com/keys",
        audiences=["shop"],
        forward_original_token=True,
        claim_to_headers=[published_tokens.ClaimToHeader(header="x-email", claim="email")],
        from_headers=[published_tokens.FromHeader(name="x-jwt")],
    ),
]


class Other(ops.CharmBase):
    """The other side of every relation."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        config = published_login.ForwardAuthConfig(ADDRESS, ["grafana"], ["x-user"])
        self.login = published_login.ForwardAuthProvider(self, forward_auth_config=config)
        self.wrong: list[str] = []
        framework.observe(self.login.on.invalid_forward_auth_config, self._on_invalid)
        self.control_plane = published_config.IngressConfigRequirer(self.model.relations, self.app)
        self.tokens = published_tokens.IstioRequestAuthRequirer(self)

    def _on_invalid(self, event: published_login.InvalidForwardAuthConfigEvent) -> None:
        self.wrong.append(event.error)


META: dict[str, Any] = {
    "name": "other",
    "provides": {"forward-auth": {"interface": "forward_auth"}},
    "requires": {
        "istio-ingress-config": {"interface": "istio_ingress_config"},
        "istio-request-auth": {"interface": "istio_request_auth"},
    },
}


def relation(endpoint: str, ours: dict[str, str]) -> testing.Relation:
    return testing.Relation(endpoint, remote_app_name="gate", remote_app_data=ours)


def test_the_published_authorizer():
    context = testing.Context(Other, meta=META)
    before = relation("forward-auth", {})
    state = testing.State(leader=True, relations=[before])
    out = context.run(context.on.relation_created(before), state)
    databag = out.get_relation(before.id).local_app_data
    decisions, problems = forward_auth.parse(databag, app="proxy", endpoint="forward-auth")
    assert problems == []
    assert decisions is not None
    assert (decisions.address.host, decisions.address.port) == (
        "proxy.iam.svc.cluster.local",
        4180,
    )
    assert decisions.headers == ("x-user",)


@pytest.mark.parametrize(("apps", "wrong"), [(["grafana"], []), ([], ["not related"])])
def test_the_published_authorizer_reads_the_applications_of_the_ingress(
    apps: list[str], wrong: list[str]
):
    context = testing.Context(Other, meta=META)
    before = testing.Relation(
        "forward-auth",
        remote_app_name="gate",
        remote_app_data=forward_auth.dump(apps),
        local_app_data={"app_names": json.dumps(["grafana"])},
    )
    state = testing.State(leader=True, relations=[before])
    with context(context.on.relation_changed(before), state) as manager:
        charm = manager.charm
        manager.run()
    assert [part for part, text in zip(wrong, charm.wrong, strict=True) if part in text] == wrong


def test_the_published_control_plane_reads_what_we_publish():
    context = testing.Context(Other, meta=META)
    remote = RequesterDatabag(
        authorization.Requester("proxy", "forward-auth"),
        1,
        {"decisions_address": f"{ADDRESS}/decisions"},
    )
    told = ingress_authentication.login("gate", remote, None).authorizer
    for authorizer, fake in ((told, False), (None, True)):
        before = relation(
            "istio-ingress-config", istio_ingress_config.dump_authorizer(authorizer, {})
        )
        state = testing.State(leader=True, relations=[before])
        with context(context.on.update_status(), state) as manager:
            side = manager.charm.control_plane
            (theirs,) = side.relations
            assert side.is_ready(theirs)
            assert side.is_fake_authz_config(theirs) is fake
            info = side.get_provider_ext_authz_info(theirs)
            side.publish_ext_authz_provider_name(theirs, "ext-authz-gate")
            out = manager.run()
        assert info is not None
        if not fake:
            assert (info.ext_authz_service_name, info.ext_authz_port) == (
                "proxy.iam.svc.cluster.local",
                "4180",
            )
            # The gateway's own are added by the control plane; a client's are not sent.
            of_clients = {"x-forwarded-host", "x-forwarded-uri", "x-forwarded-prefix"}
            default = published_config.DEFAULT_INCLUDE_HEADERS_IN_CHECK
            assert info.include_headers_in_check == [h for h in default if h not in of_clients]
            assert info.headers_to_upstream_on_allow == (
                published_config.DEFAULT_HEADERS_TO_UPSTREAM_ON_ALLOW
            )
        reply = out.get_relation(before.id).local_app_data
        expected = istio_ingress_config.Reply("ext-authz-gate")
        assert istio_ingress_config.parse_reply(reply, app="i", endpoint="e") == (expected, [])


def test_rules_as_the_published_application_writes_them():
    context = testing.Context(Other, meta=META)
    before = relation("istio-request-auth", {})
    state = testing.State(leader=True, relations=[before])
    with context(context.on.update_status(), state) as manager:
        manager.charm.tokens.publish_data(RULES)
        out = manager.run()
    databag = out.get_relation(before.id).local_app_data
    rules, problems = istio_request_auth.parse(databag, app="a", endpoint="e")
    assert problems == []
    assert [rule.model_dump(mode="json") for rule in rules] == [
        rule.model_dump(mode="json") for rule in RULES
    ]
