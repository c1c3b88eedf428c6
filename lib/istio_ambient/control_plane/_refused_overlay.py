# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The overlay of option `mesh-config` that istiod or a proxy has refused, and that is left out.

It is remembered by its hash in annotations of the ConfigMap with the MeshConfig, so that it is not
tried again until the option changes, by whichever unit and after whichever restart.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import acceptance, kube
from istio_ambient.values.problems import Problem

CONFIG_MAP = "istio"
"""Name of the ConfigMap with the MeshConfig."""
_HASH = "charmed-istio.io/refused-mesh-config"
_WORDS = "charmed-istio.io/refused-mesh-config-reason"
_MAX_WORDS = 300
_SHOWN = 50


@dataclasses.dataclass(frozen=True)
class RefusedOverlay:
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
        )


def overlay_digest(overlay: Mapping[str, Any]) -> str:
    """Return a hash of an overlay; empty for an empty one."""
    text = json.dumps(overlay, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16] if overlay else ""


def refused_overlay(live: kube.Live) -> RefusedOverlay | None:
    """Return what the live ConfigMap remembers; None: nothing was refused."""
    found = live.get(ConfigMap, CONFIG_MAP, live.identity.namespace)
    if found is None:
        return None
    annotations = kube.section(kube.manifest_of(found)["metadata"], "annotations")
    digest = annotations.get(_HASH, "")
    return RefusedOverlay(digest=digest, words=annotations.get(_WORDS, "")) if digest else None
