# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The marker of a MeshConfig: an extension provider that nothing uses, named after the rest.

istiod takes all of a MeshConfig or nothing. So the marker among the providers that it reports
proves that it uses the whole.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from istio_ambient.values import decoded

MARKER_PREFIX = "charmed-istio.applied."
"""Beginning of the marker's name; the option `mesh-config` cannot name a provider so."""


def marked(mesh_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a MeshConfig with its marker, as the last of its extension providers."""
    text = json.dumps(mesh_config, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    # A kind of provider without a Service, which istiod would look for.
    marker = {"name": f"{MARKER_PREFIX}{digest}", "envoyFileAccessLog": {"path": "/dev/null"}}
    providers = [*mesh_config.get("extensionProviders", ()), marker]
    return {**mesh_config, "extensionProviders": providers}


def marker_in(mesh_config: str) -> str:
    """Return the name of the marker in the text of a MeshConfig; empty where there is none."""
    names = provider_names(decoded.yaml_members(mesh_config))
    return next(filter(is_marker, names), "")


def is_marker(name: str) -> bool:
    """Return whether an extension provider of this name is a marker of ours."""
    return name.startswith(MARKER_PREFIX)


def provider_names(mesh_config: Mapping[str, Any]) -> list[str]:
    """Return the names of the extension providers, of whatever shape they are."""
    providers = decoded.elements(mesh_config.get("extensionProviders"))
    names = (decoded.members(provider).get("name") for provider in providers)
    return [name for name in names if isinstance(name, str)]
