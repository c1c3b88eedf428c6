# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Requirements of authenticated routes: from databags to logins and tokens.

A login involves three applications: the authorizer publishes its URL (`forward_auth`), we pass it
to the control plane (`istio_ingress_config`), which replies with the name of the provider that our
policy refers to.
"""

from collections.abc import Iterable, Mapping

import msgspec

from istio_ambient import authorization, ingress
from istio_ambient.integrations.requesters import RequesterDatabag
from istio_ambient.interfaces import forward_auth, istio_ingress_config, istio_request_auth
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

FORWARD_AUTH = "forward-auth"
INGRESS_CONFIG = "istio-ingress-config"
REQUEST_AUTH = "istio-request-auth"

CHECKED_HEADERS = (
    "authorization",
    "cookie",
    "x-forwarded-for",
    "x-forwarded-proto",
)
"""Headers of the request that the authorizer gets. Envoy sets the last two; the control plane adds
`x-forwarded-uri` and others, which a client may have sent."""
UPSTREAM_HEADERS = (
    "authorization",
    "path",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-access-token",
)
"""Headers of the authorizer's answer that the application gets, by default."""
ALLOWED_HEADERS = ("set-cookie",)
DENIED_HEADERS = ("content-type", "set-cookie")
"""Headers of the authorizer's answer that the client gets, beside status and location."""


class Login(msgspec.Struct, frozen=True):
    """The state of the login, and what the control plane needs for it."""

    auth: ingress.ForwardAuth = msgspec.field(default_factory=ingress.ForwardAuth)
    authorizer: istio_ingress_config.Authorizer | None = None
    """Published to the control plane; None: there is none."""
    problems: tuple[Problem, ...] = ()

    @property
    def upstream_headers(self) -> tuple[str, ...]:
        """Patterns of the headers that applications receive from the authorizer."""
        if self.authorizer is not None:
            return self.authorizer.headers_to_upstream_on_allow
        return UPSTREAM_HEADERS if self.auth.wanted else ()


def login(
    app: str, authorizer: RequesterDatabag | None, control_plane: RequesterDatabag | None
) -> Login:
    """Return whether a login is required, and what is missing for it.

    Args:
        app: our application.
        authorizer: related to `forward-auth`; None: no login is required.
        control_plane: related to `istio-ingress-config`.
    """
    if authorizer is None:
        return Login()
    decisions, problems = forward_auth.parse(
        authorizer.content, app=authorizer.app, endpoint=FORWARD_AUTH
    )
    published = _authorizer(decisions) if decisions else None
    provider, missing = "", ""
    if control_plane is None:
        message = "is not integrated, so no client can log in: the gateway serves nothing"
        remedy = f"juju integrate {app}:{INGRESS_CONFIG} istio-k8s (or its offer)"
        problems.append(
            Problem(
                app="",
                endpoint=INGRESS_CONFIG,
                field="",
                message=message,
                remedy=remedy,
                code=Code.LOGIN_NEEDS_CONTROL_PLANE,
            )
        )
        missing = "istio-k8s is not integrated"
    elif published is not None:
        reply, found = istio_ingress_config.parse_reply(
            control_plane.content, app=control_plane.app, endpoint=INGRESS_CONFIG
        )
        problems += found
        provider = reply.provider_name
        if not provider:
            missing = f"{control_plane.app} does not know the authorizer yet"
        elif reply.path_prefix != published.path_prefix:
            where = published.path_prefix or "/"
            missing = f"{control_plane.app} does not ask the authorizer at {where} yet"
    if published is None:
        missing = f"{authorizer.app} has not sent a valid decisions_address"
    service = _service(authorizer.requester, published) if published else None
    auth = ingress.ForwardAuth(True, provider, missing, service)
    return Login(auth, published, tuple(problems))


def _service(
    requester: authorization.Requester, authorizer: istio_ingress_config.Authorizer
) -> ingress.AuthorizerService | None:
    host = authorizer.service.lower().removesuffix(".cluster.local")
    name, _, namespace = host.removesuffix(".svc").partition(".")
    if not host.endswith(".svc") or not namespace or "." in namespace or "/" in name:
        return None
    return ingress.AuthorizerService(requester, namespace, name, authorizer.port)


def _authorizer(decisions: forward_auth.Decisions) -> istio_ingress_config.Authorizer:
    return istio_ingress_config.Authorizer(
        ext_authz_service_name=decisions.address.host,
        ext_authz_port=decisions.address.port,
        ext_authz_protocol="http",
        ext_authz_path_prefix=decisions.address.path,
        include_headers_in_check=CHECKED_HEADERS,
        headers_to_upstream_on_allow=decisions.headers or UPSTREAM_HEADERS,
        headers_to_downstream_on_allow=ALLOWED_HEADERS,
        headers_to_downstream_on_deny=DENIED_HEADERS,
    )


def tokens(
    databags: Iterable[RequesterDatabag],
    login: Login,
    in_force: Mapping[str, ingress.TokenUses],
    *,
    app: str,
) -> tuple[tuple[ingress.Trust, ...], list[Problem]]:
    """Return the tokens that each application trusts; without a valid rule it trusts none.

    Args:
        databags: of the applications related to `istio-request-auth`; one application may have
            several relations.
        login: the headers that it sets are not for tokens.
        in_force: as `ingress.uses_in_force` returns it.
        app: our application.
    """
    rules: dict[str, list[istio_request_auth.JwtRule]] = {}
    problems: list[Problem] = []
    for databag in databags:
        good, found = istio_request_auth.parse(
            databag.content, app=databag.app, endpoint=REQUEST_AUTH
        )
        problems += found
        rules.setdefault(databag.app, []).extend(good)
    trusts = [
        ingress.Trust(name, tuple(dict.fromkeys(found))) for name, found in sorted(rules.items())
    ]
    shared, conflicts = ingress.compatible(
        trusts, in_force, gateway=app, login_headers=login.upstream_headers
    )
    return shared, problems + conflicts
