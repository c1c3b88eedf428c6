# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Resources, tolerations and node selectors: options in Kubernetes' own YAML, as models.

Field names and checks are those of Kubernetes' API reference, ResourceRequirements and Toleration:
what the API server would refuse is refused here, with the option and the field in the message.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import pydantic

from istio_ambient.values import labels
from istio_ambient.values.config import CharmConfig
from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown
from istio_ambient.values.yaml_text import mapping, sequence

# Kubernetes' API reference, Quantity: a number with a suffix or an exponent.
_QUANTITY = (
    r"(\+?(?:[0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}))"
    r"(?:([numkMGTPE]|[KMGTPE]i)?|[eE]([+-]?[0-9]{1,2}))"
)
_DECIMAL_SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_MULTIPLIERS = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate(_DECIMAL_SUFFIXES, -3)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}
_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_MAX_SECONDS = 2**63 - 1


def _quantity(value: object) -> str:
    is_plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    if not (is_plain and re.fullmatch(_QUANTITY, str(value))):
        remedy = "use a quantity, such as 500m or 2Gi"
        raise InvalidValueError(f"{shown(value)} is no quantity", remedy)
    return str(value)


def _resource_name(value: str) -> str:
    is_plain = value in _PLAIN_RESOURCES or value.startswith("hugepages-")
    if not is_plain and not ("/" in value and labels.is_label_key(value)):
        known = ", ".join(_PLAIN_RESOURCES)
        raise InvalidValueError("no such resource", f"use {known}, or <domain>/<name>")
    return value


def _label_key(value: object) -> str:
    if not labels.is_label_key(value):
        raise InvalidValueError(f"{shown(value)} is no key of a label", "use [prefix/]name")
    return cast(str, value)


def _label_value(value: object) -> str:
    if not labels.is_label_value(value):
        raise InvalidValueError(f"{shown(value)} is no value of a label", "quote it")
    return cast(str, value)


def _taint_key(value: object) -> str:
    return "" if value == "" else _label_key(value)


def _check_mapping(value: object) -> object:
    if not isinstance(value, dict):
        raise InvalidValueError(f"{shown(value)} is not a mapping", "write `cpu: 500m`")
    return cast(object, value)


def _check_whole(amounts: dict[str, str]) -> dict[str, str]:
    for name, amount in amounts.items():
        number = _amount(amount)
        if "/" in name and number != number.to_integral_value():
            raise InvalidValueError(f"{shown(amount)} is not whole", "use a whole number", name)
    return amounts


def _amount(text: str) -> Decimal:
    """Return the number that a valid quantity stands for."""
    number, suffix, exponent = cast(re.Match[str], re.fullmatch(_QUANTITY, text)).groups()
    multiplier = Decimal(10) ** int(exponent) if exponent else _MULTIPLIERS[suffix or ""]
    return Decimal(number) * multiplier


_Amounts = Annotated[
    dict[
        Annotated[str, pydantic.AfterValidator(_resource_name)],
        Annotated[str, pydantic.BeforeValidator(_quantity)],
    ],
    pydantic.BeforeValidator(_check_mapping),
    pydantic.AfterValidator(_check_whole),
]
_LabelKey = Annotated[str, pydantic.BeforeValidator(_label_key)]
_LabelValue = Annotated[str, pydantic.BeforeValidator(_label_value)]


