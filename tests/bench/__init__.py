# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a hook costs: `make bench`. Counts are exact; seconds are ratios within one run."""
