# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Settings of all unit tests."""

import hypothesis

# How long one example takes depends on what else the machine does.
hypothesis.settings.register_profile("unit", deadline=None)
hypothesis.settings.load_profile("unit")
