# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What of the scenarios and of their backend on a real Juju can be shown without a Juju."""
