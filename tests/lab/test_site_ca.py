# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Option `ca-secret`: istiod, its peers and Envoy can use every authority that the charm takes."""

import base64
import functools
import re
from typing import Any, cast

from istio_ambient import control_plane
from istio_ambient.manifests import _cacerts
from istio_ambient.values.text import shortened

from tests.lab import _authority_peers, _site_authorities
from tests.lab._site_authorities import Candidate

DELIBERATE = {
    "rsa-1024": "too short; ztunnel takes 2048 to 8192 bits",
    "rsa-8676": "too long; Go's TLS and ztunnel take 2048 to 8192 bits",
    "p224": "ztunnel does not know the curve",
    "ed25519": "istiod's documentation has RSA and ECDSA for the key that it signs with",
    "ku-nothing": "a key usage that allows nothing; Envoy and RFC 5280 go by it",
    "eku-any": "below a root, Envoy and ztunnel do not take it for serverAuth and clientAuth",
    "eku-empty": "against RFC 5280; ztunnel refuses it",
    "akid-of-another": "Envoy looks for an issuer with this identifier, and there is none",
    "root-after-unidentified-namesake": "Envoy takes the first authority of a name",
    "root-with-namesake + no-identifiers": "Envoy takes the first authority of a name",
    "uri-permitted-trust-domain": "ztunnel refuses every URI below a constraint on URIs",
    "uri-excluded-other": "ztunnel refuses every URI below a constraint on URIs",
    "directory-not-critical": "ztunnel refuses everything below a constraint on directory names",
    "ip-permitted + san-ip": "a name of an authority below, which may not be permitted",
    "policies-critical": "ztunnel does not know the extension",
    "policy-required": "Go verifies no workload below an authority that is below this one",
    "policy-required-not-critical": "Go verifies no workload below an authority below this one",
    "any-policy-inhibited": "ztunnel does not know the extension",
    "san-critical": "only of a certificate without a subject, which proxies take as self-signed",
    "no-subject": "workloads have no subject either: their certificates look as if self-signed",
    "version-1": "says nothing about what it may sign; ztunnel takes it as a root only",
    "signer-and-chain": "which certificate signs is not to be guessed",
    "signer-twice": "which certificate signs is not to be guessed",
}
"""Properties → why the charm refuses what istiod's own check takes."""


def site_ca(candidate: Candidate) -> control_plane.SiteCA:
    return control_plane.read_site_ca(candidate.content, "secret:one", _site_authorities.NOW)


def files(candidate: Candidate, found: control_plane.SiteCA) -> dict[str, str]:
    """Return what istiod is given: what the charm writes, or what it refused as it is."""
    if mesh_ca := found.mesh_ca:
        data = cast(dict[str, str], cast(Any, _cacerts.secret("n", mesh_ca)).data)
        return {name: base64.b64decode(text).decode() for name, text in data.items()}
    return {f"{key}.pem": text for key, text in candidate.content.items()}


@functools.cache
def judged() -> list[tuple[Candidate, control_plane.SiteCA, _authority_peers.Workload]]:
    """Return all candidates, with what the charm and what istiod and its peers say."""
    found = list(_site_authorities.candidates())
    read = [site_ca(each) for each in found]
    workloads = _authority_peers.workloads(map(files, found, read))
    return list(zip(found, read, workloads, strict=True))


def test_istiod_and_its_peers_can_use_every_authority_that_the_charm_takes():
    wrong = [
        (candidate.properties, workload.error)
        for candidate, found, workload in judged()
        if found.mesh_ca and workload.error
    ]
    assert wrong == []


def reasons(candidate: Candidate) -> set[str]:
    """Return the deliberate refusals that concern a candidate."""
    return {key for key in DELIBERATE if candidate.names.issuperset(key.split(" + "))}


def test_the_charm_refuses_nothing_that_is_ordinary():
    wrong = [
        (candidate.properties, str(found.problem))
        for candidate, found, workload in judged()
        if not found.mesh_ca and not workload.error and not reasons(candidate)
    ]
    assert wrong == []


def test_each_deliberate_refusal_is_one():
    refused = {
        key
        for candidate, found, workload in judged()
        if not found.mesh_ca and not workload.error
        for key in reasons(candidate)
    }
    assert refused == {*DELIBERATE}


def test_candidates_are_nasty_enough_to_tell():
    found = judged()
    errors = [workload.error for _, _, workload in found if workload.error]
    kinds = {re.sub(r"[^a-z]+", " ", reason) for reason in errors}
    messages = {site_ca.problem.message for _, site_ca, _ in found if site_ca.problem}
    taken = [candidate for candidate, site_ca, _ in found if site_ca.mesh_ca]
    print(
        f"{len(found)} authorities: the charm takes {len(taken)} and has {len(messages)} reasons,"
        f" istiod and its peers refuse {len(errors)} for {len(kinds)} reasons"
    )
    assert len(found) > 800
    assert len(taken) > len(found) / 4
    assert len(errors) > len(found) / 4
    assert len(kinds) > 20
    assert len(messages) > 20


def test_each_refusal_says_in_a_status_what_to_do():
    for candidate, found, _ in judged():
        if found.problem:
            text = str(found.problem)
            assert text.startswith("config ca-secret "), text
            assert found.problem.remedy, candidate.properties
            assert shortened(text, 120) == text


def test_envoy_takes_workloads_of_every_authority_that_the_charm_takes():
    # The pairs by chance add nothing that Envoy looks at.
    taken = {
        each.properties: (workload, files(each, read)["root-cert.pem"])
        for each, read, workload in judged()
        if read.mesh_ca and len(each.properties) <= 2
    }
    answers = _authority_peers.envoy_refusals(list(taken.values()))
    refused = [(name, error) for name, error in zip(taken, answers, strict=True) if error]
    assert refused == []
    assert len(taken) > 200


def test_envoy_refuses_what_only_istiod_takes():
    names = ["eku-any@0of2", "akid-of-another@0of2", "root-after-unidentified-namesake"]
    found = {
        candidate.properties[0]: (workload, candidate.content["root-cert"])
        for candidate, _, workload in judged()
        if not workload.error and candidate.properties[0] in names
    }
    assert sorted(found) == sorted(names)
    assert all(_authority_peers.envoy_refusals(list(found.values())))
