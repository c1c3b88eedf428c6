# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whether custom resource definitions of another installer serve what this Istio needs."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

BUNDLE_VERSION = "gateway.networking.k8s.io/bundle-version"
CHANNEL = "gateway.networking.k8s.io/channel"


def serves(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether an installed CRD can stand in for ours.

    CRDs of the Gateway API name the version of their bundle, which must be ours or newer. Other
    CRDs must have every field of ours, in every version that we serve.

    Args:
        existing: the CRD in the cluster, in JSON form.
        wanted: our CRD of the same name.
    """
    has, needs = _bundle_version(existing), _bundle_version(wanted)
    if has and needs:
        return has >= needs
    return set(_fields(wanted)) <= set(_fields(existing))


def is_gateway_api(crd: Mapping[str, Any]) -> bool:
    """Return whether a CRD is one of the Gateway API's."""
    return crd["spec"]["group"] == "gateway.networking.k8s.io"


def is_newer(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether an installed CRD is from a newer bundle of the Gateway API than ours."""
    has, needs = _bundle_version(existing), _bundle_version(wanted)
    return bool(has and needs and has > needs)


def is_of_other_channel(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether an installed CRD is from another channel of the Gateway API than ours.

    The experimental channel has fields and versions that the standard one lacks. See
    https://gateway-api.sigs.k8s.io/concepts/versioning/#release-channels.
    """
    has, needs = _annotation(existing, CHANNEL), _annotation(wanted, CHANNEL)
    return bool(has and needs and has != needs)


def bundle_version(crd: Mapping[str, Any]) -> str:
    """Return the version of the Gateway API bundle of a CRD, `v1.<minor>.<patch>`; or empty."""
    return _annotation(crd, BUNDLE_VERSION)


def _annotation(crd: Mapping[str, Any], key: str) -> str:
    annotations = cast(dict[str, str], crd["metadata"].get("annotations") or {})
    return annotations.get(key, "")


def _bundle_version(crd: Mapping[str, Any]) -> tuple[int, ...] | None:
    numbers = bundle_version(crd).removeprefix("v").partition("-")[0].split(".")
    return tuple(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def _fields(crd: Mapping[str, Any]) -> Iterator[str]:
    """Yield every field of every served version, as `v1.spec.rules[].from`."""
    for version in crd["spec"].get("versions", ()):
        if version.get("served"):
            yield version["name"]
            yield from _schema_fields(version["schema"]["openAPIV3Schema"], version["name"])


def _schema_fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    properties = cast(dict[str, Any], schema.get("properties") or {})
    for name, inner in properties.items():
        yield f"{path}.{name}"
        yield from _schema_fields(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _schema_fields(schema[key], f"{path}[]")
