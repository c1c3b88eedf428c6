# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether a live object contains the desired one; defaults of the API server do not count."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, cast

from lightkube.utils import quantity

from istio_ambient.kube import _kinds
from istio_ambient.kube._objects import Manifest, ref_in_manifest, section

QUANTITY_PARENTS = frozenset({"limits", "requests", "capacity", "allocatable", "hard"})
"""Fields whose values are quantities, which the API server writes in canonical form."""

LIST_KEYS: tuple[tuple[str, ...], ...] = (
    ("containerPort", "protocol"),
    ("port", "protocol", "name"),
    ("mountPath",),
    ("name",),
    ("type",),
)
"""Keys that identify the elements of a list, where the order differs."""

KEY_DEFAULTS = {"protocol": "TCP"}

NOT_COMPARED = frozenset({"apiVersion", "kind", "metadata", "status"})


def differences(desired: Manifest, live: Manifest) -> list[str]:
    """Return the paths in which a live object differs from the desired one, sorted.

    Desired labels and annotations must be present; the live object may have more. Of the rest,
    maps may hold more (defaults), except in closed kinds, which no controller completes; lists
    must have the same elements.
    """
    closed = _kinds.is_closed(ref_in_manifest(desired))
    found = list(_metadata_differences(desired["metadata"], live["metadata"]))
    for key in (desired.keys() | live.keys() if closed else desired.keys()) - NOT_COMPARED:
        found.extend(_compare(desired.get(key), live.get(key), key, closed, parent=""))
    return sorted(found)


def _metadata_differences(desired: Manifest, live: Manifest) -> Iterator[str]:
    for group in ("labels", "annotations"):
        actual = section(live, group)
        for key, value in section(desired, group).items():
            if actual.get(key) != value:
                yield f"metadata.{group}[{key}]"


def _compare(desired: Any, live: Any, path: str, closed: bool, parent: str) -> Iterator[str]:
    if desired == live or (not closed and desired == [] and live is None):
        return
    if isinstance(desired, dict) and isinstance(live, dict):
        yield from _compare_maps(desired, live, path, closed)  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(desired, list) and isinstance(live, list):
        yield from _compare_lists(desired, live, path, closed)  # pyright: ignore[reportUnknownArgumentType]
    elif not (parent in QUANTITY_PARENTS and _same_quantity(desired, live)):
        yield path


def _compare_maps(
    desired: dict[str, Any], live: dict[str, Any], path: str, closed: bool
) -> Iterator[str]:
    parent = path.rpartition(".")[2]
    for key in desired if not closed else desired.keys() | live.keys():
        yield from _compare(desired.get(key), live.get(key), f"{path}.{key}", closed, parent)


def _compare_lists(desired: list[Any], live: list[Any], path: str, closed: bool) -> Iterator[str]:
    if len(desired) != len(live):
        yield path
        return
    for index, (expected, actual) in enumerate(_pairs(desired, live)):
        yield from _compare(expected, actual, f"{path}[{index}]", closed, parent="")


def _pairs(desired: list[Any], live: list[Any]) -> list[tuple[Any, Any]]:
    """Pair the elements of two lists of one length: by their key, or in order without one."""
    for keys in LIST_KEYS:
        by_key = {_key_of(item, keys): item for item in live}
        desired_keys = [_key_of(item, keys) for item in desired]
        if None not in by_key and len(by_key) == len(live) and set(desired_keys) == set(by_key):
            return [(item, by_key[key]) for item, key in zip(desired, desired_keys, strict=True)]
    return list(zip(desired, live, strict=True))


def _key_of(item: Any, keys: tuple[str, ...]) -> tuple[Any, ...] | None:
    if not isinstance(item, dict) or keys[0] not in item:
        return None
    element = cast(dict[str, Any], item)
    values = tuple(element.get(key, KEY_DEFAULTS.get(key)) for key in keys)
    return values if all(isinstance(v, str | int | None) for v in values) else None


def _same_quantity(desired: Any, live: Any) -> bool:
    return _quantity(desired) is not None and _quantity(desired) == _quantity(live)


def _quantity(value: Any) -> Decimal | None:
    try:
        return quantity.parse_quantity(str(value))
    except ValueError:
        return None
