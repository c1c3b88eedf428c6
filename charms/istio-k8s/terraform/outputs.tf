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
      istio_metadata    = "istio-metadata"
      metrics_endpoint  = "metrics-endpoint"
    }
    requires = {
      charm_tracing        = "charm-tracing"
      istio_ingress_config = "istio-ingress-config"
      jwks_ca_cert         = "jwks-ca-cert"
      workload_tracing     = "workload-tracing"
    }
  }
}
