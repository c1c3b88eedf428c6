# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What we render against what the pinned `istioctl manifest generate` renders, field by field.

Show what differs in one configuration, in colour:

    python -m tests.fidelity show platform=openshift replicas=3
"""
