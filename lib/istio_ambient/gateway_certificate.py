# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway's certificate, over tls-certificates: asked for by the leader, and checked.

The published library makes the private key, keeps it in a secret of the application, asks, and
renews. It takes its provider's word for what stands in the databag; here that is read first, and
the library is not run on what it would fail the hook with.
"""

import dataclasses
import datetime
import logging
from collections.abc import Sequence

import ops
from charmlibs.interfaces import tls_certificates as published
from cryptography import x509

from istio_ambient import hostnames, ingress, kube
from istio_ambient.problems import Problem
from istio_ambient.relations import tls_certificates

logger = logging.getLogger(__name__)

MAX_COMMON_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""

_CURES = {
    published.CertificateRequestErrorCode.IP_NOT_ALLOWED: "set external_hostname to a DNS name",
    published.CertificateRequestErrorCode.DOMAIN_NOT_ALLOWED: (
        "set external_hostname to a name that it may issue for"
    ),
    published.CertificateRequestErrorCode.WILDCARD_NOT_ALLOWED: (
        "set listener-hostname to a name without '*'"
    ),
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of asking for a certificate."""

    tls: ingress.Tls = dataclasses.field(default_factory=ingress.Tls)
    problems: tuple[Problem, ...] = ()


class GatewayCertificate:
    """The requirer's side of one `tls-certificates` endpoint; made in the charm's constructor."""

    def __init__(self, charm: ops.CharmBase, endpoint: str):
        self._charm = charm
        self._endpoint = endpoint
        self._names: Sequence[str] = ()
        self._problems: list[Problem] = []
        self._spent: list[x509.Certificate] = []
        self._library = self._make_library()

    def _make_library(self) -> published.TLSCertificatesRequiresV4 | None:
        """Return the library where it can do no harm.

        Only the leader has something to ask, and while one relation takes another's place, the
        library would fail the hook.
        """
        charm, endpoint = self._charm, self._endpoint
        if not charm.unit.is_leader() or len(charm.model.relations[endpoint]) > 1:
            return None
        relation = self._relation
        if relation is not None:
            databag = dict(relation.data[relation.app])
            issued, problems = tls_certificates.parse(
                databag, app=relation.app.name, endpoint=endpoint
            )
            self._problems += problems
            mine = tls_certificates.requests_of(dict(relation.data[charm.app]))
            answers = [i for i in issued if i.request in mine and not i.revoked]
            # It would ask for another one in every hook, and get the same.
            self._spent += [
                i.certificate for i in answers if tls_certificates.is_spent(i.certificate, _now())
            ]
            if problems or self._spent:
                return None
        return published.TLSCertificatesRequiresV4(
            charm, endpoint, certificate_requests=self._requests, mode=published.Mode.APP
        )

    @property
    def _relation(self) -> ops.Relation | None:
        relations = self._charm.model.relations[self._endpoint]
        return next((r for r in relations if r.active and r.app), None)

    def answer(self, names: Sequence[str], secret: kube.Resource | None) -> Answer:
        """Ask for what is needed, and return what may be used now.

        What is in use stays until something better is there, or it expires.

        Args:
            names: hostnames and addresses, the most important first; empty: not known (yet), so
                what was asked for stays asked for.
            secret: the Secret that the gateway uses, as it is in the cluster.
        """
        relation = self._relation
        if relation is None:
            return Answer()
        current = ingress.certificate_in_use(secret, _now())
        if not self._charm.unit.is_leader():
            return _answer(relation.app.name, current, names)
        self._names = names
        if self._library is None:
            return self._without_library(relation, current, ingress.leaf_in(secret))
        self._library.sync()
        return self._with_library(self._library, relation, current)

    def _without_library(
        self,
        relation: ops.Relation,
        current: ingress.Certificate | None,
        used: x509.Certificate | None,
    ) -> Answer:
        app = relation.app.name
        if used is not None and used in self._spent:
            # It was good once, and its renewal was missed: without a request, the next hook asks.
            relation.data[self._charm.app].pop(tls_certificates.REQUESTS_KEY, None)
        elif self._spent:
            message, cure = "a certificate that is at its end", "issue one that lasts longer"
            self._problems.append(Problem(app, self._endpoint, "certificates", message, cure))
        return _answer(app, current, self._names, self._problems)

    def _with_library(
        self,
        library: published.TLSCertificatesRequiresV4,
        relation: ops.Relation,
        current: ingress.Certificate | None,
    ) -> Answer:
        app = relation.app.name
        problems: list[Problem] = []
        key = str(library.private_key or "")
        asked = [
            each.certificate_signing_request
            for each in library.get_csrs_from_requirer_relation_data()
        ]
        for issued in library.get_provider_certificates():
            if issued.certificate_signing_request not in asked or issued.revoked:
                continue
            # Its PEM was read before the library was made.
            leaf = ingress.leaf_of(str(issued.certificate))
            fault = ingress.certificate_fault(leaf, key, _now())
            if fault:
                problems.append(Problem(app, self._endpoint, "certificates", *fault))
                continue
            others = [ingress.leaf_of(str(each)) for each in (*issued.chain, issued.ca)]
            missing = ingress.uncovered(self._names, leaf)
            if missing:
                message = f"the certificate is not for {', '.join(missing)}"
                cure = "issue one for all names that were asked for"
                problems.append(Problem(app, self._endpoint, "certificates", message, cure))
            usable = ingress.assemble(leaf, others, key)
            return Answer(ingress.Tls(wanted=True, certificate=usable), tuple(problems))
        if self._names and not asked:
            problems.append(self._no_addresses(app))
        problems += [self._denial(app, each.error) for each in _denied(library, asked)]
        return _answer(app, current, self._names, problems)

    def _no_addresses(self, app: str) -> Problem:
        message = f"issues no certificate for {self._names[0]}"
        cure = f"juju config {self._charm.app.name} external_hostname=<DNS name>"
        return Problem(app, self._endpoint, "capabilities", message, cure)

    def _denial(self, app: str, error: published.CertificateError) -> Problem:
        cure = next((cure for code, cure in _CURES.items() if code == error.code), f"see {app}")
        message = f"refused ({error.name}): {error.message}"
        return Problem(app, self._endpoint, "request_errors", message, cure)

    def _requests(
        self, capabilities: published.ProviderCapabilities | None
    ) -> list[published.CertificateRequestAttributes]:
        """Return what to ask for; the library withdraws every other request."""
        if not self._names:
            return self._as_asked()
        hosts = [name for name in self._names if not hostnames.is_ip(name)]
        addresses = [name for name in self._names if hostnames.is_ip(name)]
        if capabilities is not None:
            if capabilities.supports_ip_sans is False:
                addresses = []
            if capabilities.supports_wildcard_dns is False:
                hosts = [host for host in hosts if not host.startswith("*.")]
        if not hosts and not addresses:
            return []
        subject = (*hosts, *addresses)[0]
        return [
            published.CertificateRequestAttributes(
                common_name=subject if len(subject) <= MAX_COMMON_NAME else None,
                sans_dns=hosts,
                sans_ip=addresses,
            )
        ]

    def _as_asked(self) -> list[published.CertificateRequestAttributes]:
        asked = self._library.get_csrs_from_requirer_relation_data() if self._library else []
        return [
            published.CertificateRequestAttributes.from_csr(
                each.certificate_signing_request, each.is_ca
            )
            for each in asked
        ]


def _denied(
    library: published.TLSCertificatesRequiresV4,
    asked: Sequence[published.CertificateSigningRequest],
) -> list[published.ProviderCertificateError]:
    found = (library.get_request_error(csr) for csr in asked)
    return [error for error in found if error is not None]


def _answer(
    app: str,
    current: ingress.Certificate | None,
    names: Sequence[str],
    problems: Sequence[Problem] = (),
) -> Answer:
    """Return what goes on with the certificate that is in use, and what is waited for."""
    awaited = ""
    if current is None or ingress.uncovered(names, ingress.leaf_of(current.chain)):
        what = (
            f"for {', '.join(names)}" if names else "(nothing to ask for before there is a name)"
        )
        awaited = f"{app} has not issued one {what} yet"
    return Answer(ingress.Tls(True, current, awaited), tuple(problems))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
