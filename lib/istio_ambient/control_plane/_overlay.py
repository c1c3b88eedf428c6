# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What became of the overlay of option `mesh-config`: refused and left out, or taken.

It is remembered by its hash in annotations of the ConfigMap with the MeshConfig, by whichever unit
and after whichever restart. What was refused is not tried again until the option changes. What
istiods have taken once is not blamed for what is refused later, for another reason.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import acceptance, kube, resources
from istio_ambient.values.config import problem_of_option
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem

CONFIG_MAP = "istio"
"""Name of the ConfigMap with the MeshConfig."""
_HASH = "charmed-istio/refused-mesh-config"
_TAKEN = "charmed-istio/taken-mesh-config"
_WORDS = "charmed-istio/refused-mesh-config-reason"
_MAX_WORDS = 300
_SHOWN = 50


class RefusedOverlay(msgspec.Struct, frozen=True):
    """An overlay that was refused."""

    digest: str
    """Of the overlay, see `overlay_digest`."""
    words: str = ""
    """What the proxy that refused it said; empty: istiod dropped it, which says why in its log."""

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations that remember it."""
        words = acceptance.essence(self.words, _MAX_WORDS)
        return {_HASH: self.digest, **({_WORDS: words} if words else {})}

    @property
    def problem(self) -> Problem:
        """What the status says while the option is what was refused."""
        words = acceptance.essence(self.words, _SHOWN)
        who = f"a proxy refuses it ({words})" if words else "istiod refuses it (see its log)"
        return Problem(
            app="",
            endpoint="config",
            field="mesh-config",
            message=f"{who}, so it is left out",
            remedy="correct it",
            code=Code.MESH_CONFIG_REFUSED,
        )


def overlay_digest(overlay: Mapping[str, Any]) -> str:
    """Return a hash of an overlay; empty for an empty one."""
    text = json.dumps(overlay, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if overlay else ""


def refused_overlay(live: kube.Live) -> RefusedOverlay | None:
    """Return what the live ConfigMap remembers; None: nothing was refused."""
    annotations = _annotations(live)
    digest = resources.mark(annotations, _HASH)
    words = resources.mark(annotations, _WORDS) or ""
    return RefusedOverlay(digest=digest, words=words) if digest else None


def taken_overlay(live: kube.Live) -> str:
    """Return the digest of the overlay that istiods have taken; empty: none, or not yet."""
    return resources.mark(_annotations(live), _TAKEN) or ""


def taken_annotations(digest: str) -> dict[str, str]:
    """Return the annotations that remember the overlay that istiods have taken."""
    return {_TAKEN: digest}


def without_effect(overlay: Mapping[str, Any]) -> list[Problem]:
    """Return a problem for each field of `mesh-config` that changes nothing in ambient mode."""
    if not overlay:
        return []
    from istio_ambient.manifests import mesh_overlay

    return [
        problem_of_option(
            "mesh-config",
            InvalidValueError("has no effect in ambient mode", "remove it", path),
            Code.NO_EFFECT,
        )
        for path in mesh_overlay.without_effect(overlay)
    ]


def is_applied(objects: Iterable[kube.Resource], live: kube.Live) -> bool:
    """Return whether the live ConfigMap holds the MeshConfig that is among desired objects."""
    ref = kube.ref_in(ConfigMap, CONFIG_MAP, live.identity.namespace)
    wanted = (kube.manifest_of(each) for each in objects if kube.ref_of(each) == ref)
    data = kube.section(_manifest(live), "data")
    return any(kube.section(each, "data") == data for each in wanted)


def _annotations(live: kube.Live) -> Mapping[str, Any]:
    return kube.section(kube.section(_manifest(live), "metadata"), "annotations")


def _manifest(live: kube.Live) -> kube.Manifest:
    """Return the live ConfigMap; empty where there is none."""
    found = live.get(ConfigMap, CONFIG_MAP, live.identity.namespace)
    return kube.manifest_of(found) if found else {}
