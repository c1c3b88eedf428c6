# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of the charms: one module a charm; `_reading` is for actions that only read."""
