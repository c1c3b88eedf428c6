# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What the charms of this project offer to a command, from their ``charmcraft.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.unit.docs.commands._pages import ROOT


@dataclass(frozen=True)
class Charm:
    """A charm of this project."""

    name: str
    options: Mapping[str, str]
    """Types by name."""
    provides: Mapping[str, str]
    """Interfaces by endpoint."""
    requires: Mapping[str, str]
    actions: Mapping[str, Mapping[str, Any]]
    """Definitions by name."""
    resources: Mapping[str, str]
    """Images by name."""
    platforms: tuple[str, ...]
    """What it is packed for, such as ``ubuntu@24.04:amd64``."""

    @property
    def endpoints(self) -> dict[str, str]:
        """Interfaces by endpoint, of both sides."""
        return {**self.provides, **self.requires}


@cache
def charms() -> dict[str, Charm]:
    """Return the charms of the project and its samples, by name."""
    files = [*ROOT.glob("charms/*/charmcraft.yaml"), *ROOT.glob("examples/*/charmcraft.yaml")]
    return {file.parent.name: _charm(file) for file in files}


def _charm(file: Path) -> Charm:
    metadata: dict[str, Any] = yaml.safe_load(file.read_text())
    config: dict[str, Any] = metadata.get("config") or {}
    options: dict[str, Any] = config.get("options") or {}
    resources: dict[str, Any] = metadata.get("resources") or {}
    return Charm(
        name=metadata["name"],
        options={name: one["type"] for name, one in options.items()},
        provides=_interfaces(metadata.get("provides")),
        requires=_interfaces(metadata.get("requires")),
        actions=metadata.get("actions") or {},
        resources={name: one.get("upstream-source", "") for name, one in resources.items()},
        platforms=tuple(metadata["platforms"]),
    )


def _interfaces(endpoints: dict[str, dict[str, Any]] | None) -> dict[str, str]:
    return {name: one["interface"] for name, one in (endpoints or {}).items()}
