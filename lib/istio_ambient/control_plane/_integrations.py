# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What other applications add: trace collector, external authorizers, certificate authorities."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml

from istio_ambient import manifests
from istio_ambient.interfaces import certificate_transfer, istio_ingress_config, tracing
from istio_ambient.values.names import name_with_hash
from istio_ambient.values.problems import Problem

TRACING = "workload-tracing"
INGRESS = "istio-ingress-config"
AUTHORITIES = "jwks-ca-cert"
"""Endpoints of these relations."""


@dataclasses.dataclass(frozen=True)
class Remote:
    """The databags of a remote application in one relation."""

    relation: int
    """The relation's id."""
    app: str
    databag: Mapping[str, str]
    units: tuple[Mapping[str, str], ...] = ()
    """The databags of its units, for interfaces that use them."""


@dataclasses.dataclass(frozen=True)
class Integrations:
    """The valid part of what other applications sent, and problems for the rest."""

    tracing: manifests.TracingCollector | None = None
    ext_authz_providers: tuple[manifests.ExtAuthzProvider, ...] = ()
    provider_names: Mapping[int, str] = dataclasses.field(default_factory=dict[int, str])
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
    providers, found = _providers(ingresses)
    jwks_ca, more = _bundle(authorities)
    return Integrations(
        tracing=collector,
        ext_authz_providers=tuple(providers.values()),
        provider_names={relation: provider.name for relation, provider in providers.items()},
        jwks_ca=jwks_ca,
        problems=(*problems, *found, *more),
    )


def provider_replies(
    integrations: Integrations, mesh_config: str
) -> Mapping[int, istio_ingress_config.Reply]:
    """Return the replies to ingresses whose providers are in the applied MeshConfig.

    Args:
        integrations: as read in this hook.
        mesh_config: YAML of our MeshConfig in the cluster; empty: there is none.
    """
    loaded = cast(dict[str, Any], yaml.safe_load(mesh_config) or {})
    known = {
        provider.get("name"): provider.get("envoyExtAuthzHttp", {}).get("pathPrefix", "")
        for provider in loaded.get("extensionProviders", ())
    }
    names = integrations.provider_names
    return {
        relation: istio_ingress_config.Reply(name, known[name])
        for relation, name in names.items()
        if name in known
    }


def _collector(
    remotes: Sequence[Remote],
) -> tuple[manifests.TracingCollector | None, list[Problem]]:
    problems: list[Problem] = []
    for remote in remotes:
        found, wrong = tracing.parse(remote.databag, app=remote.app, endpoint=TRACING)
        problems += wrong
        if found is not None:
            return manifests.TracingCollector(service=found.host, port=found.port), problems
    return None, problems


def _providers(
    remotes: Sequence[Remote],
) -> tuple[dict[int, manifests.ExtAuthzProvider], list[Problem]]:
    """Return a provider for each ingress that names an authorizer, by relation."""
    providers: dict[str, tuple[int, manifests.ExtAuthzProvider]] = {}
    problems: list[Problem] = []
    for remote in remotes:
        found, wrong = istio_ingress_config.parse(remote.databag, app=remote.app, endpoint=INGRESS)
        problems += wrong
        if found is None:
            continue
        if remote.app in providers:
            # The provider is named after the application: the first relation gets the name.
            text, remedy = "related twice with an authorizer", "remove one of the two relations"
            problems.append(
                Problem(app=remote.app, endpoint=INGRESS, field="", message=text, remedy=remedy)
            )
            continue
        providers[remote.app] = (remote.relation, _provider(remote.app, found))
    return dict(providers.values()), problems


def _provider(app: str, authorizer: istio_ingress_config.Authorizer) -> manifests.ExtAuthzProvider:
    return manifests.ExtAuthzProvider(
        # istiod accepts DNS labels only (pilot/pkg/security/authz/builder/extauthz.go): for a
        # policy with any other name it denies every request.
        name=name_with_hash(f"{manifests.EXT_AUTHZ_PREFIX}{app}"),
        service=authorizer.service,
        port=authorizer.port,
        protocol=authorizer.protocol,
        path_prefix=authorizer.path_prefix,
        include_request_headers_in_check=authorizer.include_headers_in_check,
        headers_to_upstream_on_allow=authorizer.headers_to_upstream_on_allow,
        headers_to_downstream_on_allow=authorizer.headers_to_downstream_on_allow,
        headers_to_downstream_on_deny=authorizer.headers_to_downstream_on_deny,
    )


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
