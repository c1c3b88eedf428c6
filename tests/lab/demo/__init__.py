# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""`make demo`: deploys the suite and a bookshop on a real control plane, and sends requests."""
