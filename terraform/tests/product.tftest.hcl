# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# terraform init && terraform test: no Juju is needed, since the provider's answers are made up.

mock_provider "juju" {
  mock_resource "juju_offer" {
    defaults = { url = "admin/istio-system.istio-ingress-config" }
  }
}

variables {
  channel = "1/stable"
  charm_names = {
    control_plane = "a-control-plane"
    beacon        = "a-beacon"
    ingress       = "an-ingress"
  }
  control_plane = { model_uuid = "10000000-0000-4000-8000-000000000000" }
}

run "a_control_plane_alone" {
  command = apply

  assert {
    condition     = keys(output.applications) == ["istio-control-plane"] && length(output.offers) == 0
    error_message = "More than asked for: ${jsonencode([output.applications, output.offers])}"
  }
}

run "each_charm_has_what_its_variable_says" {
  command = apply

  variables {
    control_plane = {
      model_uuid = "10000000-0000-4000-8000-000000000000"
      app_name   = "istio"
      config     = { hardened-mode = true }
      units      = 2
    }
    beacons = {
      shop  = { model_uuid = "20000000-0000-4000-8000-000000000000", revision = 7 }
      front = { model_uuid = "30000000-0000-4000-8000-000000000000", app_name = "beacon", config = { model-on-mesh = true } }
    }
    ingresses = {
      shop = { model_uuid = "20000000-0000-4000-8000-000000000000", resources = { metrics-proxy-image = "registry.example.com/metrics-proxy:1" } }
    }
  }

  assert {
    condition = output.applications == {
      istio-control-plane = { name = "istio", model_uuid = "10000000-0000-4000-8000-000000000000", charm = "a-control-plane" }
      istio-beacon-shop   = { name = "istio-beacon-k8s", model_uuid = "20000000-0000-4000-8000-000000000000", charm = "a-beacon" }
      istio-beacon-front  = { name = "beacon", model_uuid = "30000000-0000-4000-8000-000000000000", charm = "a-beacon" }
      istio-ingress-shop  = { name = "istio-ingress-k8s", model_uuid = "20000000-0000-4000-8000-000000000000", charm = "an-ingress" }
    }
    error_message = jsonencode(output.applications)
  }
  assert {
    condition = (
      output.control_plane.application.config.hardened-mode == "true" && output.control_plane.application.units == 2
      && output.control_plane.application.trust && output.control_plane.application.charm[0].base == "ubuntu@24.04"
    )
    error_message = jsonencode(output.control_plane.application)
  }
  assert {
    condition = (
      output.beacons["shop"].application.charm[0].revision == 7
      && output.beacons["front"].application.config.model-on-mesh == "true"
      && output.ingresses["shop"].application.resources.metrics-proxy-image == "registry.example.com/metrics-proxy:1"
    )
    error_message = jsonencode([output.beacons, output.ingresses])
  }
}

run "login_integrates_the_ingress_with_the_control_plane_through_an_offer" {
  command = apply

  variables {
    ingresses = {
      shop = {
        model_uuid   = "20000000-0000-4000-8000-000000000000"
        certificates = { offer_url = "admin/pki.certificates" }
        forward_auth = { app_name = "oauth2-proxy-k8s" }
      }
      open = { model_uuid = "30000000-0000-4000-8000-000000000000" }
    }
  }

  assert {
    condition = (
      keys(juju_integration.certificates) == ["shop"] && keys(juju_integration.forward_auth) == ["shop"]
      && keys(juju_integration.ingress_config) == ["shop"] && output.offers != {}
    )
    error_message = "The ingress shop has other integrations."
  }
  assert {
    condition = toset([for end in juju_integration.ingress_config["shop"].application : end.offer_url if end.offer_url != null]) == toset(
      ["admin/istio-system.istio-ingress-config"]
    )
    error_message = jsonencode(juju_integration.ingress_config["shop"].application)
  }
  assert {
    condition     = toset([for end in juju_integration.certificates["shop"].application : end.endpoint if end.name == "istio-ingress-k8s"]) == toset(["certificates"])
    error_message = jsonencode(juju_integration.certificates["shop"].application)
  }
}

run "cos_scrapes_offers_and_offers_dashboards_and_tracing" {
  command = apply

  variables {
    beacons   = { shop = { model_uuid = "20000000-0000-4000-8000-000000000000" } }
    ingresses = { shop = { model_uuid = "20000000-0000-4000-8000-000000000000" } }
    cos = {
      prometheus = {
        model_uuid                = "40000000-0000-4000-8000-000000000000"
        app_name                  = "prometheus"
        cross_model_mesh_endpoint = "require-cmr-mesh"
      }
      dashboards_offer_url = "admin/cos.grafana-dashboards"
      tracing_offer_url    = "admin/cos.tracing"
    }
  }

  assert {
    condition = (
      keys(output.offers) == ["istio-beacon-shop", "istio-control-plane", "istio-ingress-shop"]
      && keys(juju_integration.metrics) == keys(output.offers) && keys(juju_integration.dashboards) == keys(output.offers)
      && keys(juju_integration.charm_tracing) == keys(output.offers) && length(juju_integration.workload_tracing) == 1
      && keys(juju_integration.scraper_identity) == ["istio-beacon-shop", "istio-ingress-shop"]
    )
    error_message = "Another set of integrations: ${jsonencode(output.offers)}"
  }
  assert {
    condition = (
      juju_offer.metrics["istio-beacon-shop"].endpoints == toset(["metrics-endpoint", "provide-cmr-mesh"])
      && juju_offer.metrics["istio-control-plane"].endpoints == toset(["metrics-endpoint"])
    )
    error_message = jsonencode(juju_offer.metrics)
  }
  assert {
    condition = (
      alltrue([for one in juju_integration.metrics : one.model_uuid == var.cos.prometheus.model_uuid])
      && juju_integration.dashboards["istio-ingress-shop"].model_uuid == var.ingresses["shop"].model_uuid
    )
    error_message = "An integration is in another model."
  }
}

run "cos_without_prometheus_needs_no_offer" {
  command = apply

  variables {
    cos = { dashboards_offer_url = "admin/cos.grafana-dashboards" }
  }

  assert {
    condition     = length(output.offers) == 0 && length(juju_integration.dashboards) == 1
    error_message = jsonencode(output.offers)
  }
}

run "one_end_is_an_application_or_an_offer" {
  command = plan

  variables {
    control_plane = {
      model_uuid   = "10000000-0000-4000-8000-000000000000"
      jwks_ca_cert = { app_name = "certificates", offer_url = "admin/pki.certificates" }
    }
    ingresses = { shop = { model_uuid = "20000000-0000-4000-8000-000000000000", certificates = {} } }
  }

  expect_failures = [var.control_plane, var.ingresses]
}
