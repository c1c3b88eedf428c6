# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

output "application" {
  description = "The application: a juju_application, with name, model_uuid and units."
  value       = juju_application.this
}

output "endpoints" {
  description = "Names of the endpoints, by provides and requires."
  value = {
    provides = {
      grafana_dashboard = "grafana-dashboard"
      metrics_endpoint  = "metrics-endpoint"
      provide_cmr_mesh  = "provide-cmr-mesh"
      service_mesh      = "service-mesh"
    }
    requires = {
      charm_tracing = "charm-tracing"
    }
  }
}
