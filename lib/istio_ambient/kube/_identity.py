# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whose object is it? Labels and annotations that tell our objects from everybody else's."""

from dataclasses import dataclass, field
from typing import Any

from istio_ambient.kube._objects import Manifest, items, section
from istio_ambient.values.names import model_app_name

INSTANCE_LABEL = "app.kubernetes.io/instance"
SCOPE_LABEL = "kubernetes-resource-handler-scope"
OWNER_ANNOTATION = "charmed-istio.io/owner"
HASH_ANNOTATION = "charmed-istio.io/applied-hash"
RELEASED = "released"
"""Owner of what an application left behind when it was removed: the next one takes it over."""


@dataclass(frozen=True)
class Identity:
    """The Juju application that owns objects in the cluster.

    The instance label finds objects with one LIST a kind. Alone it is ambiguous (model ``a-b``
    with application ``c`` and model ``a`` with application ``b-c`` share it), so each object also
    carries an owner annotation that is not.
    """

    model: str
    app: str
    adopted_scopes: frozenset[str] = field(default_factory=frozenset[str])
    """Values of the scope label under which the public charm of the same name keeps its
    objects: those of the same model and application are taken over."""

    @property
    def instance(self) -> str:
        """Value of the instance label: ``<model>-<app>``, cut with a hash past 63 characters."""
        return model_app_name(self.model, self.app, separator="-")

    @property
    def owner(self) -> str:
        """Value of the owner annotation: ``<model>/<app>``."""
        return f"{self.model}/{self.app}"

    @property
    def labels(self) -> dict[str, str]:
        """Labels that every object of ours carries."""
        return {INSTANCE_LABEL: self.instance}

    def owns(self, live: Manifest) -> bool:
        """Return whether a live object is ours: made by us, or to be adopted.

        What a controller made (owner reference with ``controller: true``) is that controller's,
        even where it copied our labels.
        """
        metadata = section(live, "metadata")
        labels, annotations = section(metadata, "labels"), section(metadata, "annotations")
        if labels.get(INSTANCE_LABEL) != self.instance:
            return False
        if any(owner.get("controller") for owner in items(metadata, "ownerReferences")):
            return False
        if OWNER_ANNOTATION in annotations:
            return annotations[OWNER_ANNOTATION] == self.owner
        return labels.get(SCOPE_LABEL) in self.adopted_scopes and self._applied_by_app(metadata)

    def may_take(self, live: Manifest) -> bool:
        """Return whether an object was released by its owner, and so may be adopted."""
        annotations = section(section(live, "metadata"), "annotations")
        return annotations.get(OWNER_ANNOTATION) == RELEASED

    def _applied_by_app(self, metadata: dict[str, Any]) -> bool:
        # The public charms apply with the application's name as field manager, which settles
        # which of two applications with the same instance label made the object.
        return any(e.get("manager") == self.app for e in items(metadata, "managedFields"))
