# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What Sphinx needs to make a site of pages that are written for GitHub too."""
