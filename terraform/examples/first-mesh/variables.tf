# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

variable "channel" {
  description = "Channel of the charms on Charmhub."
  type        = string
}

variable "charm_names" {
  description = "Names under which the charms are published on Charmhub."
  type = object({
    control_plane = string
    beacon        = string
    ingress       = string
    bookshop      = string
  })
}

variable "cloud" {
  description = "Name of the Kubernetes cloud, as juju clouds shows it."
  type        = string
}
