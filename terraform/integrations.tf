# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# Certificates of gateways.
resource "juju_integration" "certificates" {
  for_each   = { for key, ingress in var.ingresses : key => ingress.certificates if ingress.certificates != null }
  model_uuid = var.ingresses[each.key].model_uuid

  application {
    name     = module.ingress[each.key].application.name
    endpoint = module.ingress[each.key].endpoints.requires.certificates
  }

  application {
    name      = each.value.app_name
    offer_url = each.value.offer_url
    endpoint  = each.value.endpoint
  }
}

# Certificate authorities of the servers that publish the keys of tokens.
resource "juju_integration" "jwks_ca_cert" {
  count      = var.control_plane.jwks_ca_cert == null ? 0 : 1
  model_uuid = var.control_plane.model_uuid

  application {
    name     = module.control_plane.application.name
    endpoint = module.control_plane.endpoints.requires.jwks_ca_cert
  }

  application {
    name      = var.control_plane.jwks_ca_cert.app_name
    offer_url = var.control_plane.jwks_ca_cert.offer_url
    endpoint  = var.control_plane.jwks_ca_cert.endpoint
  }
}

# Login. The gateway serves nothing until both integrations of this part are made.
locals {
  with_login = { for key, ingress in var.ingresses : key => ingress.forward_auth if ingress.forward_auth != null }
}

resource "juju_integration" "forward_auth" {
  for_each   = local.with_login
  model_uuid = var.ingresses[each.key].model_uuid

  application {
    name     = module.ingress[each.key].application.name
    endpoint = module.ingress[each.key].endpoints.requires.forward_auth
  }

  application {
    name      = each.value.app_name
    offer_url = each.value.offer_url
    endpoint  = each.value.endpoint
  }
}

resource "juju_offer" "ingress_config" {
  count            = length(local.with_login) == 0 ? 0 : 1
  name             = "istio-ingress-config"
  model_uuid       = var.control_plane.model_uuid
  application_name = module.control_plane.application.name
  endpoints        = [module.control_plane.endpoints.requires.istio_ingress_config]
}

resource "juju_integration" "ingress_config" {
  for_each   = local.with_login
  model_uuid = var.ingresses[each.key].model_uuid

  application {
    name     = module.ingress[each.key].application.name
    endpoint = module.ingress[each.key].endpoints.provides.istio_ingress_config
  }

  application {
    offer_url = juju_offer.ingress_config[0].url
    endpoint  = module.control_plane.endpoints.requires.istio_ingress_config
  }
}
