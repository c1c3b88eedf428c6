# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The facts from which the desired objects of the control plane follow."""

from collections.abc import Mapping

import msgspec

from istio_ambient import kube, preflight
from istio_ambient.control_plane._config import Config
from istio_ambient.control_plane._integrations import Integrations
from istio_ambient.control_plane._overlay import RefusedOverlay, overlay_digest
from istio_ambient.control_plane._site_ca import SiteCA
from istio_ambient.preflight import Surroundings
from istio_ambient.values.problems import Problem


class Facts(msgspec.Struct, frozen=True):
    """Configuration, databags and cluster reads of one hook."""

    model: str
    """Our model: the namespace of the control plane, and Istio's root namespace."""
    app: str
    replicas: int = 1
    """Number of istiod pods, at least one."""
    pod_labels: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """For the pods of istiod, istio-cni and ztunnel."""
    config: Config = msgspec.field(default_factory=Config)
    site_ca: SiteCA = msgspec.field(default_factory=SiteCA)
    """From the secret of option `ca-secret`."""
    integrations: Integrations = msgspec.field(default_factory=Integrations)
    around: Surroundings = msgspec.field(default_factory=Surroundings)
    """Other parts of the cluster."""
    live: kube.Live | None = None
    """Our objects in the cluster; None: there are none yet."""
    refused: RefusedOverlay | None = None
    """The overlay of `mesh-config` that was refused last; None: none was."""
    taken: str = ""
    """Digest of the overlay that istiods took last; empty: they took none."""

    @property
    def left_out(self) -> RefusedOverlay | None:
        """The refused overlay, where `mesh-config` is still the same; None: it is used."""
        same = self.refused and self.refused.digest == overlay_digest(self.config.mesh_config)
        return self.refused if same else None

    @property
    def has_new_overlay(self) -> bool:
        """Whether `mesh-config` is used, and istiods have not taken it before."""
        overlay = overlay_digest(self.config.mesh_config)
        return overlay not in ("", self.taken) and self.left_out is None

    @property
    def cluster(self) -> preflight.Cluster:
        """What the preflight's conditions are about, without what hooks do not read."""
        return preflight.Cluster(self.around, self.config, self.model, self.app)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Problems of options, of the secret, and of databags, in this order."""
        left_out = () if self.left_out is None else (self.left_out.problem,)
        secret = () if self.site_ca.problem is None else (self.site_ca.problem,)
        return (*self.config.problems, *left_out, *secret, *self.integrations.problems)
