# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The pinned istioctl and the objects that it renders."""

import functools
import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import yaml

from tests.lab import _binaries

CRD = "\nkind: CustomResourceDefinition\n"


@functools.cache
def istioctl() -> pathlib.Path:
    """Return the program: $ISTIOCTL, or the lab's."""
    given = os.environ.get("ISTIOCTL")
    return pathlib.Path(given) if given else _binaries.program("istioctl")


def gateway_api_crds() -> pathlib.Path:
    """Return the folder with the CRDs of the pinned Gateway API, standard channel."""
    return istioctl().parent / "gateway-api-crds"


def generate(operator: dict[str, Any], *, crds: bool = False) -> list[dict[str, Any]]:
    """Return the objects that istioctl renders: the CRDs, or all other objects.

    CRDs take longest to read, and no value changes them.
    """
    return [_load(text) for text in _documents(operator) if (CRD in f"\n{text}\n") == crds]


def _documents(operator: dict[str, Any]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(operator, file)
        file.flush()
        done = subprocess.run(
            [istioctl(), "manifest", "generate", "-f", file.name],
            check=False,
            capture_output=True,
            text=True,
        )
    if done.returncode != 0:
        raise RuntimeError(f"istioctl manifest generate: {done.stderr.strip()}")
    return (text for text in f"\n{done.stdout}".split("\n---\n") if "kind:" in text)


def _load(text: str) -> dict[str, Any]:
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
