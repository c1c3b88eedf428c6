# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What users do with the charms, written once: the same steps run in the lab and on a real Juju.

`backend` is what the steps need of either, `catalog` lists the scenarios.
"""
