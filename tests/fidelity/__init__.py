# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Compares our manifests with those of the pinned `istioctl manifest generate`, field by field.

This shows the differences of one configuration, in colour:

    python -m tests.fidelity show platform=openshift replicas=3
"""
