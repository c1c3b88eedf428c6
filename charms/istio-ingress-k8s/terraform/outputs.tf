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
      gateway_metadata                    = "gateway-metadata"
      grafana_dashboard                   = "grafana-dashboard"
      ingress                             = "ingress"
      ingress_unauthenticated             = "ingress-unauthenticated"
      istio_ingress_config                = "istio-ingress-config"
      istio_ingress_route                 = "istio-ingress-route"
      istio_ingress_route_unauthenticated = "istio-ingress-route-unauthenticated"
      istio_request_auth                  = "istio-request-auth"
      metrics_endpoint                    = "metrics-endpoint"
      provide_cmr_mesh                    = "provide-cmr-mesh"
    }
    requires = {
      certificates     = "certificates"
      charm_tracing    = "charm-tracing"
      forward_auth     = "forward-auth"
      upstream_ingress = "upstream-ingress"
    }
  }
}
