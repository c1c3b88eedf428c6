# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Istio ambient mesh for Juju charms: render, apply and explain.

A charm's hook gathers facts (`interfaces`, `integrations`, `cluster`). Pure builders make desired
objects of them (`control_plane`, `beacon`, `ingress`, with `manifests`, `gateways` and
`authorization`). One engine (`kube`) makes the cluster equal to these objects. `charm` runs all
of that, and `actions` are those of `juju run`. docs/explanation/architecture.md describes every
package, and the layers that `lint-imports` checks.
"""

import atexit
import gc

# A hook is a short process, and most of what it makes lives until its end. With Python's default
# of 700 objects, a tenth of its time goes to looking for garbage among imported modules, and at
# its end it looks there once more: a quarter of what a process takes that only imports.
gc.set_threshold(100_000)
atexit.register(gc.freeze)
