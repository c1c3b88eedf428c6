# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# The parts offer, and the applications of COS are integrated in their own model. A scraper of another model is allowed by a
# policy only if both of its integrations come from one offer.
resource "juju_offer" "observability" {
  for_each         = var.cos == null ? {} : local.parts
  name             = each.key
  model_uuid       = each.value.application.model_uuid
  application_name = each.value.application.name
  endpoints = compact([
    each.value.endpoints.provides.grafana_dashboard,
    each.value.endpoints.provides.metrics_endpoint,
    try(each.value.endpoints.provides.provide_cmr_mesh, ""),
  ])
}

resource "juju_integration" "metrics" {
  for_each   = try(var.cos.prometheus, null) == null ? {} : local.parts
  model_uuid = var.cos.model_uuid

  application {
    name     = var.cos.prometheus.app_name
    endpoint = var.cos.prometheus.metrics_endpoint
  }

  application {
    offer_url = juju_offer.observability[each.key].url
    endpoint  = each.value.endpoints.provides.metrics_endpoint
  }
}

resource "juju_integration" "scraper_identity" {
  for_each = try(var.cos.prometheus.cross_model_mesh_endpoint, null) == null ? {} : {
    for key, part in local.parts : key => try(part.endpoints.provides.provide_cmr_mesh, "")
    if can(part.endpoints.provides.provide_cmr_mesh)
  }
  model_uuid = var.cos.model_uuid

  application {
    name     = var.cos.prometheus.app_name
    endpoint = var.cos.prometheus.cross_model_mesh_endpoint
  }

  application {
    offer_url = juju_offer.observability[each.key].url
    endpoint  = each.value
  }
}

resource "juju_integration" "dashboards" {
  for_each   = try(var.cos.grafana, null) == null ? {} : local.parts
  model_uuid = var.cos.model_uuid

  application {
    name     = var.cos.grafana.app_name
    endpoint = var.cos.grafana.dashboard_endpoint
  }

  application {
    offer_url = juju_offer.observability[each.key].url
    endpoint  = each.value.endpoints.provides.grafana_dashboard
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
