# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reads from the API server: a bounded number of requests a module, into facts for builders."""
