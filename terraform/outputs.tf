# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

output "applications" {
  description = "All applications of the mesh: name, model_uuid and charm of each, by istio-control-plane, istio-beacon-<name> and istio-ingress-<name>."
  value = {
    for key, part in local.parts : key => {
      name       = part.application.name
      model_uuid = part.application.model_uuid
      charm      = part.application.charm[0].name
    }
  }
}

output "beacons" {
  description = "The modules of the beacons, by the names in the variable beacons: application and endpoints of each."
  value       = module.beacon
}

output "control_plane" {
  description = "The module of the control plane: application and endpoints."
  value       = module.control_plane
}

output "ingresses" {
  description = "The modules of the ingress gateways, by the names in the variable ingresses: application and endpoints of each."
  value       = module.ingress
}

output "offers" {
  description = "URLs of the offers that the module made, by name."
  value = merge(
    { for key, offer in juju_offer.metrics : key => offer.url },
    { for offer in juju_offer.ingress_config : "istio-ingress-config" => offer.url },
  )
}
