# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Resources, tolerations and node selectors in Kubernetes' own YAML, checked as its API would.

Source: Kubernetes' API reference, ResourceRequirements and Toleration.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, cast

import pydantic
from lightkube.utils import quantity

from istio_ambient import manifests
from istio_ambient.values.invalid import OptionError, inside, shown
from istio_ambient.values.yaml_text import mapping, sequence

_QUANTITY = re.compile(
    r"\+?([0-9]{1,18}(\.[0-9]{0,9})?|\.[0-9]{1,9})([numkKMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)
_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
_QUANTITY_REMEDY = "use a quantity, such as 500m or 2Gi"


def parse_resources(text: object, component: str) -> dict[str, dict[str, str]]:
    """Return `requests` and `limits` → resource → quantity.

    Args:
        text: YAML.
        component: a key of `manifests.DEFAULT_RESOURCES`; its defaults count where the text
            leaves something out.

    Raises:
        OptionError: no such field or resource, no quantity, or a request beyond its limit.
    """
    found: dict[str, dict[str, str]] = {}
    for kind, amounts in mapping(text).items():
        if kind not in ("requests", "limits"):
            raise OptionError("no such field", "use requests and limits", kind)
        if not isinstance(amounts, dict):
            raise OptionError(f"{shown(amounts)} is not a mapping", "write `cpu: 500m`", kind)
        found[kind] = {
            name: _quantity(name, value, inside(kind, name))
            for name, value in cast(dict[str, object], amounts).items()
        }
    _check_limits(manifests.merged_resources(component, found))
    return found


def _quantity(name: str, value: object, path: str) -> str:
    plain = name in _PLAIN_RESOURCES or name.startswith("hugepages-")
    if not plain and not ("/" in name and _is_label_key(name)):
        known = ", ".join(_PLAIN_RESOURCES)
        raise OptionError("no such resource", f"use {known}, or <domain>/<name>", path)
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise OptionError(f"{shown(value)} is no quantity", _QUANTITY_REMEDY, path)
    if not _QUANTITY.fullmatch(text):
        raise OptionError(f"{shown(value)} is no quantity", _QUANTITY_REMEDY, path)
    if "/" in name and _amount(text) % 1:
        raise OptionError(f"{shown(value)} is not whole", "use a whole number", path)
    return text


def _amount(text: str) -> Decimal:
    exponent = re.fullmatch(r"(.*?)[eE]([+-]?[0-9]+)", text)
    if exponent:
        return Decimal(exponent[1]).scaleb(int(exponent[2]))
    return cast(Decimal, quantity.parse_quantity(text.removeprefix("+")))


def _check_limits(merged: Mapping[str, Mapping[str, str]]) -> None:
    limits = merged.get("limits", {})
    for name, text in merged.get("requests", {}).items():
        if name in limits and _amount(text) > _amount(limits[name]):
            message = f"{limits[name]!r} is less than the request, {text}"
            remedy = "raise it, or lower requests." + name
            raise OptionError(message, remedy, inside("limits", name))


def parse_tolerations(text: object) -> tuple[dict[str, Any], ...] | None:
    """Return tolerations; None where nothing is said, which is not the same as none (`[]`).

    Raises:
        OptionError: no such field, or a value that Kubernetes does not take.
    """
    found = sequence(text)
    if found is None:
        return None
    return tuple(_toleration(item, inside("", index)) for index, item in enumerate(found))


def _toleration(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{shown(value)} is not a mapping", "write `key: …`", path)
    toleration = cast(dict[str, Any], value)
    for field, member in toleration.items():
        if field not in _TOLERATION:
            remedy = f"use {', '.join(_TOLERATION)}"
            raise OptionError("no such field", remedy, inside(path, field))
        _check_member(field, member, inside(path, field))
    operator, key = toleration.get("operator", "Equal"), toleration.get("key", "")
    if not key and operator != "Exists":
        raise OptionError("there is no key", "give one, or use operator: Exists", path)
    if operator == "Exists" and toleration.get("value"):
        remedy = "remove it, or use operator: Equal"
        raise OptionError("Exists takes no value", remedy, inside(path, "value"))
    if "tolerationSeconds" in toleration and toleration.get("effect") != "NoExecute":
        field = inside(path, "tolerationSeconds")
        raise OptionError("it counts for effect NoExecute only", "remove it", field)
    return toleration


def _check_member(field: str, value: object, path: str) -> None:
    match field:
        case "key":
            good, remedy = value == "" or _is_label_key(value), "use the key of a taint"
        case "operator":
            good, remedy = value in ("Exists", "Equal"), "use Exists or Equal"
        case "value":
            good, remedy = _is_label_value(value), "use the value of a taint; quote it"
        case "effect":
            good, remedy = value in _EFFECTS, f"use {', '.join(_EFFECTS)}, or leave it out"
        case _:
            whole = isinstance(value, int) and not isinstance(value, bool)
            good, remedy = whole and abs(cast(int, value)) < 2**63, "use a whole number of seconds"
    if not good:
        raise OptionError(f"{shown(value)} is not allowed", remedy, path)


def parse_node_selector(text: object) -> dict[str, str]:
    """Return the labels that a node must have.

    Raises:
        OptionError: a key or value that no label has, or nodes that do not run Linux.
    """
    labels = mapping(text)
    for key, value in labels.items():
        if not _is_label_key(key):
            raise OptionError("no key of a label", "use [prefix/]name", key)
        if not _is_label_value(value):
            raise OptionError(f"{shown(value)} is no value of a label", "quote it", key)
    if labels.get("kubernetes.io/os", "linux") != "linux":
        raise OptionError("Istio's images run on Linux only", "remove it", "kubernetes.io/os")
    return labels


def _is_label_key(value: object) -> bool:
    """Return whether Kubernetes takes this as the key of a label or taint."""
    if not isinstance(value, str):
        return False
    prefix, slash, name = value.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or bool(_PREFIX.fullmatch(prefix)))


def _is_label_value(value: object) -> bool:
    return isinstance(value, str) and (value == "" or bool(_NAME.fullmatch(value)))


Amounts = Mapping[str, Mapping[str, str]]
Labels = Annotated[Mapping[str, str], pydantic.BeforeValidator(parse_node_selector)]
Tolerations = Annotated[
    tuple[Mapping[str, Any], ...] | None, pydantic.BeforeValidator(parse_tolerations)
]
"""Types of fields of pydantic models that hold options; so is `Labels`."""


def resources_of(component: str) -> pydantic.BeforeValidator:
    """Return the check of a field of type `Amounts` that holds resources of a component."""
    return pydantic.BeforeValidator(partial(parse_resources, component=component))
