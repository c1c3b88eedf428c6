# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of the charms: one module a charm; `_reading` is shared by actions that only read."""
