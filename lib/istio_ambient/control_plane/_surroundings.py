# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is in the cluster beside us, as far as a control plane depends on it."""

import dataclasses
from collections.abc import Mapping

from istio_ambient import kube


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """Facts that the preflight judges; read on every hook."""

    kubernetes: tuple[int, int] | None = None
    """Version of the API server; None: it cannot be told."""
    cilium: Mapping[str, str] | None = None
    """Data of ConfigMap kube-system/cilium-config; None: Cilium is not here."""
    other_istios: tuple[str, ...] = ()
    """What shows that another Istio is at work, as `Deployment istio-old/istiod`."""
    crds: Mapping[str, kube.Manifest] = dataclasses.field(default_factory=dict[str, kube.Manifest])
    """Custom resource definitions of names that we want, and that are not ours, by name."""
