# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reads from the API server: one module a concern, a bounded number of requests, into facts.

`signing_keys` also reads from the servers of token issuers, with `checked_http`.

No Juju, and no decisions: those are made by the builders that get the facts.
"""
