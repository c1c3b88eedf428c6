# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where `juju deploy` finds each charm: packed in ``build/``, or published."""

import dataclasses
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CHANNEL = os.environ.get("PUBLIC_CHANNEL", "2/edge")
"""Channel of the published charms that are refreshed to those of this repository."""
CHANNELS = {"prometheus-k8s": "1/stable", "self-signed-certificates": "1/stable"}
"""Channels of the charms that are integrated."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A charm, as `juju deploy` and `juju refresh` take it."""

    charm: str
    """A name, or the path of a file."""
    channel: str = ""
    resources: tuple[str, ...] = ()
    """For a file: each of its images, as `name=image`."""

    def deploy_arguments(self) -> Iterator[str]:
        """Yield the arguments that follow the charm and the application."""
        if self.channel:
            yield from ("--channel", self.channel)
        for resource in self.resources:
            yield from ("--resource", resource)

    def refresh_arguments(self) -> Iterator[str]:
        """Yield the arguments that follow the application."""
        yield from ("--path", self.charm)
        # Without it, Juju keeps the base that another revision was deployed on.
        yield from ("--base", Path(self.charm).name.partition("_")[2].rpartition("-")[0])
        yield from self.deploy_arguments()


def folder(charm: str) -> Path | None:
    """Return the folder of a charm of this repository, or None."""
    found = (ROOT / parent / charm for parent in ("charms", "examples"))
    return next((path for path in found if path.is_dir()), None)


def packed(charm: str) -> Source:
    """Return the packed charm for this machine's architecture.

    Raises:
        FileNotFoundError: it has not been packed.
    """
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    files = sorted(BUILD.glob(f"{charm}_*{architecture}.charm"))
    source = folder(charm)
    if not files or source is None:
        raise FileNotFoundError(f"no {charm} for {architecture} in {BUILD}: run make pack first")
    meta = cast(dict[str, Any], yaml.safe_load((source / "charmcraft.yaml").read_text()))
    images = {name: spec["upstream-source"] for name, spec in meta["resources"].items()}
    resources = tuple(f"{name}={image}" for name, image in images.items())
    return Source(str(files[-1]), resources=resources)


def published(charm: str) -> Source:
    """Return the published charm."""
    return Source(charm, channel=CHANNELS.get(charm, CHANNEL))
