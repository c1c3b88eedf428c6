# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""One validator for each concept in data from outside: names, URLs, labels, X.509, options.

A validator returns the value or raises `problems.InvalidValueError`; `validation` turns that into
problems. No Juju, no API server, no Istio objects, no databags (those are in `interfaces`).
"""
