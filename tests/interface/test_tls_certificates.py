# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The gateway's certificate: our side of tls-certificates, with the published library on both."""

import dataclasses
import datetime
import json
import logging
from collections.abc import Sequence
from typing import Any

import hypothesis
import ops
import pytest
from charmlibs.interfaces import tls_certificates as published
from cryptography import x509
from hypothesis import strategies as st
from istio_ambient import ingress, kube
from istio_ambient.charm.relations import Relations
from istio_ambient.ingress.objects import listener_certificate
from istio_ambient.integrations.certificate_endpoint import CertificateEndpoint
from istio_ambient.integrations.gateway_certificate import Answer
from lightkube.models import meta_v1
from lightkube.resources.core_v1 import Secret
from ops import testing

from tests.authorities import LIFETIME, START, Authority

ENDPOINT = "certificates"
NAME, ADDRESS = "shop.example.com", "203.0.113.10"
OURS: dict[str, Any] = {
    "name": "gate",
    "requires": {ENDPOINT: {"interface": "tls-certificates", "limit": 1}},
}
THEIRS: dict[str, Any] = {
    "name": "certifier",
    "provides": {ENDPOINT: {"interface": "tls-certificates"}},
}


class Requirer(ops.CharmBase):
    """Handles its certificate in every event as the reconcile of the ingress charm does."""

    names: Sequence[str] = (NAME,)
    secret: kube.Resource | None = None

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        for event in self.on.events().values():
            if not issubclass(event.event_type, ops.LifecycleEvent | ops.CollectStatusEvent):
                framework.observe(event, self._on_event)
        self.certificate = CertificateEndpoint(self, Relations(self), ENDPOINT)
        self.answer = Answer()

    def _on_event(self, _: ops.EventBase) -> None:
        self.answer = self.certificate.answer(self.names, self.secret)


class Provider(ops.CharmBase):
    """An authority's charm."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.library = published.TLSCertificatesProvidesV4(self, ENDPOINT)


class Meeting:
    """Two applications and the relation between them."""

    def __init__(self, *, leader: bool = True) -> None:
        self.root = Authority.make("root")
        self.authority = Authority.make("intermediate", self.root)
        self.ours = testing.Context(Requirer, meta=OURS)
        self.theirs = testing.Context(Provider, meta=THEIRS)
        self.relation = testing.Relation(ENDPOINT, remote_app_name="certifier")
        self.state = testing.State(leader=leader, relations=[self.relation])
        self.names: Sequence[str] = (NAME,)
        self.secret: kube.Resource | None = None
        self.answer = Answer()

    def run(self, event: Any = None) -> Answer:
        """Run one of our hooks, by default a changed relation."""
        relation = self.state.get_relation(self.relation.id)
        event = event or self.ours.on.relation_changed(relation)
        with self.ours(event, self.state) as manager:
            manager.charm.names, manager.charm.secret = self.names, self.secret
            self.state = manager.run()
            self.answer = manager.charm.answer
        certificate = self.answer.tls.certificate
        if certificate:
            facts = ingress.Facts("shop", "gate", tls=ingress.Tls(True, certificate))
            wanted = ingress.desired(ingress.resolve(facts)).objects
            (self.secret,) = [obj for obj in wanted if isinstance(obj, Secret)]
        return self.answer

    @property
    def _remote(self) -> testing.Relation:
        relation = self.state.get_relation(self.relation.id)
        assert isinstance(relation, testing.Relation)
        return relation

    @property
    def databag(self) -> dict[str, str]:
        """What we wrote."""
        return dict(self.state.get_relation(self.relation.id).local_app_data)

    @property
    def provided(self) -> dict[str, str]:
        """What the provider wrote."""
        return dict(self._remote.remote_app_data)

    @property
    def requests(self) -> list[str]:
        """Our requests, as PEM."""
        listed = json.loads(self.databag.get("certificate_signing_requests", "[]"))
        return [each["certificate_signing_request"] for each in listed]

    @property
    def request(self) -> x509.CertificateSigningRequest:
        """The only request."""
        (request,) = self.requests
        return x509.load_pem_x509_csr(request.encode())

    def write(self, databag: dict[str, str]) -> None:
        """Set the provider's databag."""
        changed = dataclasses.replace(self._remote, remote_app_data=databag)
        self.state = dataclasses.replace(self.state, relations=[changed])

    def issue(self, **options: Any) -> dict[str, str]:
        """Let the provider sign all requests, without checking them."""
        certificates = [self.entry(request, **options) for request in self.requests]
        databag = {"certificates": json.dumps(certificates)}
        self.write(databag)
        return databag

    def entry(self, request: str, **options: Any) -> dict[str, Any]:
        """Return the entry of a provider for a request that it signed."""
        signed = self.authority.sign(request, **options)
        return {
            "certificate": signed,
            "certificate_signing_request": request,
            "ca": self.root.pem,
            # Some providers begin with the root.
            "chain": [self.root.pem, self.authority.pem, signed],
        }

    def publish(self) -> None:
        """Let the published provider's library answer all requests that are outstanding."""
        ours = self.databag
        relation = testing.Relation(
            ENDPOINT,
            remote_app_name="gate",
            remote_app_data=ours,
            local_app_data=dict(self._remote.remote_app_data),
        )
        state = testing.State(leader=True, relations=[relation])
        with self.theirs(self.theirs.on.relation_changed(relation), state) as manager:
            manager.run()
            library = manager.charm.library
            for asked in library.get_outstanding_certificate_requests():
                signed = self.authority.sign(str(asked.certificate_signing_request))
                chain = [signed, *self.authority.path]
                library.set_relation_certificate(
                    published.ProviderCertificate(
                        relation_id=relation.id,
                        certificate=published.Certificate.from_string(signed),
                        certificate_signing_request=asked.certificate_signing_request,
                        ca=published.Certificate.from_string(self.root.pem),
                        chain=[published.Certificate.from_string(each) for each in chain],
                    )
                )
            out = manager.charm.model.get_relation(ENDPOINT)
            assert out
            self.write(dict(out.data[manager.charm.app]))


