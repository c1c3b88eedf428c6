# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options of istio-beacon-k8s, as `ops.CharmBase.load_config` reads them."""

from istio_ambient import gateways
from istio_ambient.beacon._extra_access import UNREADABLE, ExtraAccess, ExtraAccessOption
from istio_ambient.values import pods
from istio_ambient.values.config import Applications, Namespaces
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


class Config(pods.PodsConfig):
    """The options, with the names and defaults of `charmcraft.yaml`."""

    manage_authorization_policies: bool = True
    model_on_mesh: bool = False
    trusted_requesters: Applications = frozenset()
    """Applications of our model that may ask for access to other applications of it."""
    route_namespaces: Namespaces = frozenset()
    """Namespaces whose Services may use the waypoint, besides those that relations name."""
    ingress_use_waypoint: bool = False
    """Whether requests of ingress gateways pass the waypoint."""
    extra_access: ExtraAccessOption = ExtraAccess()
    """Access for clients that are no application of the model."""
    waypoint_resources: pods.ResourcesOption = pods.NO_RESOURCES
    waypoint_tolerations: pods.Tolerations = None
    waypoint_node_selector: pods.NodeSelector = pods.NO_LABELS

    @property
    def waypoint(self) -> gateways.Settings | None:
        """The settings of the waypoint; None: an option is invalid, and the waypoint is held."""
        if self.invalid & pods.options("waypoint"):
            return None
        return gateways.Settings(self.pods("waypoint"))

    @property
    def extra(self) -> ExtraAccess:
        """The option `extra-access`; whatever makes it invalid, it then opens nothing."""
        return UNREADABLE if "extra-access" in self.invalid else self.extra_access

    @property
    def extra_problems(self) -> list[Problem]:
        """The problems of entries of `extra-access`."""
        return [each for each in self.problems if each.code is Code.INVALID_EXTRA_ACCESS]
