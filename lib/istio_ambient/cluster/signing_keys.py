# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the keys of token issuers from their servers: all at the same time, until one deadline."""

import ipaddress
import logging
import os
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from lightkube.resources.core_v1 import ConfigMap, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from istio_ambient import ingress, kube
from istio_ambient.cluster import checked_http, istiod
from istio_ambient.values import jwks, networks
from istio_ambient.values.problems import InvalidValueError

logger = logging.getLogger(__name__)

SECONDS = 3.0
"""For all servers together."""
CA_CONFIG_MAP = "pilot-jwks-extra-cacerts"
"""In istiod's namespace: the certificate authorities that istio-k8s got over `jwks-ca-cert`."""
_CA_KEY = "extra.pem"
_DISCOVERY = "/.well-known/openid-configuration"
_API_SERVER = ("default", "kubernetes")
"""Namespace and name of its Service."""


class ClusterFacts(msgspec.Struct, frozen=True):
    """What a fetch has to know of the cluster."""

    forbidden: frozenset[networks.Address] = frozenset()
    """Addresses of the API server and of istiod."""
    authorities: str = ""
    """PEM: certificate authorities that are trusted in addition to those of the system."""


def read_cluster(client: kube.Client, mesh: istiod.Istiod | istiod.NoIstiodError) -> ClusterFacts:
    """Return what a fetch has to know of the cluster, in a few requests.

    Args:
        client: for reads only.
        mesh: the istiod of the cluster.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    services: list[tuple[str, str]] = [_API_SERVER]
    authorities = ""
    if isinstance(mesh, istiod.NoIstiodError):
        logger.info("%s", mesh)
    else:
        services.append((mesh.namespace, istiod.SERVICE))
        fields = {"metadata.name": CA_CONFIG_MAP}
        found = kube.list_kind(client, ConfigMap, namespace=mesh.namespace, fields=fields)
        data: Mapping[str, str] = (found[0].data or {}) if found else {}
        authorities = data.get(_CA_KEY, "")
    texts = [os.environ.get("KUBERNETES_SERVICE_HOST", "")]
    for namespace, name in services:
        texts += _addresses_of(client, namespace, name)
    return ClusterFacts(frozenset(_parsed(texts)), authorities)


def _addresses_of(client: kube.Client, namespace: str, name: str) -> Iterator[str]:
    """Yield the addresses of a Service and of its pods."""
    fields, labels = {"metadata.name": name}, {"kubernetes.io/service-name": name}
    for service in kube.list_kind(client, Service, namespace=namespace, fields=fields) or ():
        yield from service.spec.clusterIPs or [service.spec.clusterIP or ""]
    for found in kube.list_kind(client, EndpointSlice, labels, namespace) or ():
        for endpoint in found.endpoints or ():
            yield from endpoint.addresses


def _parsed(texts: Iterable[str]) -> Iterator[networks.Address]:
    for text in texts:
        try:
            yield ipaddress.ip_address(text)
        except ValueError:
            # Empty, "None" of a headless Service, or a name.
            continue


def fetch(
    sources: Sequence[ingress.KeySource], cluster: ClusterFacts, seconds: float = SECONDS
) -> dict[ingress.KeySource, ingress.SigningKeys]:
    """Return the keys of each source, or why there are none; returns by the deadline.

    Args:
        sources: as many as may be fetched at the same time.
        cluster: forbidden addresses, and certificate authorities.
        seconds: until the deadline.
    """
    deadline = time.monotonic() + seconds
    context = _context(cluster.authorities)
    late = ingress.SigningKeys(fault="did not answer in time", transient=True)
    results = dict.fromkeys(sources, late)
    fetches: list[tuple[checked_http.Fetch, threading.Thread]] = []

    def run(source: ingress.KeySource, one: checked_http.Fetch) -> None:
        found = keys_of(source, one)
        if time.monotonic() < deadline:
            results[source] = found

    for source in sources:
        one = checked_http.Fetch(context, deadline, cluster.forbidden)
        # A daemon: resolving a name cannot be aborted, and the hook does not wait for it.
        thread = threading.Thread(target=run, args=(source, one), daemon=True)
        thread.start()
        fetches.append((one, thread))
    for one, thread in fetches:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            one.abort()
    return dict(results)


def keys_of(source: ingress.KeySource, one: checked_http.Fetch) -> ingress.SigningKeys:
    """Return the keys of one source, or why there are none."""
    try:
        found = jwks.parse(one.get(source.jwks_uri or _discovered(source.issuer, one)))
    except checked_http.FetchError as error:
        return ingress.SigningKeys(fault=str(error), transient=error.transient)
    except InvalidValueError as error:
        return ingress.SigningKeys(fault=error.message)
    fault = "publishes private keys, which are left out" if found.has_private else ""
    return ingress.SigningKeys(found.text, fault)


def _discovered(issuer: str, one: checked_http.Fetch) -> str:
    """Return the URL of an issuer's keys by OpenID Connect discovery."""
    url = f"{issuer.rstrip('/')}{_DISCOVERY}"
    named = jwks.read_object(one.get(url)).get("jwks_uri")
    if not isinstance(named, str):
        raise checked_http.FetchError("names no jwks_uri in its OpenID configuration")
    return one.next_url(url, named)


def _context(authorities: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if authorities:
        try:
            context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, ValueError):
            logger.warning("ConfigMap %s: no certificates", CA_CONFIG_MAP)
    return context
