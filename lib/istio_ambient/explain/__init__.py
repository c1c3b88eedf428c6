# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is said of access: explanations, lists, pictures, previews. Pure.

Every verdict comes from `authorization.evaluator`; nothing here decides or writes.
"""
