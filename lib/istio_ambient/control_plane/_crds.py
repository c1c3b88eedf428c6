# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The custom resource definitions to apply, and a check of those of other installers."""

from collections.abc import Collection, Iterator, Mapping
from typing import cast

import msgspec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from istio_ambient import kube, manifests
from istio_ambient.preflight import problem
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem


class Definitions(msgspec.Struct, frozen=True):
    """Objects to apply, and problems with definitions that others have installed."""

    objects: tuple[kube.Resource, ...]
    problems: tuple[Problem, ...]


def definitions(
    live: kube.Live, others: Mapping[str, kube.Manifest], abandoned: Collection[str] = ()
) -> Definitions:
    """Return the CRDs to apply, and the Gateway API's guard where its CRDs are ours.

    An absent definition is installed, our own upgraded and never downgraded. One of another
    installer is used where it serves the versions that this Istio needs; otherwise a problem names
    the version. Our own that are of another channel by now, since somebody removed the guard and
    replaced them, stay as they are: ours would take fields away that others may use.

    Args:
        live: our objects in the cluster.
        others: CRDs with names of ours and another owner, by name.
        abandoned: owners of these that are no more.
    """
    wanted: list[kube.Resource] = []
    too_old: list[kube.Manifest] = []
    replaced: dict[str, str] = {}
    guarded = True
    for crd in manifests.crds():
        # The schemas are large, so they are compared only for definitions of other installers.
        outline = _outline(crd)
        name = outline["metadata"]["name"]
        ours = live.get(CustomResourceDefinition, name)
        other = others.get(name)
        free = other is None or live.identity.may_adopt(other, abandoned)
        present = _outline(ours) if ours else other
        if free and present and manifests.is_of_other_channel(present, outline):
            guarded = False
            replaced[name] = live.identity.owner_key(present["metadata"]["annotations"])
        elif free and not (present and manifests.is_newer(present, outline)):
            wanted.append(crd)
        elif other and not free:
            guarded = guarded and not manifests.is_gateway_api(outline)
            if not manifests.serves(other, kube.manifest_of(crd)):
                too_old.append(other)
    guard = manifests.gateway_api_admission() if guarded else []
    problems = (*_channel_problems(replaced), *_problems(too_old))
    return Definitions((*wanted, *guard), problems)


def _outline(crd: CustomResourceDefinition) -> kube.Manifest:
    """Return the part of a definition that names its origin and version."""
    metadata = crd.metadata or ObjectMeta()
    annotations = cast(dict[str, str], metadata.annotations or {})  # pyright: ignore[reportUnknownMemberType]
    return {
        "metadata": {"name": metadata.name or "", "annotations": annotations},
        "spec": {"group": crd.spec.group},
    }


def _channel_problems(replaced: Mapping[str, str]) -> Iterator[Problem]:
    if replaced:
        yield problem(
            Code.DEFINITIONS_REPLACED,
            "Gateway API",
            f"{len(replaced)} of our CRDs are of another channel now, and stay so",
            f"kubectl annotate crd {min(replaced)} {replaced[min(replaced)]}-",
        )


def _problems(too_old: list[kube.Manifest]) -> list[Problem]:
    gateway = [crd for crd in too_old if manifests.is_gateway_api(crd)]
    others = [crd["metadata"]["name"] for crd in too_old if crd not in gateway]
    found: list[Problem] = []
    if gateway:
        has = min(manifests.bundle_version(crd) or "of no version" for crd in gateway)
        needed = manifests.gateway_api_version()
        message = f"its CRDs are {has}, of another installer, and {needed} is needed"
        remedy = f"upgrade them to {needed} or newer"
        found.append(problem(Code.DEFINITIONS_TOO_OLD, "Gateway API", message, remedy))
    if others:
        needed = f"Istio {manifests.VERSION}"
        message = f"of another installer, older than {needed}: {', '.join(others)}"
        remedy = f"upgrade them to {needed}, or remove them"
        found.append(
            problem(Code.DEFINITIONS_TOO_OLD, "CustomResourceDefinition", message, remedy)
        )
    return found
