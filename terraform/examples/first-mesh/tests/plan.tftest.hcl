# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

# terraform init && terraform test: no Juju is needed, since the provider's answers are made up.

mock_provider "juju" {}

variables {
  channel = "1/stable"
  cloud   = "microk8s"
  charm_names = {
    control_plane = "a-control-plane"
    beacon        = "a-beacon"
    ingress       = "an-ingress"
    bookshop      = "a-bookshop"
  }
}

run "the_applications_of_the_tutorial" {
  command = plan

  assert {
    condition     = tolist(output.applications.istio-system) == tolist(["istio-k8s"])
    error_message = "The model istio-system has ${jsonencode(output.applications.istio-system)}."
  }
  assert {
    condition = tolist(output.applications.shop) == tolist(
      ["details", "istio-beacon-k8s", "istio-ingress-k8s", "productpage", "ratings", "reviews"]
    )
    error_message = "The model shop has ${jsonencode(output.applications.shop)}."
  }
}
