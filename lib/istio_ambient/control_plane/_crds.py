# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which custom resource definitions are to be ours, and whether those of others will do: pure."""

import dataclasses
from collections.abc import Mapping
from typing import cast

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from istio_ambient import kube, manifests
from istio_ambient.values.problems import Problem


@dataclasses.dataclass(frozen=True)
class Definitions:
    """What is wanted, and what stands in the way."""

    objects: tuple[kube.Resource, ...]
    problems: tuple[Problem, ...]


def definitions(live: kube.Live, others: Mapping[str, kube.Manifest]) -> Definitions:
    """Return the CRDs to apply, and the Gateway API's guard where its CRDs are ours.

    Absent: installed. Ours: upgraded, never downgraded. Somebody else's: used where they serve
    what this Istio needs, else a problem that names the version.

    Args:
        live: our objects.
        others: CRDs of wanted names that are not ours.
    """
    wanted: list[kube.Resource] = []
    too_old: list[kube.Manifest] = []
    guarded = True
    for crd in manifests.crds():
        # The schemas are large: they are looked at only where somebody else's must be judged.
        outline = _outline(crd)
        name = outline["metadata"]["name"]
        ours = live.get(CustomResourceDefinition, name)
        other = others.get(name)
        free = other is None or live.identity.may_adopt(other)
        present = _outline(ours) if ours else other
        if free and not (present and manifests.is_newer(present, outline)):
            wanted.append(crd)
        elif other and not free:
            guarded = guarded and not manifests.is_gateway_api(outline)
            if not manifests.serves(other, kube.manifest_of(crd)):
                too_old.append(other)
    guard = manifests.gateway_api_admission() if guarded else []
    return Definitions((*wanted, *guard), tuple(_problems(too_old)))


def _outline(crd: CustomResourceDefinition) -> kube.Manifest:
    """Return of a definition what says where it is from."""
    metadata = crd.metadata or ObjectMeta()
    annotations = cast(dict[str, str], metadata.annotations or {})  # pyright: ignore[reportUnknownMemberType]
    return {
        "metadata": {"name": metadata.name or "", "annotations": annotations},
        "spec": {"group": crd.spec.group},
    }


def _problems(too_old: list[kube.Manifest]) -> list[Problem]:
    gateway = [crd for crd in too_old if manifests.is_gateway_api(crd)]
    others = [crd["metadata"]["name"] for crd in too_old if crd not in gateway]
    found: list[Problem] = []
    if gateway:
        has = min(manifests.bundle_version(crd) or "of no version" for crd in gateway)
        needed = manifests.gateway_api_version()
        message = f"its CRDs are {has}, somebody else's, and {needed} is needed"
        remedy = f"upgrade them to {needed} or newer"
        found.append(Problem("", "preflight", "Gateway API", message, remedy))
    if others:
        message = f"somebody else's, and older than Istio {manifests.VERSION}: {', '.join(others)}"
        remedy = f"upgrade them to Istio {manifests.VERSION}, or remove them"
        found.append(Problem("", "preflight", "CustomResourceDefinition", message, remedy))
    return found
