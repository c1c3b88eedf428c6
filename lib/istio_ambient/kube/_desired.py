# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The result of a pure builder: what should exist in the cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from istio_ambient.kube import _labels, _objects
from istio_ambient.values.problems import Problem


@dataclass(frozen=True)
class Desired:
    """Everything that should exist, and the problems that kept a part of it out.

    A builder makes it from facts. The same value is applied (`plan`, `apply`, `apply_labels`),
    shown as a preview, and compared in tests. Objects of the same owner that are not in it are
    deleted, so a builder returns the complete list every time.
    """

    objects: tuple[_objects.Resource, ...] = ()
    """lightkube objects with a name and, where the kind is namespaced, a namespace; each once."""
    labels: tuple[_labels.LabelPatch, ...] = ()
    """Labels on objects of other owners; a patch that restarts the caller's own pod comes last."""
    problems: tuple[Problem, ...] = ()
    """What an operator has to correct. With problems the rest is still applied, unless `hold`."""
    held: Mapping[_objects.Ref, str] = field(default_factory=dict[_objects.Ref, str])
    """Objects that keep their live version for now, each with the reason; see `plan`."""
    message: str = ""
    """The status text where everything works and no problem is left."""
    hold: bool = False
    """Whether nothing is written at all: the input is invalid, and the last valid state stays."""
