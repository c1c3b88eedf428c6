# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What other applications add: trace collector, external authorizers, certificate authorities."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from istio_ambient import manifests
from istio_ambient.interfaces import certificate_transfer, istio_ingress_config, tracing
from istio_ambient.interfaces.istio_ingress_config import Authorizer
from istio_ambient.interfaces.tracing import Endpoint
from istio_ambient.values import decoded
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

TRACING = "workload-tracing"
INGRESS = "istio-ingress-config"
AUTHORITIES = "jwks-ca-cert"
"""Endpoints of these relations."""


class Remote(msgspec.Struct, frozen=True):
    """The databags of a remote application in one relation."""

    relation: int
    """The relation's id."""
    app: str
    databag: Mapping[str, str]
    units: tuple[Mapping[str, str], ...] = ()
    """The databags of its units, for interfaces that use them."""


class Integrations(msgspec.Struct, frozen=True):
    """The valid part of what other applications sent, and problems for the rest."""

    tracing: Endpoint | None = None
    ext_authz_providers: Mapping[str, Authorizer] = msgspec.field(
        default_factory=dict[str, Authorizer]
    )
    """By their name in MeshConfig."""
    provider_names: Mapping[int, str] = msgspec.field(default_factory=dict[int, str])
    """Provider to name in the reply to an ingress once MeshConfig has it, by relation id."""
    jwks_ca: str = ""
    """PEM bundle."""
    problems: tuple[Problem, ...] = ()


def read_integrations(
    *,
    collectors: Sequence[Remote] = (),
    ingresses: Sequence[Remote] = (),
    authorities: Sequence[Remote] = (),
) -> Integrations:
    """Return what remote applications ask for; invalid data of one does not affect the others."""
    collector, problems = _collector(collectors)
    names, authorizers, found = _providers(ingresses)
    jwks_ca, more = _bundle(authorities)
    return Integrations(
        tracing=collector,
        ext_authz_providers=authorizers,
        provider_names=names,
        jwks_ca=jwks_ca,
        problems=(*problems, *found, *more),
    )


def provider_replies(
    integrations: Integrations, mesh_config: str
) -> Mapping[int, istio_ingress_config.Reply]:
    """Return the replies to ingresses whose providers are in the applied MeshConfig.

    Args:
        integrations: as read in this hook.
        mesh_config: YAML of our MeshConfig in the cluster; empty: there is none. Another writer
            may have changed it: unreadable text has no providers.
    """
    loaded = decoded.yaml_members(mesh_config).get("extensionProviders")
    providers = map(decoded.members, decoded.elements(loaded))
    prefixes = {
        name: _path_prefix(provider)
        for provider in providers
        if isinstance(name := provider.get("name"), str)
    }
    return {
        relation: istio_ingress_config.Reply(name, prefixes[name])
        for relation, name in integrations.provider_names.items()
        if name in prefixes
    }


def _path_prefix(provider: Mapping[str, Any]) -> str:
    prefix = decoded.members(provider.get("envoyExtAuthzHttp")).get("pathPrefix")
    return prefix if isinstance(prefix, str) else ""


def _collector(remotes: Sequence[Remote]) -> tuple[Endpoint | None, list[Problem]]:
    problems: list[Problem] = []
    for remote in remotes:
        found, wrong = tracing.parse(remote.databag, app=remote.app, endpoint=TRACING)
        problems += wrong
        if found is not None:
            return found, problems
    return None, problems


def _providers(
    remotes: Sequence[Remote],
) -> tuple[dict[int, str], dict[str, Authorizer], list[Problem]]:
    """Return the name of each ingress' provider by relation, and the authorizers by this name."""
    names: dict[int, str] = {}
    authorizers: dict[str, Authorizer] = {}
    problems: list[Problem] = []
    for remote in remotes:
        found, wrong = istio_ingress_config.parse(remote.databag, app=remote.app, endpoint=INGRESS)
        problems += wrong
        if found is None:
            continue
        # istiod accepts DNS labels only (pilot/pkg/security/authz/builder/extauthz.go): for a
        # policy with any other name it denies every request.
        name = name_with_hash(f"{manifests.EXT_AUTHZ_PREFIX}{remote.app}")
        if name in authorizers:
            # The provider is named after the application: the first relation gets the name.
            text, remedy = "related twice with an authorizer", "remove one of the two relations"
            problems.append(
                Problem(
                    app=remote.app,
                    endpoint=INGRESS,
                    field="",
                    message=text,
                    remedy=remedy,
                    code=Code.RELATED_TWICE,
                )
            )
            continue
        names[remote.relation] = name
        authorizers[name] = found
    return names, authorizers, problems


def _bundle(remotes: Sequence[Remote]) -> tuple[str, list[Problem]]:
    certificates: set[str] = set()
    problems: list[Problem] = []
    for remote in remotes:
        found, wrong = certificate_transfer.parse(
            remote.databag, remote.units, app=remote.app, endpoint=AUTHORITIES
        )
        certificates.update(found)
        problems += wrong
    return "".join(sorted(certificates)), problems
