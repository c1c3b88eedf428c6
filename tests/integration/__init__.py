# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The scenarios on a real Juju: `make pack integration`."""
