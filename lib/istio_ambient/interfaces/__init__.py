# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is in databags: one module an interface, plain mappings in and out, no Juju, no cluster.

Reading never raises for what another application wrote: it returns what is good and a list of
problems. `_json`, `_fields` and `_validation` are what the interfaces share.
"""
