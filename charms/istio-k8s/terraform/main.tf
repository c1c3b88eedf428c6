# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

resource "juju_application" "this" {
  name        = var.app_name
  model_uuid  = var.model_uuid
  config      = var.config
  constraints = var.constraints
  resources   = var.resources
  trust       = var.trust
  units       = var.units

  charm {
    name     = var.charm_name
    base     = var.base
    channel  = var.channel
    revision = var.revision
  }
}