def leaf(answer: Answer) -> x509.Certificate:
    assert answer.tls.certificate
    return listener_certificate.leaf_of(answer.tls.certificate.chain)


@pytest.fixture
def meeting() -> Meeting:
    return Meeting()


@pytest.fixture
def served(meeting: Meeting) -> Meeting:
    """A gateway with a certificate that is valid for years."""
    meeting.run()
    meeting.issue()
    assert meeting.run().problems == ()
    return meeting


def names_of(request: x509.CertificateSigningRequest) -> tuple[list[str], list[str]]:
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = [str(each) for each in found.get_values_for_type(x509.IPAddress)]
    return found.get_values_for_type(x509.DNSName), addresses


def test_the_published_provider_issues_what_is_requested(meeting: Meeting):
    asked = meeting.run()
    assert asked.tls == ingress.Tls(
        True, None, "certifier has not issued one for shop.example.com yet"
    )
    meeting.publish()
    answer = meeting.run()
    assert (answer.problems, answer.tls.awaited) == ((), "")
    assert answer.tls.certificate
    chain = x509.load_pem_x509_certificates(answer.tls.certificate.chain.encode())
    # Without the root, each issued by the next.
    assert [each.subject for each in chain[1:]] == [meeting.authority.certificate.subject]
    chain[0].verify_directly_issued_by(chain[1])
    assert listener_certificate.fault(chain[0], answer.tls.certificate.key, START) is None
    request = meeting.request
    assert meeting.run() == answer
    assert meeting.request == request


@pytest.mark.parametrize(
    ("names", "subject", "hosts", "addresses"),
    [
        ([NAME], NAME, [NAME], []),
        ([ADDRESS], ADDRESS, [], [ADDRESS]),
        (["2001:db8::1"], "2001:db8::1", [], ["2001:db8::1"]),
        ([ADDRESS, "*.example.com"], "*.example.com", ["*.example.com"], [ADDRESS]),
        (["a" * 60 + ".example.com"], None, ["a" * 60 + ".example.com"], []),
    ],
)
def test_subject_and_alternative_names(
    meeting: Meeting, names: list[str], subject: str | None, hosts: list[str], addresses: list[str]
):
    meeting.names = names
    meeting.run()
    common = meeting.request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert [str(each.value) for each in common] == ([subject] if subject else [])
    assert names_of(meeting.request) == (hosts, addresses)
    meeting.issue()
    assert meeting.run().problems == ()


