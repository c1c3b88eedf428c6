# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Every scenario, in the order in which they share a site."""

import functools

from tests.scenarios import bookshop, integrations, lifecycle, traffic
from tests.scenarios.backend import Need
from tests.scenarios.scenario import Scenario

SCENARIOS = (
    *(
        Scenario(
            f"requests with {scene.title}", functools.partial(traffic.requests_of, scene=scene)
        )
        for scene in bookshop.scenes()
    ),
    Scenario("access is listed", traffic.access_is_listed),
    Scenario(
        "only allowed networks pass the ingress", traffic.only_allowed_networks_pass_the_ingress
    ),
    Scenario("the ingress serves over TLS", integrations.the_ingress_serves_over_tls),
    Scenario("a scraper reaches all targets", integrations.a_scraper_reaches_all_targets),
    Scenario(
        "an application of another model is allowed by its own name",
        integrations.an_application_of_another_model_is_allowed_by_its_own_name,
    ),
    Scenario("units are replicas", lifecycle.units_are_replicas),
    Scenario("a refresh keeps access", lifecycle.a_refresh_keeps_access),
    Scenario("removal leaves nothing", lifecycle.removal_leaves_nothing),
    Scenario(
        "the public charms are refreshed",
        lifecycle.the_public_charms_are_refreshed,
        frozenset({Need.PUBLIC_CHARMS}),
    ),
)
