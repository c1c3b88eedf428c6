# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Make lightkube's kinds safe to decode in several threads."""

from collections.abc import Iterable

import msgspec
from lightkube.models import meta_v1

from istio_ambient.kube._objects import ResourceType


def prepare_decoders(kinds: Iterable[ResourceType]) -> None:
    """Let msgspec learn kinds, in this thread, before others decode them.

    lightkube decodes with msgspec, which learns a type when it is first decoded. Two threads in
    which it learns types that share a part (every kind has ObjectMeta) crash the interpreter.
    Generic resources are plain dicts, and need nothing.
    """
    for kind in (meta_v1.Status, *kinds):
        if issubclass(kind, msgspec.Struct):
            msgspec.json.Decoder(kind)
