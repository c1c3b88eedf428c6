# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is said of the ingress: routes served or not, and what a request from outside meets. Pure.

The modules are imported one by one.
"""
