# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether the evaluator says what real proxies do: `make truth N=10000`.

`_cases` makes policies and requests up, `_bed` is the mesh that they are tried in, `_trial` sends
the requests and compares, `_minimal` makes a disagreement small enough to be understood.
"""
