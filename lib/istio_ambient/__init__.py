# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Istio ambient mesh for Juju charms: render, apply and explain.

A charm's hook gathers facts (``relations``, ``integrations``, ``cluster``), pure builders make
desired objects of them (``manifests``, ``gateways``, ``mesh``, ``ingress``, ``control_plane``),
and one engine (``kube``) makes the cluster equal to these; ``charm`` runs all that, ``actions``
answer what ``juju run`` asks. docs/explanation/architecture.md has every package, and who may
import whom.
"""
