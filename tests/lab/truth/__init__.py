# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Compares the verdicts of the evaluator with those of real proxies: `make truth N=10000`.

`tests.authorization_cases` generates policies and requests, `_batches` binds them to targets,
`_bed` is the mesh under test, `_trial` sends the requests and compares, and `_minimal` reduces a
disagreement to its smallest case.
"""
