# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether the evaluator says what real proxies do: `make truth N=10000`.

`tests.authorization_cases` makes policies and requests up, `_batches` binds them to targets,
`_bed` is the mesh that they are tried in, `_trial` sends the requests and compares, and
`_minimal` makes a disagreement small enough to be understood.
"""
