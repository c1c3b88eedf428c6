# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

output "applications" {
  description = "Names of all applications, by model."
  value = {
    istio-system = [module.mesh.control_plane.application.name]
    shop = sort(concat(
      [for part in concat(values(module.mesh.beacons), values(module.mesh.ingresses)) : part.application.name],
      [for application in juju_application.bookshop : application.name],
    ))
  }
}
