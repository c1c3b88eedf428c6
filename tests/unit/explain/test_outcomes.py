# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The outcome of every access request."""

import msgspec
from istio_ambient import authorization, beacon
from istio_ambient.explain import outcomes
from istio_ambient.explain.outcomes import Outcome
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

from tests.unit.explain import bookshop

LATER = bookshop.request(field="policies[1]", target=authorization.Target.service("shop", "later"))
THEIRS = bookshop.request(
    field="policies[2]", target=authorization.Target.service("shop", "ratings")
)
UNREAD = msgspec.structs.replace(bookshop.request(field="policies"), source=None)
INVALID = Problem(
    "details",
    "service-mesh",
    "policies[3]",
    "not an object",
    "send an object",
    code=Code.INVALID_ENTRY,
)
SCRAPER = authorization.AccessRequest(
    authorization.Requester("prometheus", "metrics-endpoint"),
    "",
    authorization.Target.app("shop", "beacon"),
    authorization.Source("shop", "prometheus"),
)
FACTS = bookshop.facts(
    bookshop.request(), LATER, THEIRS, UNREAD, own_requests=(SCRAPER,), problems=(INVALID,)
)


def by_field(facts: beacon.Facts) -> dict[str, Outcome]:
    return {each.field: each.outcome for each in outcomes.outcomes(facts)}


def test_each_request_has_its_outcome():
    assert by_field(FACTS) == {
        "policies[0]": Outcome.GRANTED,
        "policies[1]": Outcome.PENDING,
        "policies[2]": Outcome.REFUSED,
        "policies[3]": Outcome.INVALID,
        "policies": Outcome.CLOSED,
        "": Outcome.GRANTED,
    }


def test_what_cannot_be_read_closes_nothing_that_is_not_its_own():
    theirs = msgspec.structs.replace(
        UNREAD, target=authorization.Target.service("shop", "ratings")
    )
    assert outcomes.outcomes(bookshop.facts(theirs)) == []


def test_unmanaged_nothing_is_granted_and_refusals_are_reported():
    config = beacon.Config(manage_authorization_policies=False)
    found = by_field(msgspec.structs.replace(FACTS, config=config))
    assert found["policies[0]"] is found["policies"] is found[""] is Outcome.UNMANAGED
    assert found["policies[2]"] is Outcome.REFUSED


def test_a_trusted_requester_is_granted_access_to_others():
    trusted = msgspec.structs.replace(
        FACTS, config=beacon.Config(trusted_requesters=frozenset({"details"}))
    )
    assert by_field(trusted)["policies[2]"] is Outcome.GRANTED


def test_the_table_is_followed_by_problems_with_remedies():
    text = outcomes.text(outcomes.outcomes(FACTS))
    table, problems = text.split("\n\n")
    assert len(table.splitlines()) == 7
    assert "GET /details/* on 80" in table
    assert "CI-301 details:service-mesh policies[2]: refused: asks for Service shop/r" in problems
    assert outcomes.text([]) == "there are no requests"
