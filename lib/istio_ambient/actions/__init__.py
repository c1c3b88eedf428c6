# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What `juju run` answers: one module a charm, and in `_reading` what actions that read share."""
