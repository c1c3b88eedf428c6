# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

variable "base" {
  description = "Base that the charms run on."
  type        = string
  default     = "ubuntu@24.04"
}

variable "beacons" {
  description = <<-EOT
    A beacon for each model whose applications join the mesh, by a name of your choice, such as the model's.
    The name becomes a part of the names of offers.
  EOT
  type = map(object({
    model_uuid  = string
    app_name    = optional(string, "istio-beacon-k8s")
    config      = optional(map(string), {})
    constraints = optional(string)
    resources   = optional(map(string), {})
    revision    = optional(number)
    units       = optional(number, 1)
  }))
  default = {}
}

variable "channel" {
  description = "Channel of the three charms on Charmhub, such as 1/stable."
  type        = string
}

# Without a default, since the names istio-k8s, istio-beacon-k8s and istio-ingress-k8s on Charmhub belong to the charms of
# another publisher.
variable "charm_names" {
  description = "Names under which the three charms are published on Charmhub."
  type = object({
    control_plane = string
    beacon        = string
    ingress       = string
  })
}

variable "control_plane" {
  description = <<-EOT
    The control plane, once for a cluster, in a model of its own.
    jwks_ca_cert: who provides certificate_transfer, an application of this model or an offer of another; for servers
    that publish the keys of tokens and have a certificate of a private authority.
  EOT
  type = object({
    model_uuid  = string
    app_name    = optional(string, "istio-k8s")
    config      = optional(map(string), {})
    constraints = optional(string)
    resources   = optional(map(string), {})
    revision    = optional(number)
    units       = optional(number, 1)
    jwks_ca_cert = optional(object({
      app_name  = optional(string)
      offer_url = optional(string)
      endpoint  = optional(string)
    }))
  })

  validation {
    condition = var.control_plane.jwks_ca_cert == null || (
      try(var.control_plane.jwks_ca_cert.app_name, null) == null) != (
      try(var.control_plane.jwks_ca_cert.offer_url, null) == null
    )
    error_message = "Of jwks_ca_cert, set either app_name (an application of the same model) or offer_url."
  }
}

variable "cos" {
  description = <<-EOT
    The Canonical Observability Stack, or a part of it.
    prometheus: the application that scrapes metrics, and its model. cross_model_mesh_endpoint is its endpoint with the
    interface cross_model_mesh, if it has one: by its identity, beacons and ingresses let the scraper in.
    dashboards_offer_url: an offer with the interface grafana_dashboard.
    tracing_offer_url: an offer with the interface tracing, for the traces of charms and of requests.
  EOT
  type = object({
    prometheus = optional(object({
      model_uuid                = string
      app_name                  = string
      metrics_endpoint          = optional(string, "metrics-endpoint")
      cross_model_mesh_endpoint = optional(string)
    }))
    dashboards_offer_url = optional(string)
    tracing_offer_url    = optional(string)
  })
  default = null
}

variable "ingresses" {
  description = <<-EOT
    An ingress gateway for each model that clients outside the cluster use, by a name of your choice, such as the
    model's. The name becomes a part of the names of offers.
    certificates: who provides tls-certificates, an application of the same model or an offer of another; applications
    are then served over HTTPS only.
    forward_auth: who provides forward_auth, likewise; every request then requires a login.
  EOT
  type = map(object({
    model_uuid  = string
    app_name    = optional(string, "istio-ingress-k8s")
    config      = optional(map(string), {})
    constraints = optional(string)
    resources   = optional(map(string), {})
    revision    = optional(number)
    units       = optional(number, 1)
    certificates = optional(object({
      app_name  = optional(string)
      offer_url = optional(string)
      endpoint  = optional(string)
    }))
    forward_auth = optional(object({
      app_name  = optional(string)
      offer_url = optional(string)
      endpoint  = optional(string)
    }))
  }))
  default = {}

  validation {
    condition = alltrue(flatten([
      for ingress in var.ingresses : [
        for other in [ingress.certificates, ingress.forward_auth] :
        (other.app_name == null) != (other.offer_url == null) if other != null
      ]
    ]))
    error_message = "Of certificates and of forward_auth, set either app_name (an application of the same model) or offer_url."
  }
}