def test_another_name_replaces_the_request_and_the_old_certificate_serves_on(served: Meeting):
    old, before = served.request, served.answer.tls.certificate
    served.names = ["new.example.com"]
    answer = served.run()
    assert served.request != old
    assert names_of(served.request) == (["new.example.com"], [])
    assert answer.tls.certificate == before
    assert "new.example.com" in answer.tls.awaited
    served.publish()
    answer = served.run()
    assert (answer.tls.awaited, answer.problems) == ("", ())
    assert answer.tls.certificate != before


def test_without_a_known_name_the_request_stays(served: Meeting):
    request = served.request
    served.names = []
    assert served.run().tls.certificate is not None
    assert served.request == request


def test_a_renewal_keeps_serving_until_the_new_one_is_there(served: Meeting):
    old, before = served.request, served.answer.tls.certificate
    stored = [s for s in served.state.secrets if "certificate" in s.tracked_content]
    assert [s.expire is not None for s in stored] == [True]
    answer = served.run(served.ours.on.secret_expired(stored[0], revision=1))
    assert answer.tls.certificate == before
    assert served.request != old
    assert (served.run().tls.certificate, served.answer.tls.awaited) == (before, "")
    served.publish()
    assert served.run().tls.certificate not in (None, before)


def test_another_authority_takes_over_at_once(served: Meeting):
    before = served.answer.tls.certificate
    served.authority = Authority.make("other", Authority.make("other root"))
    databag = served.issue()
    revoked = json.loads(databag["certificates"])
    revoked[0]["revoked"] = True
    served.write({"certificates": json.dumps(revoked)})
    # Withdrawn, and the next one is not there yet.
    assert served.run().tls.certificate == before
    served.write(databag)
    answer = served.run()
    assert answer.problems == ()
    assert leaf(answer).issuer == served.authority.certificate.subject


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "authority": ({"ca": True}, "of a certificate authority"),
    "expired": ({"end": START + datetime.timedelta(days=1)}, "ends on 2026-01-02"),
    "not yet": ({"begin": START + LIFETIME, "end": START + 2 * LIFETIME}, "not valid before 2035"),
}


@pytest.mark.parametrize(("options", "message"), BAD.values(), ids=BAD)
def test_an_unusable_certificate_is_a_problem_and_the_last_valid_one_stays(
    served: Meeting, options: dict[str, Any], message: str
):
    before = served.answer.tls
    request = served.request
    served.issue(**options)
    for _ in range(2):
        answer = served.run()
        assert answer.tls == before
        (problem,) = answer.problems
        assert (problem.app, problem.endpoint) == ("certifier", ENDPOINT)
        assert message in problem.message
        # The provider would issue another such certificate: none is requested in a loop.
        assert served.request == request


def test_a_certificate_that_arrives_at_its_end_is_used_and_not_requested_again(meeting: Meeting):
    meeting.run()
    request = meeting.request
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    meeting.issue(end=soon)
    for _ in range(3):
        answer = meeting.run()
        assert leaf(answer).not_valid_after_utc.date() == soon.date()
        assert f"ends on {soon:%Y-%m-%d}" in str(answer.problems[0])
        assert meeting.request == request
        assert meeting.secret
        written = meta_v1.ManagedFieldsEntry(time=soon, operation="Apply")
        meeting.secret.metadata.managedFields = [written]


def test_a_certificate_for_another_key_is_not_used(served: Meeting):
    before = served.answer.tls
    other = Meeting()
    other.run()
    foreign = other.entry(other.requests[0])["certificate"]
    entry = served.entry(served.requests[0])
    served.write({"certificates": json.dumps([{**entry, "certificate": foreign}])})
    answer = served.run()
    assert answer.tls == before
    assert "not for the key" in str(answer.problems[0])


def test_without_a_valid_certificate_none_is_used(meeting: Meeting):
    meeting.run()
    meeting.issue(ca=True)
    answer = meeting.run()
    assert answer.tls.pending
    assert len(answer.problems) == 1


