# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The custom resource definitions of Istio and of the Gateway API, as generated.

`tools/generate_crds.py` writes the files, without the descriptions of fields.
"""

import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from lightkube import codecs
from lightkube.core import resource
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

from ._served import bundle_version

_FOLDER = pathlib.Path(__file__).parent / "crds"


def crds() -> list[CustomResourceDefinition]:
    """Return the CRDs of Istio and of the Gateway API's standard channel."""
    return _load("CustomResourceDefinition")


def gateway_api_admission() -> list[resource.Resource]:
    """Return the admission policy that protects the CRDs of the Gateway API.

    It denies a replacement by older or experimental CRDs, and is part of the Gateway API's
    standard installation. It is applied only where these CRDs are ours.
    """
    return _load("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def _load(*kinds: str) -> list[Any]:
    """Return the objects of these kinds in the generated files."""
    from_dict = cast(Callable[[Mapping[str, Any]], Any], codecs.from_dict)  # pyright: ignore[reportUnknownMemberType]
    return [from_dict(found) for found in manifests() if found["kind"] in kinds]


@functools.cache
def gateway_api_version() -> str:
    """Return the version of the Gateway API's bundle, as `v1.<minor>.<patch>`."""
    (version,) = set(map(bundle_version, manifests())) - {""}
    return version


def manifests() -> list[dict[str, Any]]:
    """Read all generated files; each call returns objects of its own."""
    return [found for file in sorted(_FOLDER.glob("*.yaml")) for found in _read(file.read_text())]


def _read(text: str) -> list[dict[str, Any]]:
    """Parse a generated file: one line of comment, then a JSON list of objects."""
    _, _, body = text.partition("\n")
    return json.loads(body)
