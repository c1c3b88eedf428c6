# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which ztunnel the lab runs: named, put into the cache, or taken out of the official image."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from tests.ztunnel import _image

_NAMED = "LAB_ZTUNNEL"
_REQUIRED = "LAB_REQUIRE_ZTUNNEL"


class ProgramError(RuntimeError):
    """What was given as ztunnel cannot be run; the message names it."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A ztunnel that was found."""

    path: Path
    """Absolute."""
    origin: str
    """Where it is from, in words."""

    def __str__(self) -> str:
        return f"ztunnel is {self.path} (from {self.origin})"


@dataclasses.dataclass(frozen=True)
class Missing:
    """No ztunnel was found."""

    reason: str
    """Why the image was of no use."""

    def __str__(self) -> str:
        return f"no ztunnel, so what only ztunnel decides is NOT RUN: {self.reason}"


def find(
    environment: Mapping[str, str],
    cache: Path,
    image: _image.Image = _image.IMAGE,
    limits: _image.Limits = _image.LIMITS,
) -> Program | Missing:
    """Look for a ztunnel: what `LAB_ZTUNNEL` names, else `ztunnel` in the cache, else the image.

    Args:
        environment: Environment variables.
        cache: The lab's cache folder; the image's program is kept there.
        image: Where to take it from when it is nowhere else.
        limits: How long the image's registry may take.

    Raises:
        ProgramError: What `LAB_ZTUNNEL` names, or the file in the cache, is not executable.
    """
    if program := named(environment):
        return program
    path = cache / "ztunnel"
    if path.exists():
        return Program(_executable(path, str(path)), "the lab's cache folder")
    try:
        path = _image.cached(image, cache) or _image.fetch(image, cache, limits)
    except _image.FetchError as error:
        return Missing(str(error))
    return Program(path, f"the image {image}")


def named(environment: Mapping[str, str]) -> Program | None:
    """Return the program that `LAB_ZTUNNEL` names, if it is set.

    Raises:
        ProgramError: It is not executable.
    """
    path = environment.get(_NAMED)
    return Program(_executable(Path(path), f"{_NAMED}={path}"), _NAMED) if path else None


def variables(found: Program | Missing, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables that carry what was found into the lab.

    In CI (`CI` is set) a ztunnel that was found makes its rows required.
    """
    if isinstance(found, Missing):
        return {}
    required = {_REQUIRED: "1"} if environment.get("CI") else {}
    return {_NAMED: str(found.path), **required}


def how_to_get(cache: Path) -> str:
    """Return what to do on a machine where none was found, in one line."""
    return (
        f"put /{_image.PROGRAM} of the image {_image.IMAGE} at {cache / 'ztunnel'}, "
        f"or pass {_NAMED}=<path> to make"
    )


def _executable(path: Path, given: str) -> Path:
    if not path.is_file():
        raise ProgramError(f"{given}: there is no such file")
    if not os.access(path, os.X_OK):
        raise ProgramError(f"{given}: it is not executable (chmod +x)")
    return path.resolve()
