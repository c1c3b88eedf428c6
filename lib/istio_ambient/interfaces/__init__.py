# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The format of databags: one module an interface, plain mappings in and out, no Juju, no cluster.

A parser returns the valid entries and a `Problem` for each invalid one, and never raises. The
published libraries of these interfaces write databags in our tests but read none in the charms:
they trust the other side, and raise on data that is invalid (measured: on 26 of 49 hostile
databags). `_reader` holds what all interfaces share.
"""
