# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Istio ambient mesh for Juju charms: render, apply and explain.

Packages, from the inside out; each may import from those before it, never the other way:

- ``problems``, ``resources``: a fault in foreign data as a value; the custom resource types
- ``kube``: the engine; knows Kubernetes, no Istio
- ``manifests``, ``mesh``, ``ingress``, ``control_plane``: pure builders of desired objects
- ``relations``: what is in databags; knows no Kubernetes
- ``charm``, ``status``, ``observability``: the shell that runs all this in hooks
"""
