# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reports about the ingress: lists of routes, acceptance by istiod, traces of requests. Pure.

The modules are imported one by one.
"""
