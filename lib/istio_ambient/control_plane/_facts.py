# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Everything that decides what the control plane is."""

import dataclasses
from collections.abc import Mapping

from istio_ambient import kube, manifests
from istio_ambient.control_plane._integrations import Integrations
from istio_ambient.control_plane._options import Options
from istio_ambient.control_plane._surroundings import Surroundings
from istio_ambient.values.problems import Problem


@dataclasses.dataclass(frozen=True)
class Facts:
    """Config, databags and cluster reads of one hook."""

    model: str
    """Our model: the namespace of the control plane, and Istio's root namespace."""
    app: str
    replicas: int
    """How many istiod pods, at least one."""
    pod_labels: Mapping[str, str]
    """For the pods of istiod, istio-cni and ztunnel."""
    options: Options | None
    """None where the configuration is no good: nothing is changed then."""
    problems: tuple[Problem, ...] = ()
    found_platform: manifests.Platform = ""
    """What the nodes say, for `platform` = auto."""
    integrations: Integrations = dataclasses.field(default_factory=Integrations)
    around: Surroundings = dataclasses.field(default_factory=Surroundings)
    """What else is in the cluster."""
    live: kube.Live | None = None
    """Our objects as they are; None: nothing is there yet."""
