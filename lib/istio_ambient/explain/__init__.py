# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Reports about access: explanations, lists, diagrams, previews. Pure.

Every verdict comes from `authorization.evaluator`; nothing here decides or writes.
"""
