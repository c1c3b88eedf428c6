# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One validator for each concept in data from outside: names, URLs, labels, X.509, options.

Plain values in, plain values or a `Problem` out: no Juju, no API server, no Istio objects. The
modules are imported one by one.
"""
