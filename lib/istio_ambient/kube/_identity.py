# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which objects belong to an owner, and how the owner marks the objects that it applies."""

from collections.abc import Callable, Collection, Mapping

import msgspec

from istio_ambient.kube._objects import Manifest, items, section
from istio_ambient.kube._phases import NO_ACCESS, Access

RELEASED = "released"
"""Value of the owner annotation on objects that a removed owner left: the next may adopt them."""


class Identity(msgspec.Struct, frozen=True):
    """The owner of objects in a cluster, and what the engine has to know of it.

    The labels find an owner's objects with one LIST a kind. Two owners may share them, so each
    object also carries an owner annotation, which is unique: `<namespace>/<name>`.
    """

    namespace: str
    name: str
    labels: Mapping[str, str]
    """Labels of every object of the owner."""
    owner_annotation: str
    """Key of the annotation that names the owner."""
    hash_annotation: str
    """Key of the annotation that holds a hash of the content that was applied last."""
    field_manager: str
    """The manager of the owner's writes, as the API server records it in `managedFields`."""
    access: Access = NO_ACCESS
    """What the engine has to know of the kinds that decide about access."""
    adopts: Callable[[Manifest], bool] = lambda _: False
    """Return whether the owner takes over a live object that carries its labels and no owner
    annotation: an object of an earlier installer."""
    former_domain: str = ""
    """Domain that the owner's annotations had in earlier releases; empty: the same one. They are
    read under either domain, and written under today's."""
    permission_hint: str = ""
    """How an operator gives the owner permissions, as an instruction; part of faults."""
    token_hint: str = ""
    """How the owner gets a new token, as an instruction; part of faults."""

    @property
    def owner(self) -> str:
        """Value of the owner annotation."""
        return f"{self.namespace}/{self.name}"

    def owns(self, live: Manifest) -> bool:
        """Return whether a live object belongs to the owner: applied by it, or to be adopted.

        An object that a controller made (an owner reference with `controller: true`) belongs to
        that controller, even where the controller copied the labels.
        """
        metadata = section(live, "metadata")
        labels, annotations = section(metadata, "labels"), section(metadata, "annotations")
        if any(labels.get(key) != value for key, value in self.labels.items()):
            return False
        if any(owner.get("controller") for owner in items(metadata, "ownerReferences")):
            return False
        owner = mark(annotations, self.owner_annotation, self.former_domain)
        return self.adopts(live) if owner is None else owner == self.owner

    def may_adopt(self, live: Manifest, abandoned: Collection[str] = ()) -> bool:
        """Return whether an object that lacks our labels may become ours all the same.

        It may where its owner released it or is no more, and where we applied it: an admission
        webhook that removes labels and annotations makes nobody else its owner.

        Args:
            live: the object.
            abandoned: owners, as the annotation names them, that are no more.
        """
        metadata = section(live, "metadata")
        annotations = section(metadata, "annotations")
        owner = mark(annotations, self.owner_annotation, self.former_domain)
        if owner is not None:
            return owner == RELEASED or owner in abandoned
        applied = ("Apply", self.field_manager)
        entries = items(metadata, "managedFields")
        labels = section(metadata, "labels")
        return not any(key in labels for key in self.labels) and any(
            (entry.get("operation"), entry.get("manager")) == applied for entry in entries
        )

    def owner_of(self, live: Manifest) -> str:
        """Return the owner that an object names; empty: none."""
        annotations = section(section(live, "metadata"), "annotations")
        return str(mark(annotations, self.owner_annotation, self.former_domain) or "")

    def owner_key(self, annotations: Mapping[str, str]) -> str:
        """Return the annotation under which an object names its owner, maybe an earlier one."""
        former = former_name(self.owner_annotation, self.former_domain)
        is_former = former in annotations and self.owner_annotation not in annotations
        return former if is_former else self.owner_annotation

    def former_marks(self, annotations: Mapping[str, str]) -> list[str]:
        """Return the annotations that have their names of earlier releases."""
        start = f"{self.former_domain}/"
        return sorted(key for key in annotations if self.former_domain and key.startswith(start))


def mark(annotations: Mapping[str, str], key: str, former_domain: str) -> str | None:
    """Return the value of an annotation, also under its name of earlier releases.

    Args:
        annotations: of a live object.
        key: the name of today, which counts before the other one.
        former_domain: the domain of the other name; empty: there is none.
    """
    return annotations.get(key, annotations.get(former_name(key, former_domain)))


def former_name(key: str, former_domain: str) -> str:
    """Return an annotation's name of earlier releases, which had another domain."""
    return f"{former_domain}/{key.rpartition('/')[2]}" if former_domain else key
