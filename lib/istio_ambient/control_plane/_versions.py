# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Istio's versions: which tags of images the templates fit, and which may follow on which.

Istio's rule of skew: the control plane may be one minor version ahead of the data plane, and the
data plane is never ahead of the control plane. Patches of a minor version go with each other.
Source: https://istio.io/latest/docs/releases/supported-releases/#control-planedata-plane-skew.
"""

import re
from collections.abc import Iterator

import msgspec

from istio_ambient import kube, manifests
from istio_ambient.control_plane._rollout import ISTIOD, WORKLOADS
from istio_ambient.values import images
from istio_ambient.values.config import APPLICATION
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem
from istio_ambient.values.text import shown

_TAG = r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]+))?(?:[-_.+].*)?"


class Release(msgspec.Struct, frozen=True):
    """A release of Istio, as the tag of an image begins: `1.9.4`, `v1.9.4-mirror.2`, `1.9-dev`."""

    minor: tuple[int, int]
    """Major and minor version."""
    patch: int | None
    """None: the tag names none, as that of a development build."""

    def __str__(self) -> str:
        parts = [*self.minor, *([] if self.patch is None else [self.patch])]
        return ".".join(map(str, parts))

    def __lt__(self, other: "Release") -> bool:
        """Return whether this release is older; one without a patch is neither, in its minor.

        There is no other comparison: one of two releases need not be older than the other.
        """
        if self.minor != other.minor or None in (self.patch, other.patch):
            return self.minor < other.minor
        return (self.patch or 0) < (other.patch or 0)

    @property
    def name(self) -> str:
        """The minor version, as Istio is spoken of: `1.9`."""
        return ".".join(map(str, self.minor))


def release_of(tag: str) -> Release | None:
    """Return the release that a tag names; None: it names none."""
    found = re.fullmatch(_TAG, tag)
    if not found:
        return None
    major, minor, patch = found.groups()
    return Release((int(major), int(minor)), None if patch is None else int(patch))


OWN = release_of(manifests.VERSION) or Release((0, 0), None)
"""The release that the templates belong to."""


def checked_tag(tag: str) -> str:
    """Return the value of option `tag`, of the release whose templates the charm has.

    Raises:
        InvalidValueError: it names no release, or one of another minor version.
    """
    release, reset = release_of(tag), f"or juju config {APPLICATION} --reset tag"
    if release is None:
        remedy = f"begin it with the version, as {OWN}-mirror.1 does, {reset}"
        raise InvalidValueError(f"{shown(tag)} names no version of Istio", remedy)
    if release.minor != OWN.minor:
        text = f"is of Istio {release.name}, and the charm's templates are of {OWN.name}"
        raise InvalidValueError(f"{shown(tag)} {text}", f"use a tag of {OWN.name}, {reset}")
    return tag


def running(live: kube.Live) -> dict[str, Release]:
    """Return the releases of istiod, istio-cni and ztunnel in the cluster, by name of workload.

    An image whose tag names no release is left out.
    """
    found: dict[str, Release] = {}
    for kind, name in WORKLOADS:
        workload = live.get(kind, name, live.identity.namespace)
        image = kube.image_of(kube.manifest_of(workload)) if workload else ""
        release = release_of(images.version_of(image))
        if release is not None:
            found[name] = release
    return found


def findings(live: kube.Live) -> Iterator[Problem]:
    """Yield why this charm's release must not follow on what runs.

    Nothing is written then: the mesh goes on as it is. An istiod that is ahead is no reason: an
    upgrade whose istiod does not become ready is taken back that way. Neither is another major
    version: a tag that begins with a date looks like one.
    """
    ahead = {
        name: each
        for name, each in running(live).items()
        if name != ISTIOD and each.minor[0] == OWN.minor[0] and each.minor > OWN.minor
    }
    if ahead:
        text = ", ".join(f"{name} is {each}" for name, each in ahead.items())
        newest = max(ahead.values()).name
        yield _problem(
            Code.DOWNGRADE,
            f"{text}: Istio supports no data plane ahead of its control plane, and this charm's "
            f"is {OWN}",
            f"refresh this application to a revision of Istio {newest}",
        )


def warnings(app: str, tag: str, live: kube.Live) -> Iterator[Problem]:
    """Yield what an operator should know of versions that are used all the same.

    Args:
        app: the application, whose option may keep a tag.
        tag: the option.
        live: our objects in the cluster.
    """
    release = release_of(tag)
    if release is not None and release < OWN:
        yield Problem(
            "",
            "config",
            "tag",
            message=f"keeps Istio at {tag}; the images of this charm are {manifests.VERSION}",
            remedy=f"juju config {app} --reset tag",
            code=Code.TAG_BEHIND,
        )
    behind = {
        name: each
        for name, each in running(live).items()
        if each.minor[0] == OWN.minor[0] and each.minor[1] < OWN.minor[1] - 1
    }
    if behind:
        text = ", ".join(f"{name} is {each}" for name, each in behind.items())
        yield _problem(
            Code.SKIPPED_MINOR,
            f"{text}: an upgrade to {OWN} skips a minor version, and Istio supports one between "
            "control plane and data plane",
            "let the upgrade end soon: see the page",
        )


def _problem(code: Code, message: str, remedy: str) -> Problem:
    return Problem("", "preflight", "Istio's version", message=message, remedy=remedy, code=code)
