# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""From databags to what the gateway asks of those who come in: the two know nothing of each other.

Login involves three applications: the authorizer says where it is (`forward_auth`), we tell the
control plane (`istio_ingress_config`), which answers with the name that our policy asks by.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from istio_ambient import ingress
from istio_ambient.interfaces import forward_auth, istio_ingress_config, istio_request_auth
from istio_ambient.values.problems import Problem

FORWARD_AUTH = "forward-auth"
INGRESS_CONFIG = "istio-ingress-config"
REQUEST_AUTH = "istio-request-auth"

CHECKED_HEADERS = (
    "authorization",
    "cookie",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-forwarded-prefix",
)
"""What of a request the authorizer gets to see."""
UPSTREAM_HEADERS = (
    "authorization",
    "path",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-request-access-token",
)
"""What of its answer the application gets to see, where the authorizer does not say."""
ALLOWED_HEADERS = ("set-cookie",)
DENIED_HEADERS = ("content-type", "set-cookie")
"""What of its answer the client gets to see, beside status and location."""


@dataclass(frozen=True)
class Remote:
    """The other end of a relation."""

    app: str
    databag: Mapping[str, str]


@dataclass(frozen=True)
class Login:
    """What is known of login."""

    auth: ingress.ForwardAuth = field(default_factory=ingress.ForwardAuth)
    authorizer: istio_ingress_config.Authorizer | None = None
    """What the control plane is told."""
    problems: tuple[Problem, ...] = ()


def login(app: str, authorizer: Remote | None, control_plane: Remote | None) -> Login:
    """Return whether people have to log in, and what is missing before they can.

    Args:
        app: our application.
        authorizer: who is related to `forward-auth`.
        control_plane: who is related to `istio-ingress-config`.
    """
    if authorizer is None:
        return Login()
    decisions, problems = forward_auth.parse(
        authorizer.databag, app=authorizer.app, endpoint=FORWARD_AUTH
    )
    told = _authorizer(decisions) if decisions else None
    provider, missing = "", ""
    if control_plane is None:
        message = "is not integrated, so nobody can log in: the gateway serves nothing"
        command = f"juju integrate {app}:{INGRESS_CONFIG} istio-k8s"
        remedy = f"run: {command} (where it is in another model: its offer)"
        problems.append(Problem("", INGRESS_CONFIG, "", message, remedy))
        missing = "istio-k8s is not integrated"
    elif told is not None:
        reply, found = istio_ingress_config.parse_reply(
            control_plane.databag, app=control_plane.app, endpoint=INGRESS_CONFIG
        )
        problems += found
        provider = reply.provider_name
        if not provider:
            missing = f"{control_plane.app} does not know the authorizer yet"
        elif reply.path_prefix != told.path_prefix:
            where = told.path_prefix or "/"
            missing = f"{control_plane.app} does not ask the authorizer at {where} yet"
    if told is None:
        missing = f"{authorizer.app} has not sent a valid decisions_address"
    return Login(ingress.ForwardAuth(True, provider, missing), told, tuple(problems))


def _authorizer(decisions: forward_auth.Decisions) -> istio_ingress_config.Authorizer:
    return istio_ingress_config.Authorizer(
        ext_authz_service_name=decisions.host,
        ext_authz_port=decisions.port,
        ext_authz_protocol="http",
        ext_authz_path_prefix=decisions.path_prefix,
        include_headers_in_check=CHECKED_HEADERS,
        headers_to_upstream_on_allow=decisions.headers or UPSTREAM_HEADERS,
        headers_to_downstream_on_allow=ALLOWED_HEADERS,
        headers_to_downstream_on_deny=DENIED_HEADERS,
    )


def tokens(remotes: Iterable[Remote]) -> tuple[ingress.RequestAuth, list[Problem]]:
    """Return which tokens each application trusts; one that sent nothing good trusts none.

    Args:
        remotes: who is related to `istio-request-auth`; one application may be so twice.
    """
    rules: dict[str, list[ingress.JwtRule]] = {}
    problems: list[Problem] = []
    for remote in remotes:
        good, found = istio_request_auth.parse(
            remote.databag, app=remote.app, endpoint=REQUEST_AUTH
        )
        problems += found
        rules.setdefault(remote.app, []).extend(_rule(rule) for rule in good)
    trusts = (ingress.Trust(app, _distinct(found)) for app, found in sorted(rules.items()))
    return ingress.RequestAuth(tuple(trusts)), problems


def _distinct(rules: Iterable[ingress.JwtRule]) -> tuple[ingress.JwtRule, ...]:
    return tuple(dict.fromkeys(rules))


def _rule(rule: istio_request_auth.JwtRule) -> ingress.JwtRule:
    return ingress.JwtRule(
        issuer=rule.issuer,
        jwks_uri=rule.jwks_uri or "",
        audiences=rule.audiences or (),
        forward_original_token=bool(rule.forward_original_token),
        claim_to_headers=tuple((c.header, c.claim) for c in rule.claim_to_headers or ()),
        from_headers=tuple((h.name, h.prefix or "") for h in rule.from_headers or ()),
    )
