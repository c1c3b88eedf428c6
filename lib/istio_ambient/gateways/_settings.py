# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What an operator may choose for a gateway's pods and its Service, checked."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

import pydantic

from istio_ambient import manifests
from istio_ambient.values.config import problems_of
from istio_ambient.values.pods import Amounts, Labels, Tolerations, resources_of
from istio_ambient.values.problems import Problem

ServiceType = Literal["LoadBalancer", "NodePort", "ClusterIP"]
TrafficPolicy = Literal["Cluster", "Local"]

SERVICE_TYPE, TRAFFIC_POLICY = "gateway-service-type", "external-traffic-policy"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What istiod is told to make otherwise than it would by itself."""

    pods: manifests.PodSettings = dataclasses.field(default_factory=manifests.PodSettings)
    service_type: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"
    """`Local`: pods see the clients' own addresses, and nodes without one do not answer.

    Of no account where the Service is `ClusterIP`.
    """


def _option(component: str, field: str) -> str:
    return f"{component}-{field.replace('_', '-')}"


class _Pods(pydantic.BaseModel):
    """Fields are named as options are behind their component: `<component>-<field>`."""

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")

    tolerations: Tolerations = None
    node_selector: Labels = pydantic.Field(default_factory=dict[str, str])


class _Waypoint(_Pods):
    model_config = pydantic.ConfigDict(alias_generator=lambda field: _option("waypoint", field))

    resources: Annotated[Amounts, resources_of("waypoint")] = pydantic.Field(
        default_factory=dict[str, Mapping[str, str]]
    )


class _Gateway(_Pods):
    model_config = pydantic.ConfigDict(alias_generator=lambda field: _option("gateway", field))

    resources: Annotated[Amounts, resources_of("gateway")] = pydantic.Field(
        default_factory=dict[str, Mapping[str, str]]
    )
    service_type: ServiceType = "LoadBalancer"
    traffic_policy: TrafficPolicy = pydantic.Field(default="Cluster", alias=TRAFFIC_POLICY)


def parse_settings(
    component: Literal["waypoint", "gateway"], config: Mapping[str, object]
) -> tuple[Settings | None, list[Problem]]:
    """Return the settings, or None and what is wrong with the options.

    Args:
        component: what the options are called after: `waypoint-resources`, `gateway-resources`…
        config: names of options as in `charmcraft.yaml`, and their values.
    """
    model = _Waypoint if component == "waypoint" else _Gateway
    try:
        found = model.model_validate(dict(config))
    except pydantic.ValidationError as error:
        return None, problems_of(error)
    pods = manifests.PodSettings(
        resources=found.resources,
        tolerations=found.tolerations,
        node_selector=found.node_selector,
    )
    if isinstance(found, _Waypoint):
        return Settings(pods), []
    if (found.service_type, found.traffic_policy) == ("ClusterIP", "Local"):
        message = f"'Local' is not for {SERVICE_TYPE}=ClusterIP"
        remedy = f"use Cluster, or {SERVICE_TYPE}=LoadBalancer or NodePort"
        return None, [Problem("", "config", TRAFFIC_POLICY, message, remedy)]
    return Settings(pods, found.service_type, found.traffic_policy), []