def test_an_expired_certificate_is_not_used_from_the_cluster(served: Meeting):
    expired = served.authority.sign(served.requests[0], end=START + datetime.timedelta(days=1))
    assert served.answer.tls.certificate
    stale = dataclasses.replace(served.answer.tls.certificate, chain=expired)
    facts = ingress.Facts("shop", "gate", tls=ingress.Tls(True, stale))
    (served.secret,) = [
        o for o in ingress.desired(ingress.resolve(facts)).objects if isinstance(o, Secret)
    ]
    served.write({})
    assert served.run().tls.pending


def test_a_missed_renewal_is_requested_later(served: Meeting):
    request = served.request
    certificate = served.authority.sign(served.requests[0], end=START + datetime.timedelta(days=1))
    entry = {**served.entry(served.requests[0]), "certificate": certificate}
    served.write({"certificates": json.dumps([entry])})
    assert served.answer.tls.certificate
    stale = dataclasses.replace(served.answer.tls.certificate, chain=certificate)
    facts = ingress.Facts("shop", "gate", tls=ingress.Tls(True, stale))
    (served.secret,) = [
        o for o in ingress.desired(ingress.resolve(facts)).objects if isinstance(o, Secret)
    ]
    served.run()
    assert served.requests == []
    served.run()
    assert served.request != request


def test_names_that_the_certificate_lacks_are_a_problem(meeting: Meeting):
    meeting.names = [ADDRESS, NAME]
    meeting.run()
    meeting.issue(names=[x509.DNSName("*.example.com")])
    answer = meeting.run()
    assert answer.tls.certificate is not None
    assert f"not for {ADDRESS};" in str(answer.problems[0])


def test_a_refusal_is_a_problem_with_a_remedy(meeting: Meeting):
    meeting.names = [ADDRESS]
    meeting.run()
    error = {"code": 101, "name": "IP_NOT_ALLOWED", "message": "no addresses\nhere"}
    errors = [{"csr": meeting.requests[0], "error": error}]
    meeting.write({"request_errors": json.dumps(errors)})
    answer = meeting.run()
    assert answer.tls.pending
    assert str(answer.problems[0]) == (
        "certifier:certificates request_errors: refused (IP_NOT_ALLOWED): "
        "no addresses\N{REPLACEMENT CHARACTER}here; set external_hostname to a DNS name"
    )


def test_an_authority_that_is_down_is_waited_for(meeting: Meeting):
    meeting.run()
    error = {"code": 201, "name": "SERVER_NOT_AVAILABLE", "message": "try later"}
    errors = [{"csr": meeting.requests[0], "error": error}]
    meeting.write({"request_errors": json.dumps(errors)})
    answer = meeting.run()
    assert (answer.problems, "try later" in answer.tls.awaited) == ((), True)


def test_a_certificate_beyond_the_capabilities_is_not_requested(meeting: Meeting):
    meeting.names = [ADDRESS]
    capabilities = {"supports_ip_sans": False, "supports_wildcard_dns": False}
    meeting.write({"capabilities": json.dumps(capabilities)})
    answer = meeting.run()
    assert meeting.requests == []
    assert "juju config gate external_hostname=" in str(answer.problems[0])
    meeting.names = [NAME, "*.example.com"]
    meeting.run()
    assert names_of(meeting.request) == ([NAME], [])
    certificates = [meeting.entry(meeting.requests[0])]
    meeting.write({**meeting.provided, "certificates": json.dumps(certificates)})
    answer = meeting.run()
    assert (answer.tls.certificate is None, answer.problems) == (False, ())


def test_only_the_leader_requests(served: Meeting):
    used = served.answer.tls.certificate
    other = Meeting(leader=False)
    other.secret = served.secret
    answer = other.run()
    assert (answer.tls.certificate, answer.problems) == (used, ())
    assert other.databag == {}


@pytest.mark.parametrize("leader", [True, False])
def test_the_requests_of_units_before_a_refresh_are_withdrawn(leader: bool):
    meeting = Meeting(leader=leader)
    asked = {"certificate_signing_requests": "[]", "ingress-address": ADDRESS}
    relation = dataclasses.replace(meeting.relation, local_unit_data=asked)
    meeting.state = dataclasses.replace(meeting.state, relations=[relation])
    meeting.run()
    left = meeting.state.get_relation(meeting.relation.id).local_unit_data
    assert left == {"ingress-address": ADDRESS}


