# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

variable "app_name" {
  description = "Name of the application in the model."
  type        = string
  default     = "istio-k8s"
}

variable "base" {
  description = "Base that the charm runs on."
  type        = string
  default     = "ubuntu@24.04"
}

variable "channel" {
  description = "Channel of the charm on Charmhub, such as 1/stable."
  type        = string
}

# Without a default, since the name istio-k8s on Charmhub belongs to the charm of another publisher.
variable "charm_name" {
  description = "Name under which this charm is published on Charmhub."
  type        = string
}

variable "config" {
  description = "Options of the charm by name; all are in charmcraft.yaml."
  type        = map(string)
  default     = {}
}

variable "constraints" {
  description = "Juju's constraints of the application, separated by spaces; null: those of the model."
  type        = string
  default     = null
}

variable "model_uuid" {
  description = "UUID of the Kubernetes model that the application is deployed into."
  type        = string
}

variable "resources" {
  description = "Images by name of the resource: a reference, or a revision on Charmhub. Empty: those of the channel."
  type        = map(string)
  default     = {}
}

variable "revision" {
  description = "Revision of the charm on Charmhub; null: the newest of the channel."
  type        = number
  default     = null
}

variable "trust" {
  description = "Whether the charm may change the cluster. Without it, the charm is blocked."
  type        = bool
  default     = true
}

variable "units" {
  description = "Number of units."
  type        = number
  default     = 1
}
