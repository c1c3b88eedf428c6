# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Both sides of one configuration, compared."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

from istio_ambient import manifests

from tools import generate_crds

from . import _compare, _configurations, _gateways, _upstream
from ._intended import INTENDED


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of comparing one configuration."""

    objects: int
    """Number of distinct objects on both sides."""
    differences: tuple[_compare.Difference, ...]

    @property
    def unintended(self) -> list[_compare.Difference]:
        """The differences that no entry of `INTENDED` covers."""
        return [each for each in self.differences if not _compare.reasons(each, INTENDED)]


@functools.cache
def configurations() -> tuple[manifests.ControlPlane, ...]:
    """Return the configurations of the test."""
    return tuple(_configurations.pairwise())


@functools.cache
def result(number: int) -> Result:
    """Compare one of `configurations`, once."""
    return compare(configurations()[number])


def compare(control_plane: manifests.ControlPlane) -> Result:
    """Compare the control plane, and the objects that istiod makes for waypoints and gateways."""
    ours = _dicts(manifests.render(control_plane))
    theirs = _upstream.generate(_configurations.operator(control_plane))
    return _result(ours + _gateways.objects(ours), theirs + _gateways.objects(theirs))


@functools.cache
def compare_crds() -> Result:
    """Compare the custom resource definitions of Istio; no value changes them."""
    ours = _dicts(manifests.crds())
    theirs = _upstream.generate(_configurations.operator(configurations()[0]), crds=True)
    return _result(
        [each for each in ours if each["spec"]["group"].endswith(".istio.io")],
        [generate_crds.without_descriptions(each) for each in theirs],
    )


def _dicts(objects: Iterable[Any]) -> list[dict[str, Any]]:
    return [each.to_dict() for each in objects]


def _result(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Result:
    names = {_compare.identity(each) for each in (*ours, *theirs)}
    return Result(len(names), tuple(_compare.differences(ours, theirs)))
