# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# Metrics. The charms are offered, and the scraper is integrated in its own model. A policy allows a scraper of another model
# only if both of its integrations come from one offer.
locals {
  scraped = try(var.cos.prometheus, null) == null ? {} : local.parts
  identified = try(var.cos.prometheus.cross_model_mesh_endpoint, null) == null ? {} : {
    for key, part in local.parts : key => try(part.endpoints.provides.provide_cmr_mesh, "")
    if can(part.endpoints.provides.provide_cmr_mesh)
  }
}

resource "juju_offer" "metrics" {
  for_each         = local.scraped
  name             = each.key
  model_uuid       = each.value.application.model_uuid
  application_name = each.value.application.name
  endpoints = compact([
    each.value.endpoints.provides.metrics_endpoint,
    try(each.value.endpoints.provides.provide_cmr_mesh, ""),
  ])
}

resource "juju_integration" "metrics" {
  for_each   = local.scraped
  model_uuid = var.cos.prometheus.model_uuid

  application {
    name     = var.cos.prometheus.app_name
    endpoint = var.cos.prometheus.metrics_endpoint
  }

  application {
    offer_url = juju_offer.metrics[each.key].url
    endpoint  = each.value.endpoints.provides.metrics_endpoint
  }
}

resource "juju_integration" "scraper_identity" {
  for_each   = local.identified
  model_uuid = var.cos.prometheus.model_uuid

  application {
    name     = var.cos.prometheus.app_name
    endpoint = var.cos.prometheus.cross_model_mesh_endpoint
  }

  application {
    offer_url = juju_offer.metrics[each.key].url
    endpoint  = each.value
  }
}

# Dashboards and traces go to offers of COS.
resource "juju_integration" "dashboards" {
  for_each   = try(var.cos.dashboards_offer_url, null) == null ? {} : local.parts
  model_uuid = each.value.application.model_uuid

  application {
    name     = each.value.application.name
    endpoint = each.value.endpoints.provides.grafana_dashboard
  }

  application {
    offer_url = var.cos.dashboards_offer_url
  }
}

resource "juju_integration" "charm_tracing" {
  for_each   = try(var.cos.tracing_offer_url, null) == null ? {} : local.parts
  model_uuid = each.value.application.model_uuid

  application {
    name     = each.value.application.name
    endpoint = each.value.endpoints.requires.charm_tracing
  }

  application {
    offer_url = var.cos.tracing_offer_url
  }
}

resource "juju_integration" "workload_tracing" {
  count      = try(var.cos.tracing_offer_url, null) == null ? 0 : 1
  model_uuid = var.control_plane.model_uuid

  application {
    name     = module.control_plane.application.name
    endpoint = module.control_plane.endpoints.requires.workload_tracing
  }

  application {
    offer_url = var.cos.tracing_offer_url
  }
}