def test_key_and_certificate_go_with_the_relation(served: Meeting):
    relation = served.state.get_relation(served.relation.id)
    answer = served.run(served.ours.on.relation_broken(relation))
    assert answer == Answer()
    assert [s for s in served.state.secrets if "private-key" in s.tracked_content] == []


def test_revisions_that_nobody_uses_are_removed_without_the_relation_too(served: Meeting):
    (stored, *_) = (s for s in served.state.secrets if "certificate" in s.tracked_content)
    alone = dataclasses.replace(served.state, relations=[])
    served.ours.run(served.ours.on.secret_remove(stored, revision=7), alone)
    assert served.ours.removed_secret_revisions == [7]


def test_hooks_succeed_while_one_authority_replaces_another(served: Meeting):
    second = testing.Relation(ENDPOINT, remote_app_name="other")
    relations = [*served.state.relations, second]
    served.state = dataclasses.replace(served.state, relations=relations)
    assert served.run(served.ours.on.relation_created(second)).tls.certificate is not None


def test_the_private_key_is_in_no_log_and_no_databag(
    meeting: Meeting, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    meeting.run()
    meeting.publish()
    answer = meeting.run()
    assert answer.tls.certificate
    lines = answer.tls.certificate.key.splitlines()[1:-1]
    written = "\n".join(
        [
            *(str(line.message) for line in meeting.ours.juju_log),
            caplog.text,
            json.dumps(meeting.databag),
            repr(answer),
        ]
    )
    assert len(lines) > 10
    assert [line for line in lines if line in written] == []


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.fixture(scope="module")
def attacked() -> Meeting:
    meeting = Meeting()
    meeting.run()
    meeting.issue()
    meeting.run()
    return meeting


@pytest.fixture(scope="module")
def hostile(attacked: Meeting) -> st.SearchStrategy[dict[str, str]]:
    """Provider databags: any text, any JSON, and nearly valid entries."""
    meeting = attacked
    (request,) = meeting.requests
    good = meeting.entry(request)
    other = Meeting()
    other.run()
    texts = st.one_of(
        st.text(),
        st.sampled_from(
            [
                good["certificate"],
                good["certificate"][:-40],
                good["certificate"].replace("M", "N", 3),
                meeting.root.pem,
                meeting.authority.sign(request, end=START + datetime.timedelta(days=1)),
                meeting.authority.sign(request, ca=True),
                request,
                request[:200],
                other.requests[0],
                "\ud800",
            ]
        ),
    )
    values = st.none() | st.booleans() | st.integers() | st.floats() | texts
    anything = st.recursive(
        values, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
    entry = st.fixed_dictionaries(
        {"ca": texts, "certificate": texts, "certificate_signing_request": texts},
        optional={"chain": st.lists(texts) | values, "revoked": values, "more": anything},
    )
    error = st.fixed_dictionaries(
        {"code": values, "name": values, "message": values}, optional={"reason": values}
    )
    lists = st.lists(entry | st.just(good) | anything, max_size=3)
    errors = st.lists(st.fixed_dictionaries({"csr": texts, "error": error | anything}), max_size=2)
    raw = st.text() | st.sampled_from([_nested(500), _nested(100_000), "1" * 5000, "{", "NaN"])
    certificates = raw | lists.map(json.dumps) | anything.map(json.dumps)
    return st.fixed_dictionaries(
        {},
        optional={
            "certificates": certificates,
            "request_errors": raw | errors.map(json.dumps),
            "capabilities": raw | anything.map(json.dumps),
            "more": raw,
        },
    )


@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=60, deadline=None)
def test_no_databag_of_a_provider_fails_a_hook_and_only_a_valid_certificate_is_used(
    attacked: Meeting, hostile: st.SearchStrategy[dict[str, str]], data: st.DataObject
):
    state, secret = attacked.state, attacked.secret
    before = listener_certificate.in_use(secret, datetime.datetime.now(datetime.UTC))
    assert before
    attacked.write(data.draw(hostile))
    try:
        answer = attacked.run()
        assert answer.tls.wanted
        assert answer.tls.certificate
        assert answer.tls.certificate.key == before.key
        found = listener_certificate.leaf_of(answer.tls.certificate.chain)
        assert listener_certificate.fault(found, before.key, START) is None
        assert len(attacked.requests) == 1
    finally:
        attacked.state, attacked.secret = state, secret