class _Fields(pydantic.BaseModel):
    """An object of Kubernetes' API of which every field is known."""

    model_config = pydantic.ConfigDict(frozen=True, defer_build=True)

    EXAMPLE: ClassVar[str]

    @pydantic.model_validator(mode="before")
    @classmethod
    def _check_fields(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise InvalidValueError(f"{shown(value)} is not a mapping", f"write `{cls.EXAMPLE}`")
        *others, last = cls.model_fields
        for field in cast(dict[str, object], value):
            if field not in cls.model_fields:
                remedy = f"use {', '.join(others)} and {last}"
                raise InvalidValueError("no such field", remedy, field)
        return cast(dict[str, object], value)

    @property
    def manifest(self) -> dict[str, Any]:
        """The fields that were given, as they stand in a manifest."""
        return self.model_dump(exclude_unset=True)


class Resources(_Fields):
    """Requests and limits of a container: resource → quantity, as text."""

    EXAMPLE = "requests: {cpu: 500m}"

    requests: _Amounts = pydantic.Field(default_factory=dict[str, str])
    limits: _Amounts = pydantic.Field(default_factory=dict[str, str])

    def merged_into(self, default: "Resources") -> "Resources":
        """Return other resources with these in place of theirs; empty members are left out."""
        both = {
            "requests": {**default.requests, **self.requests},
            "limits": {**default.limits, **self.limits},
        }
        return Resources(**{kind: amounts for kind, amounts in both.items() if amounts})


class Toleration(_Fields):
    """A taint that a pod may be scheduled in spite of."""

    EXAMPLE = "key: …"

    key: Annotated[str, pydantic.BeforeValidator(_taint_key)] = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: _LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = pydantic.Field(  # noqa: N815 - Kubernetes' name
        default=None, strict=True, ge=-_MAX_SECONDS, le=_MAX_SECONDS
    )

    @pydantic.model_validator(mode="after")
    def _check_together(self) -> Self:
        if not self.key and self.operator != "Exists":
            raise InvalidValueError("there is no key", "give one, or use operator: Exists")
        if self.operator == "Exists" and self.value:
            remedy = "remove it, or use operator: Equal"
            raise InvalidValueError("Exists takes no value", remedy, "value")
        if self.tolerationSeconds is not None and self.effect != "NoExecute":
            message = "it counts for effect NoExecute only"
            raise InvalidValueError(message, "remove it", "tolerationSeconds")
        return self


# Not validated: pydantic would build its validators for values that are our own.
DEFAULT_RESOURCES: Mapping[str, Resources] = {
    "istiod": Resources.model_construct(requests={"cpu": "500m", "memory": "2048Mi"}),
    "cni": Resources.model_construct(requests={"cpu": "100m", "memory": "100Mi"}),
    "ztunnel": Resources.model_construct(requests={"cpu": "200m", "memory": "512Mi"}),
    "waypoint": Resources.model_construct(
        requests={"cpu": "100m", "memory": "128Mi"}, limits={"cpu": "2", "memory": "1Gi"}
    ),
    "gateway": Resources.model_construct(
        requests={"cpu": "100m", "memory": "128Mi"}, limits={"cpu": "2000m", "memory": "1024Mi"}
    ),
}
"""Component → resources where the operator gives none; those of Istio's charts.

The last two are in the values that istiod's templates of waypoints and gateways read.
"""


def _check_linux(selector: Mapping[str, str]) -> Mapping[str, str]:
    name = "kubernetes.io/os"
    if selector.get(name, "linux") != "linux":
        raise InvalidValueError("Istio's images run on Linux only", "remove it", name)
    return selector


ResourcesOption = Annotated[Resources, pydantic.BeforeValidator(mapping)]
"""Type of an option that is a YAML mapping of resources."""
Tolerations = Annotated[tuple[Toleration, ...] | None, pydantic.BeforeValidator(sequence)]
"""Type of an option that is a YAML list of tolerations; None for an empty text.

None stands for the component's own tolerations, `[]` for none at all.
"""
NodeSelector = Annotated[
    Mapping[_LabelKey, _LabelValue],
    pydantic.BeforeValidator(mapping),
    pydantic.AfterValidator(_check_linux),
]
"""Type of an option that is a YAML mapping of labels that a node must have."""

NO_RESOURCES = Resources.model_construct()
NO_LABELS: Mapping[str, str] = {}


class PodSettings(pydantic.BaseModel):
    """The options of the pods of one component."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", defer_build=True)

    resources: Resources = NO_RESOURCES
    """Merged into the component's `DEFAULT_RESOURCES`."""
    tolerations: tuple[Toleration, ...] | None = None
    node_selector: Mapping[_LabelKey, _LabelValue] = NO_LABELS


def options(component: str) -> frozenset[str]:
    """Return the names of the options of a component's pods."""
    fields = (field.replace("_", "-") for field in PodSettings.model_fields)
    return frozenset(f"{component}-{field}" for field in fields)


class PodsConfig(CharmConfig):
    """Base of the options of a charm with pods of components of Istio.

    A component has the options `<component>_resources`, `<component>_tolerations` and
    `<component>_node_selector`, of the types above.
    """

    @pydantic.field_validator("*", mode="after")
    @classmethod
    def _check_limits(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Refuse a request above its limit; the component's defaults count where none is given."""
        if isinstance(value, Resources):
            component = str(info.field_name).removesuffix("_resources")
            merged = value.merged_into(DEFAULT_RESOURCES[component])
            for name, amount in merged.requests.items():
                limit = merged.limits.get(name, amount)
                if _amount(amount) > _amount(limit):
                    message = f"{limit!r} is less than the request, {amount}"
                    remedy = f"raise it, or lower requests.{name}"
                    raise InvalidValueError(message, remedy, inside("limits", name))
        return value

    def pods(self, component: str) -> PodSettings:
        """Return the settings of the pods of a component, such as `istiod`."""
        fields = PodSettings.model_fields
        return PodSettings.model_construct(
            **{field: getattr(self, f"{component}_{field}") for field in fields}
        )
