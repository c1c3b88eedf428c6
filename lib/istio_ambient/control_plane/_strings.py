# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Where images come from, and where a node keeps its CNI files: options that are one string."""

import re

from istio_ambient.manifests import VERSION
from istio_ambient.values.invalid import OptionError, shown

_VARIANT = "-distroless"
# The grammar of image references, as registries take them (distribution's reference package).
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?"
_HUB = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*|{_HOST}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_MAX_HUB, _MAX_TAG = 200, 128 - len(_VARIANT)
_SECRET_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def check_hub(hub: str) -> str:
    """Return a registry and repository.

    Raises:
        OptionError: images cannot be named below it.
    """
    if len(hub) > _MAX_HUB or not _HUB.fullmatch(hub):
        remedy = "use registry and path, without https:// or a tag, such as docker.io/istio"
        raise OptionError(f"{shown(hub)} is no place for images", remedy)
    return hub


def check_tag(tag: str) -> str:
    """Return a tag.

    Raises:
        OptionError: it is none, or names the variant of the image, which is fixed.
    """
    if tag.endswith(_VARIANT):
        raise OptionError(f"{shown(tag)} names the variant", f"leave {_VARIANT} out")
    if len(tag) > _MAX_TAG or not _TAG.fullmatch(tag):
        remedy = f"use at most {_MAX_TAG} letters, digits, '_', '.' and '-', such as {VERSION}"
        raise OptionError(f"{shown(tag)} is no tag", remedy)
    return tag


def parse_names(text: object) -> tuple[str, ...]:
    """Return the names of Secrets, from a list with commas or spaces; each of them once.

    Raises:
        OptionError: one of them is no name of a Secret.
    """
    remedy = "use names of Secrets, with commas between them"
    if not isinstance(text, str):
        raise OptionError(f"{shown(text)} is not text", remedy)
    found = tuple(dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name))
    for name in found:
        if not _SECRET_NAME.fullmatch(name) or ".." in name:
            raise OptionError(f"{shown(name)} is no name of a Secret", remedy)
    return found


def check_folder(path: str) -> str:
    """Return the path of a folder on a node; empty: the platform's.

    Raises:
        OptionError: it is not absolute, or goes upwards.
    """
    parts = path.split("/")
    if path and (parts[0] or ".." in parts or not path.isprintable() or len(path) > 4096):
        remedy = "use an absolute path without '..', or leave it empty"
        raise OptionError(f"{shown(path)} is no folder on a node", remedy)
    return path
