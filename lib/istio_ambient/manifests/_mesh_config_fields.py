# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The fields of MeshConfig, as the pinned Istio knows them."""

import functools
import json
import pathlib
from collections.abc import Mapping

import pydantic

_FILE = pathlib.Path(__file__).parent / "mesh-config-fields.yaml"


class Message(pydantic.BaseModel):
    """What one message may hold."""

    fields: Mapping[str, str]
    """Field → type: a scalar, the name of a message or enumeration, `list of …` or `map of …`."""
    one_of: tuple[tuple[str, ...], ...] = ()
    """Fields of which one at most may be set."""


class MeshConfigFields(pydantic.BaseModel):
    """Messages and enumerations by their full names."""

    root: str
    """The message that MeshConfig is."""
    messages: Mapping[str, Message]
    enums: Mapping[str, tuple[str, ...]]


@functools.cache
def mesh_config_fields() -> MeshConfigFields:
    """Return the fields; the file is JSON below its first line, which says where it is from."""
    _, _, text = _FILE.read_text().partition("\n")
    return MeshConfigFields.model_validate(json.loads(text))
