# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of `juju run`: one module a charm; `_reading` has what reading actions share.

Parameters, results and failures stand here. Their content comes from pure functions: `explain`,
`ingress.reports`, and previews of a plan.
"""
