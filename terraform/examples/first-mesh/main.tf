# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# What the tutorial docs/tutorial/first-mesh.md deploys: the mesh, and the bookshop on it.

provider "juju" {}

resource "juju_model" "istio_system" {
  name = "istio-system"

  cloud {
    name = var.cloud
  }
}

resource "juju_model" "shop" {
  name = "shop"

  cloud {
    name = var.cloud
  }
}

module "mesh" {
  source = "../.."

  channel     = var.channel
  charm_names = var.charm_names

  control_plane = {
    model_uuid = juju_model.istio_system.uuid
    config     = { hardened-mode = true }
  }
  beacons = {
    shop = { model_uuid = juju_model.shop.uuid }
  }
  ingresses = {
    shop = { model_uuid = juju_model.shop.uuid }
  }
}

locals {
  # Whom each application of the bookshop calls.
  backends = {
    productpage = ["details", "reviews"]
    details     = []
    reviews     = ["ratings"]
    ratings     = []
  }
  calls = merge([
    for caller, called in local.backends : { for name in called : "${caller}-${name}" => { caller = caller, called = name } }
  ]...)
}

resource "juju_application" "bookshop" {
  for_each   = local.backends
  name       = each.key
  model_uuid = juju_model.shop.uuid
  config     = { role = each.key }
  trust      = true

  charm {
    name    = var.charm_names.bookshop
    channel = var.channel
  }
}

resource "juju_integration" "calls" {
  for_each   = local.calls
  model_uuid = juju_model.shop.uuid

  application {
    name     = juju_application.bookshop[each.value.caller].name
    endpoint = "backends"
  }

  application {
    name     = juju_application.bookshop[each.value.called].name
    endpoint = "api"
  }
}

resource "juju_integration" "service_mesh" {
  for_each   = local.backends
  model_uuid = juju_model.shop.uuid

  application {
    name     = module.mesh.beacons["shop"].application.name
    endpoint = module.mesh.beacons["shop"].endpoints.provides.service_mesh
  }

  application {
    name     = juju_application.bookshop[each.key].name
    endpoint = "service-mesh"
  }
}

resource "juju_integration" "ingress" {
  model_uuid = juju_model.shop.uuid

  application {
    name     = module.mesh.ingresses["shop"].application.name
    endpoint = module.mesh.ingresses["shop"].endpoints.provides.ingress
  }

  application {
    name     = juju_application.bookshop["productpage"].name
    endpoint = "ingress"
  }
}
