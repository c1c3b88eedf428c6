# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The fixtures of these tests."""

from tests.browser import browser as browser
