# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The options `istiod-affinity`, `istiod-topology-spread` and `istiod-priority-class`.

Types and fields are those of lightkube's models of the Kubernetes API. Values are checked as far
as a field alone shows them to be wrong; the API server checks the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

import msgspec
import pydantic
from lightkube.models.core_v1 import Affinity, TopologySpreadConstraint

from istio_ambient.values import hostnames, labels
from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown
from istio_ambient.values.yaml_text import mapping, sequence

_Check: TypeAlias = tuple[Callable[[Any], bool], str]


def _one_of(*allowed: str) -> _Check:
    return allowed.__contains__, f"use {', '.join(allowed)}"


def _whole(low: int, high: int) -> _Check:
    return (lambda value: low <= value <= high), f"use a number from {low} to {high}"


_MAX = 2**31 - 1
_KEY: _Check = labels.is_label_key, "use the key of a label"
_CHECKS: Mapping[str, _Check] = {
    "operator": _one_of("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
    "whenUnsatisfiable": _one_of("ScheduleAnyway", "DoNotSchedule"),
    "nodeAffinityPolicy": _one_of("Honor", "Ignore"),
    "nodeTaintsPolicy": _one_of("Honor", "Ignore"),
    "key": _KEY,
    "topologyKey": _KEY,
    "weight": _whole(1, 100),
    "maxSkew": _whole(1, _MAX),
    "minDomains": _whole(1, _MAX),
}
"""Field → what its values must be, wherever it is (Kubernetes' API reference)."""

_ISTIOD = {"matchLabels": {"app": "istiod", "istio": "pilot"}}


def _spread_over(topology_key: str) -> dict[str, Any]:
    """Return the preference that pods of one version are apart."""
    return {
        "maxSkew": 1,
        "topologyKey": topology_key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": _ISTIOD,
        # Pods of the version that is being replaced do not count.
        "matchLabelKeys": ["pod-template-hash"],
    }


def topology_spread(
    given: Sequence[Mapping[str, Any]] | None, replicas: int
) -> list[Mapping[str, Any]]:
    """Return the constraints by which istiod's pods are spread.

    Args:
        given: those of the operator, which are about istiod's pods where they do not say whose;
            None: nodes and zones, as far as there are enough of them.
        replicas: number of istiod's pods. One needs no constraints of the charm.
    """
    if given is not None:
        return [{"labelSelector": _ISTIOD, **each} for each in given]
    keys = ("kubernetes.io/hostname", "topology.kubernetes.io/zone") if replicas > 1 else ()
    return [_spread_over(key) for key in keys]


def _affinity(text: object) -> object:
    return _checked(mapping(text), Affinity, "") if isinstance(text, str) else text


def _constraints(text: object) -> object:
    if not isinstance(text, str):
        return text
    found = sequence(text)
    if found is None:
        return None
    return tuple(
        _checked(each, TopologySpreadConstraint, f"[{index}]") for index, each in enumerate(found)
    )


def _checked(value: Any, kind: type[msgspec.Struct], path: str) -> Any:
    """Return a value that is of a type of the Kubernetes API.

    Raises:
        InvalidValueError: another type, a field that the type does not have or that is missing,
            or a value that the field does not take.
    """
    try:
        read = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        place = place.removesuffix("`").lstrip("." if not path else "")
        message = message.replace("`", "'")
        raise InvalidValueError(message, "see Kubernetes' API reference", path + place) from None
    _check_fields(value, msgspec.to_builtins(read), path)
    return value


def _check_fields(given: Any, read: Any, path: str) -> None:
    """Raise for a field that was not read, and for a value that its field does not take."""
    if isinstance(given, list):
        for index, member in enumerate(cast(list[Any], given)):
            _check_fields(member, read[index], inside(path, index))
    elif isinstance(given, dict):
        for name, member in cast(dict[str, Any], given).items():
            place = inside(path, name)
            if name not in read:
                raise InvalidValueError("no such field", "see Kubernetes' API reference", place)
            accepts, remedy = _CHECKS.get(name, (None, ""))
            if accepts and not isinstance(member, list | dict) and not accepts(member):
                raise InvalidValueError(f"{shown(member)} is not allowed", remedy, place)
            _check_fields(member, read[name], place)


def _priority_class(name: str) -> str:
    if name and not hostnames.is_dns_subdomain(name):
        message = f"{shown(name)} is no name of a PriorityClass"
        raise InvalidValueError(message, "use a name, such as system-cluster-critical")
    return name


AffinityOption = Annotated[Mapping[str, Any], pydantic.BeforeValidator(_affinity)]
TopologySpread = Annotated[
    tuple[Mapping[str, Any], ...] | None, pydantic.BeforeValidator(_constraints)
]
"""None for an empty text: as the charm spreads the pods; `[]` for no constraints at all."""
PriorityClass = Annotated[str, pydantic.AfterValidator(_priority_class)]

NO_AFFINITY: Mapping[str, Any] = {}
