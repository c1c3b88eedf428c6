# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Scenarios of integrations with other charms and other models."""

from tests.scenarios import bookshop
from tests.scenarios.bookshop import BEACON, INGRESS
from tests.scenarios.lifecycle import CHECKED
from tests.scenarios.site import Site

CA = "self-signed-certificates"
FRONT = "front"
"""The name of productpage in its own model."""


def the_ingress_serves_over_tls(site: Site) -> None:
    """With a certificate authority, the ingress serves HTTPS with a certificate of its root."""
    shop, plain = site.shop, site.url()
    shop.deploy(CA)
    shop.integrate(f"{INGRESS}:certificates", f"{CA}:certificates")
    shop.wait_active()
    secure = site.url()
    assert secure == plain.replace("http://", "https://")
    root = str(shop.run(f"{CA}/leader", "get-ca-certificate", {})["ca-certificate"])
    site.check_outside(secure, 200, roots=root)
    # No other root is trusted: without it there is no response.
    assert site.backend.request_outside(secure, bookshop.INSIDE).status is None
    shop.remove_relation(f"{INGRESS}:certificates", f"{CA}:certificates")
    shop.remove(CA)
    shop.wait_active()
    assert site.url() == plain
    site.check_outside(plain, 200)


def an_application_of_another_model_is_allowed_by_its_own_name(site: Site) -> None:
    """A caller of another model gets access once it has published its name and its model."""
    guest = site.backend.model("guest")
    guest.deploy(BEACON)
    bookshop.deploy(guest, "productpage", FRONT)
    guest.integrate(f"{FRONT}:service-mesh", f"{BEACON}:service-mesh")
    offered, required = bookshop.INTEGRATIONS[0][1], bookshop.INTEGRATIONS[0][0]
    guest.consume(site.shop, "details", offered.partition(":")[2], "provide-cmr-mesh")
    guest.integrate(f"{FRONT}:{required.partition(':')[2]}", offered)
    guest.wait_active()

    def status() -> int | None:
        source, target = f"{guest.name}/{FRONT}", f"{site.shop.name}/details"
        path = bookshop.GET_DETAILS.partition(" ")[2]
        return site.backend.request(source, target, bookshop.PORT, path=path).status

    # The application that asks has a generated name in the bookshop's model: it allows nobody.
    site.backend.wait_until(lambda: status() == 403)
    guest.integrate(f"{FRONT}:require-cmr-mesh", "details:provide-cmr-mesh")
    guest.wait_active()
    site.shop.wait_active()
    site.backend.wait_until(lambda: status() == 200)
    site.check(*CHECKED)

    guest.remove_relation(f"{FRONT}:require-cmr-mesh", "details:provide-cmr-mesh")
    guest.remove_relation(f"{FRONT}:{required.partition(':')[2]}", offered)
    guest.wait_active()
    site.shop.wait_active()
    site.backend.wait_until(lambda: status() == 403)
    guest.withdraw(site.shop, "details")
    guest.remove(FRONT, BEACON)


def a_scraper_reaches_all_targets(site: Site) -> None:
    """Prometheus scrapes waypoint and gateway, also where a policy guards them.

    The whole model is on the mesh meanwhile, and with it the scraper, which joins no mesh itself.
    """
    scraper, shop = "prometheus", site.shop
    shop.config(BEACON, {"model-on-mesh": True})
    shop.deploy("prometheus-k8s", scraper)
    for app in (BEACON, INGRESS):
        shop.integrate(f"{scraper}:metrics-endpoint", f"{app}:metrics-endpoint")
    site.wait_active()
    for app in (BEACON, INGRESS):
        site.backend.wait_until(
            lambda app=app: site.backend.scraped(scraper, shop, app) > 0, patience=4
        )
    site.check(*CHECKED)
    shop.remove(scraper)
    shop.config(BEACON, {"model-on-mesh": False})
    site.wait_active()
    site.check(*CHECKED)
