# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The gateway's certificate over tls-certificates: requested by the leader, and checked.

The published library makes the private key, keeps it in a secret of the application, requests the
certificate and renews it. It raises for invalid databags of the provider, which would fail the
hook. So the databag is read here first, and the library runs only on a valid one. What Juju
refuses while it runs is a problem of the relation, and the certificate in use stays.
"""

import datetime
import functools
from collections.abc import Callable, Sequence

import msgspec
import ops
from charmlibs.interfaces import tls_certificates as published

from istio_ambient import ingress, kube
from istio_ambient.charm.relations import Relation, Relations
from istio_ambient.ingress.objects import listener_certificate
from istio_ambient.integrations._certificate_answer import Answer
from istio_ambient.interfaces import tls_certificates
from istio_ambient.values import hostnames
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

MAX_COMMON_NAME = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""

LIBRARY = "what the certificate's request needs"
"""Hook tools of the published library, as problems name them."""

_REMEDIES = {
    published.CertificateRequestErrorCode.IP_NOT_ALLOWED: "set external_hostname to a DNS name",
    published.CertificateRequestErrorCode.DOMAIN_NOT_ALLOWED: (
        "set external_hostname to a name that it may issue for"
    ),
    published.CertificateRequestErrorCode.WILDCARD_NOT_ALLOWED: (
        "set listener-hostname to a name without '*'"
    ),
}


class _Library(published.TLSCertificatesRequiresV4):
    """The published library; what Juju refuses ends its handler of an event, and not the hook."""

    def __init__(
        self,
        charm: ops.CharmBase,
        relations: Relations,
        endpoint: str,
        requests: Callable[
            [published.ProviderCapabilities | None], list[published.CertificateRequestAttributes]
        ],
    ):
        self._relations = relations
        super().__init__(charm, endpoint, certificate_requests=requests, mode=published.Mode.APP)

    def end(self, event: ops.EventBase) -> None:
        """Handle the end of a relation or of a secret, which the library did not observe."""
        match event:
            case ops.RelationBrokenEvent():
                self._on_relation_broken(event)
            case ops.SecretExpiredEvent():
                self._on_secret_expired(event)
            case ops.SecretRemoveEvent():
                self._on_secret_remove(event)
            case _:
                pass

    def _configure(self, _: ops.EventBase | None = None) -> None:
        with self._relations.tolerating(LIBRARY):
            super()._configure(_)

    def _on_relation_broken(self, event: ops.RelationBrokenEvent) -> None:
        with self._relations.tolerating(LIBRARY):
            super()._on_relation_broken(event)

    def _on_secret_expired(self, event: ops.SecretExpiredEvent) -> None:
        with self._relations.tolerating(LIBRARY):
            super()._on_secret_expired(event)

    def _on_secret_remove(self, event: ops.SecretRemoveEvent) -> None:
        with self._relations.tolerating(LIBRARY):
            super()._on_secret_remove(event)


class GatewayCertificate:
    """The requirer's side of one `tls-certificates` endpoint; made in the charm's constructor."""

    def __init__(self, charm: ops.CharmBase, relations: Relations, endpoint: str):
        self._charm = charm
        self._relations = relations
        self._endpoint = endpoint
        self._names: Sequence[str] = ()
        self._problems: list[Problem] = []
        self._spent: list[tls_certificates.Issued] = []
        self._library = self._make_library()

    def end(self, event: ops.EventBase) -> None:
        """Handle the end of a relation or of a secret, in whose hook this object is made late."""
        if self._library is not None:
            self._library.end(event)

    def _make_library(self) -> _Library | None:
        """Return the library where it does not fail the hook; None elsewhere.

        Only the leader requests a certificate. The library raises where the endpoint has two
        relations, as it has while one replaces the other.
        """
        charm, endpoint = self._charm, self._endpoint
        related = self._relations.of(endpoint, forgotten=True)
        if not charm.unit.is_leader() or endpoint in self._relations.unlisted:
            return None
        if len(related) > 1 or not self._relations.is_listed(endpoint):
            return None
        for relation in related:
            databag = self._relations.databag(relation)
            if databag is None or self._relations.is_forgotten(relation):
                return None
            issued, problems = tls_certificates.parse(
                databag, app=relation.app.name, endpoint=endpoint
            )
            self._problems += problems
            mine = tls_certificates.requests_of(self._relations.own(relation, charm.app))
            answers = [i for i in issued if i.request in mine and not i.revoked]
            # The library would request another one in every hook, and get the same.
            self._spent += [i for i in answers if i.spent_at <= _now()]
            if problems or self._spent:
                return None
        return self._new_library()

    def _new_library(self) -> _Library:
        return _Library(self._charm, self._relations, self._endpoint, self._requests)

    @functools.cached_property
    def _late_library(self) -> published.TLSCertificatesRequiresV4:
        """The library, made after the events of the hook: it observes none of them."""
        return self._new_library()

    @property
    def _relation(self) -> Relation | None:
        # Without its relation the gateway serves plain HTTP, which no fault of Juju may cause.
        return next(iter(self._relations.of(self._endpoint, forgotten=True)), None)

    def answer(self, names: Sequence[str], secret: kube.Resource | None) -> Answer:
        """Request a certificate for the names, and return the one to use now.

        The certificate in use stays until a better one is issued, or until it expires.

        Args:
            names: hostnames and addresses, the subject first; empty: not known yet, so earlier
                requests stay.
            secret: the Secret that the gateway uses, as it is in the cluster.
        """
        relation = self._relation
        if relation is None:
            return Answer()
        # The public charm of our name has a request for each unit.
        key = tls_certificates.REQUESTS_KEY
        self._relations.write(relation, self._charm.unit, {}, (key,))
        current = listener_certificate.in_use(secret, _now())
        if not self._charm.unit.is_leader():
            return _answer(relation.app.name, current, names)
        self._names = names
        if self._library is None:
            if self._spent and not self._problems:
                return self._with_spent(self._spent[0], relation, current, secret)
            return _answer(relation.app.name, current, names, self._problems)
        with self._relations.surviving(relation, LIBRARY):
            self._library.sync()
            return self._with_library(self._library, relation, current)
        return _answer(relation.app.name, current, names, self._problems)

    def _with_spent(
        self,
        issued: tls_certificates.Issued,
        relation: Relation,
        current: ingress.Certificate | None,
        secret: kube.Resource | None,
    ) -> Answer:
        """Return the answer where the issued certificate is due for renewal.

        Where the gateway has used it, its renewal was missed: it is requested again. Where it was
        due when it was issued, the next one would be as well: it is used, and reported.
        """
        app = relation.app.name
        used_since = kube.written_at(secret) if secret else None
        used = listener_certificate.leaf_in(secret) == issued.certificate
        if used and (used_since is None or used_since < issued.spent_at):
            # Without a request in the databag, the next hook writes a new one.
            key = tls_certificates.REQUESTS_KEY
            self._relations.write(relation, self._charm.app, {}, (key,))
            return _answer(app, current, self._names)
        ends = f"{issued.certificate.not_valid_after_utc:%Y-%m-%d}"
        message, remedy = f"a certificate that ends on {ends}", "issue one that lasts longer"
        problem = self._problem(Code.CERTIFICATE_UNUSABLE, app, "certificates", message, remedy)
        key = ""
        with self._relations.surviving(relation, LIBRARY):
            key = str(self._late_library.private_key or "")
        if listener_certificate.fault(issued.certificate, key, _now()) is None:
            current = listener_certificate.assemble(issued.certificate, issued.others, key)
        return _answer(app, current, self._names, [problem])

    def _with_library(
        self,
        library: published.TLSCertificatesRequiresV4,
        relation: Relation,
        current: ingress.Certificate | None,
    ) -> Answer:
        app = relation.app.name
        key = str(library.private_key or "")
        asked = [
            each.certificate_signing_request
            for each in library.get_csrs_from_requirer_relation_data()
        ]
        problems: list[Problem] = []
        for issued in library.get_provider_certificates():
            if issued.certificate_signing_request in asked and not issued.revoked:
                certificate, found = self._checked(app, issued, key)
                problems += found
                if certificate is not None:
                    return Answer(ingress.Tls(True, certificate), tuple(problems))
        if self._names and not asked:
            if self._requests(library.get_provider_capabilities()):
                # The library logs what Juju refused, and goes on.
                raise ops.ModelError("the request could not be written")
            problems.append(self._no_addresses(app))
        answer = _answer(app, current, self._names, problems)
        for error in filter(None, map(library.get_request_error, asked)):
            answer = self._with_denial(answer, app, error.error)
        return answer

    def _checked(
        self, app: str, issued: published.ProviderCertificate, key: str
    ) -> tuple[ingress.Certificate | None, list[Problem]]:
        """Return the certificate where it can be used, and the problems with it."""
        # `_make_library` has read its PEM already.
        leaf = listener_certificate.leaf_of(str(issued.certificate))
        fault = listener_certificate.fault(leaf, key, _now())
        if fault:
            return None, [self._problem(Code.CERTIFICATE_UNUSABLE, app, "certificates", *fault)]
        others = [listener_certificate.leaf_of(str(each)) for each in (*issued.chain, issued.ca)]
        asked = issued.certificate_signing_request.sans_dns
        names = [name for name in self._names if not name.startswith("*.") or name in asked]
        missing = listener_certificate.uncovered(names, leaf)
        problems: list[Problem] = []
        if missing:
            message = f"the certificate is not for {', '.join(missing)}"
            remedy = "issue one for all requested names"
            problems.append(
                self._problem(Code.NOT_IN_CERTIFICATE, app, "certificates", message, remedy)
            )
        return listener_certificate.assemble(leaf, others, key), problems

    def _with_denial(self, answer: Answer, app: str, error: published.CertificateError) -> Answer:
        """Return the answer with the error that was sent instead of a certificate."""
        remedy = next(
            (remedy for code, remedy in _REMEDIES.items() if code == error.code), f"see {app}"
        )
        message = f"refused ({error.name}): {error.message}"
        problem = self._problem(Code.CERTIFICATE_DENIED, app, "request_errors", message, remedy)
        if error.code == published.CertificateRequestErrorCode.SERVER_NOT_AVAILABLE:
            tls = msgspec.structs.replace(answer.tls, awaited=str(problem))
            return msgspec.structs.replace(answer, tls=tls)
        return msgspec.structs.replace(answer, problems=(*answer.problems, problem))

    def _no_addresses(self, app: str) -> Problem:
        message = f"issues no certificate for {self._names[0]}"
        remedy = f"juju config {self._charm.app.name} external_hostname=<DNS name>"
        return self._problem(Code.NAMES_NOT_ISSUED, app, "capabilities", message, remedy)

    def _problem(self, code: Code, app: str, field: str, message: str, remedy: str) -> Problem:
        return Problem(
            app=app,
            endpoint=self._endpoint,
            field=field,
            message=message,
            remedy=remedy,
            code=code,
        )

    def _requests(
        self, capabilities: published.ProviderCapabilities | None
    ) -> list[published.CertificateRequestAttributes]:
        """Return the certificates to request; the library withdraws every other request."""
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


def _answer(
    app: str,
    current: ingress.Certificate | None,
    names: Sequence[str],
    problems: Sequence[Problem] = (),
) -> Answer:
    """Return the certificate in use, and the one that is waited for."""
    awaited = ""
    if current is None or listener_certificate.uncovered(
        names, listener_certificate.leaf_of(current.chain)
    ):
        what = (
            f"for {', '.join(names)}" if names else "(nothing to ask for before there is a name)"
        )
        awaited = f"{app} has not issued one {what} yet"
    return Answer(ingress.Tls(True, current, awaited), tuple(problems))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
