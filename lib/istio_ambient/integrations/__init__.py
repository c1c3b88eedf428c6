# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What relations and secrets mean to a charm: between databags and what is decided of them.

`relations` knows how interfaces are written; `mesh`, `ingress` and `control_plane` decide what
follows. The modules here turn the one into the other, and say who asks, as Juju vouches for it.
"""
