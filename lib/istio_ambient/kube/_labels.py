# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Labels on objects of other owners: merge patches of named labels, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from istio_ambient.kube import _faults, _requests
from istio_ambient.kube._client import Client
from istio_ambient.kube._faults import RequestError
from istio_ambient.kube._objects import Manifest, Ref, ResourceType, manifest_of, ref_in, section


class LabelPatch(msgspec.Struct, frozen=True):
    """Labels to set (a string) or to remove (None) on one object of another owner."""

    kind: ResourceType
    name: str
    labels: Mapping[str, str | None]
    namespace: str = ""
    pod_template: bool = False
    """The labels go into the pod template as well, which restarts the pods."""
    current: Mapping[str, str] | None = None
    """The object's own labels, where this hook has read them; None: they are read. Those of a pod
    template are always read."""

    @property
    def ref(self) -> Ref:
        """The object."""
        return ref_in(self.kind, self.name, self.namespace)


class Labelled(msgspec.Struct, frozen=True):
    """The outcome of label patches."""

    changed: tuple[LabelPatch, ...] = ()
    failed: tuple[tuple[LabelPatch, RequestError], ...] = ()
    altered: tuple[tuple[LabelPatch, str], ...] = ()
    """Those that the API server's answer does not have, and the first such label: a webhook takes
    it away, or has another value for it."""


def apply_labels(client: Client, patches: Sequence[LabelPatch], field_manager: str) -> Labelled:
    """Patch the objects whose labels differ, in the order given; read those that are not known.

    An object that does not exist is passed over. A patch that restarts the pod of the caller
    must come last, since it ends this process.

    Args:
        client: reads and patches.
        patches: each for another object.
        field_manager: the name under which the API server records the labels.
    """
    changed: list[LabelPatch] = []
    failed: list[tuple[LabelPatch, RequestError]] = []
    altered: list[tuple[LabelPatch, str]] = []
    for patch in patches:
        try:
            body = _body(client, patch)
            if body:
                with _faults.absence_allowed():
                    kind, ref = patch.kind, patch.ref
                    answer = _requests.send_patch(client, kind, ref, body, field_manager)
                    changed.append(patch)
                    own, of_pods = _differing(patch, manifest_of(answer))
                    if own or of_pods:
                        altered.append((patch, f"metadata.labels[{min({**own, **of_pods})}]"))
        except RequestError as error:
            failed.append((patch, error))
    return Labelled(tuple(changed), tuple(failed), tuple(altered))


def label_changes(client: Client, patches: Sequence[LabelPatch]) -> list[LabelPatch]:
    """Return the patches that `apply_labels` would send: nothing is written.

    Raises:
        RequestError: on any answer but success or 404.
    """
    return [patch for patch in patches if _body(client, patch)]


def _body(client: Client, patch: LabelPatch) -> dict[str, Any]:
    if patch.current is not None and not patch.pod_template:
        return label_patch_body(patch, {"metadata": {"labels": patch.current}})
    with _faults.absence_allowed():
        live = _requests.read(client, patch.kind, patch.name, patch.namespace)
        return label_patch_body(patch, manifest_of(live))
    return {}


def label_patch_body(patch: LabelPatch, live: Manifest) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) that sets the labels; {} where nothing differs."""
    body: dict[str, Any] = {}
    own, of_pods = _differing(patch, live)
    if own:
        body["metadata"] = {"labels": own}
    if of_pods:
        body["spec"] = {"template": {"metadata": {"labels": of_pods}}}
    return body


def _differing(
    patch: LabelPatch, live: Manifest
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return the labels that an object, and its pod template, do not have as they should be."""
    own = _changed(patch.labels, live["metadata"])
    if not patch.pod_template:
        return own, {}
    template = section(section(section(live, "spec"), "template"), "metadata")
    return own, _changed(patch.labels, template)


def _changed(labels: Mapping[str, str | None], metadata: Manifest) -> dict[str, str | None]:
    current = section(metadata, "labels")
    return {key: value for key, value in labels.items() if current.get(key) != value}


def describe(patch: LabelPatch) -> str:
    """Return one line about a patch, such as `label Namespace shop: team=a`."""
    names = ", ".join(f"{key}={value}" for key, value in sorted(patch.labels.items()))
    return f"label {patch.ref}: {names}"
