# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

module "control_plane" {
  source = "../charms/istio-k8s/terraform"

  app_name    = var.control_plane.app_name
  base        = var.base
  channel     = var.channel
  charm_name  = var.charm_names.control_plane
  config      = var.control_plane.config
  constraints = var.control_plane.constraints
  model_uuid  = var.control_plane.model_uuid
  resources   = var.control_plane.resources
  revision    = var.control_plane.revision
  units       = var.control_plane.units
}

module "beacon" {
  source   = "../charms/istio-beacon-k8s/terraform"
  for_each = var.beacons

  app_name    = each.value.app_name
  base        = var.base
  channel     = var.channel
  charm_name  = var.charm_names.beacon
  config      = each.value.config
  constraints = each.value.constraints
  model_uuid  = each.value.model_uuid
  resources   = each.value.resources
  revision    = each.value.revision
  units       = each.value.units
}

module "ingress" {
  source   = "../charms/istio-ingress-k8s/terraform"
  for_each = var.ingresses

  app_name    = each.value.app_name
  base        = var.base
  channel     = var.channel
  charm_name  = var.charm_names.ingress
  config      = each.value.config
  constraints = each.value.constraints
  model_uuid  = each.value.model_uuid
  resources   = each.value.resources
  revision    = each.value.revision
  units       = each.value.units
}

# The parts by a name that is unique among all models, as the offers are called.
locals {
  parts = merge(
    { "istio-control-plane" = module.control_plane },
    { for key, beacon in module.beacon : "istio-beacon-${key}" => beacon },
    { for key, ingress in module.ingress : "istio-ingress-${key}" => ingress },
  )
}
