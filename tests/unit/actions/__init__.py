# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
