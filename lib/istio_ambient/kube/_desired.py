# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a charm wants of the cluster: the result of a pure builder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from istio_ambient.kube import _labels, _objects
from istio_ambient.values.problems import Problem


@dataclass(frozen=True)
class Desired:
    """Everything that should exist, and what could not be had because data was bad.

    The same value is applied, shown as a preview, and tested.
    """

    objects: tuple[_objects.Resource, ...] = ()
    labels: tuple[_labels.LabelPatch, ...] = ()
    """Labels on objects that Juju owns; the patch of the charm's own StatefulSet last."""
    problems: tuple[Problem, ...] = ()
    held: Mapping[_objects.Ref, str] = field(default_factory=dict[_objects.Ref, str])
    """Objects whose next version waits, and for what: see `kube.plan`."""
    message: str = ""
    """What an active status says."""
    hold: bool = False
    """Nothing is written: what we are told is no good, so that the last good state stays."""
