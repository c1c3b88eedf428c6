# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What istio-k8s does beside reconciling: its actions, and cleanup when it is removed."""

import functools
import logging
from collections.abc import Iterable, Iterator

import ops
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import authorization, charm, control_plane, kube, manifests, resources
from istio_ambient.actions import _reading, check
from istio_ambient.charm import outward, parameters
from istio_ambient.cluster import istiod, mesh_snapshot
from istio_ambient.explain import applications, hardened_preview
from istio_ambient.values import tables

logger = logging.getLogger(__name__)


class ControlPlaneActions(check.CheckAction):
    """Answers `check`, `preview-hardened-mode` and `purge-crds`."""

    def answer(self, event: ops.ActionEvent) -> None:
        """Set the results of an action, or fail it with the reason and the remedy."""
        match event.handle.kind:
            case "purge_crds_action":
                self._purge_crds(event)
            case "preview_hardened_mode_action":
                self._preview_hardened_mode(event)
            case _:
                super().answer(event)

    def _preview_hardened_mode(self, event: ops.ActionEvent) -> None:
        if not self.charm.has_options:
            outward.fail(event, charm.NO_OPTIONS)
            return
        options = self.charm.load_config(control_plane.Config)
        auto_allow = options.auto_allow_waypoint_policy
        preview_hardened_mode(event, self.charm.model.name, auto_allow=auto_allow)

    def _purge_crds(self, event: ops.ActionEvent) -> None:
        if not self.charm.unit.is_leader():
            outward.fail(event, self.charm.leader_only("purge-crds confirm=true"))
            return
        purge_crds(event, self.charm.identity)


def preview_hardened_mode(
    event: ops.ActionEvent, root_namespace: str, *, auto_allow: bool
) -> None:
    """Set the results of `preview-hardened-mode`, as text or as JSON; nothing is changed.

    Args:
        event: of the action.
        root_namespace: Istio's root namespace.
        auto_allow: whether istiod runs with PILOT_AUTO_ALLOW_WAYPOINT_POLICY.
    """
    try:
        form = parameters.choice(event.params, "format", (parameters.TABLE, parameters.JSON))
        client = kube.connect()
        mesh, taken_for_granted = _mesh_settings(client)
        snapshot = mesh_snapshot.read(client, root_namespace, auto_allow=auto_allow, mesh=mesh)
    except parameters.ParameterError as error:
        outward.fail(event, str(error))
        return
    except kube.RequestError as error:
        outward.fail(event, f"the cluster cannot be read: {error}")
        return
    off, on = hardened_preview.reaches(snapshot)
    found = hardened_preview.previews(off, on)
    not_weighed = (*taken_for_granted, *on.not_weighed)
    if form == parameters.TABLE:
        beacons = applications.beacons(snapshot)
        render = functools.partial(
            hardened_preview.table, beacons=beacons, not_weighed=not_weighed
        )
        outward.set_results(event, tables.fitted(form, found, render))
        return
    cut_off = [each for each in found if each.outlook is hardened_preview.Outlook.CUT_OFF]
    losing = [each for each in found if each.loses]
    outward.set_results(
        event,
        {
            **tables.fitted(form, found, _reading.as_json),
            **tables.fitted("cut-off", cut_off, _names),
            **tables.fitted("losing", losing, _names),
            "not-weighed": "; ".join(not_weighed),
        },
    )


def _mesh_settings(client: kube.Client) -> tuple[authorization.MeshSettings, tuple[str, ...]]:
    """Return what of the mesh config decides, or its defaults and that these are taken."""
    try:
        return istiod.find(client).mesh, ()
    except istiod.NoIstiodError as error:
        note = f"the mesh config, of which the defaults are taken: {error.message}"
        return authorization.MeshSettings(), (note,)


def _names(found: Iterable[hardened_preview.ApplicationPreview]) -> str:
    return tables.as_json([f"{each.namespace}/{each.application}" for each in found])


def purge_crds(event: ops.ActionEvent, identity: kube.Identity) -> None:
    """Delete our custom resource definitions, unless resources of other owners remain."""
    if event.params.get("confirm") is not True:
        outward.fail(event, "this deletes custom resource definitions: run it with confirm=true")
        return
    try:
        client = kube.connect()
        live = kube.read_live(client, identity, (CustomResourceDefinition,))
        remaining = _foreign_resources(client, live)
        if remaining:
            outward.set_results(event, {"remaining": "\n".join(remaining)})
            outward.fail(event, f"still in use, nothing is deleted: {', '.join(remaining)}")
            return
        deleted = [crd.metadata.name for crd in live.of(CustomResourceDefinition)]
        for name in deleted:
            kube.delete(client, CustomResourceDefinition, name)
    except kube.RequestError as error:
        fault = kube.fault_of(error, identity)
        outward.fail(event, f"some definitions are not deleted: {fault.text}")
        return
    outward.set_results(event, {"deleted": len(deleted), "names": "\n".join(deleted)})


def _foreign_resources(client: kube.Client, live: kube.Live) -> list[str]:
    """Return the custom resources of our definitions that other owners have, sorted."""
    return sorted(
        str(kube.ref_of(obj))
        for crd in live.of(CustomResourceDefinition)
        for obj in kube.list_kind(client, resources.defined_by(kube.manifest_of(crd))) or ()
        if not live.identity.owns(kube.manifest_of(obj)) and not _is_istiods(obj)
    )


def _is_istiods(obj: kube.Resource) -> bool:
    """Return whether an object is a GatewayClass that istiod registers on its own account."""
    manifest = kube.manifest_of(obj)
    controller = str(kube.section(manifest, "spec").get("controllerName", ""))
    is_its_own = manifest["metadata"]["name"] in manifests.GATEWAY_CLASSES
    return is_its_own and controller.startswith(manifests.GATEWAY_CONTROLLERS)


def clean_up(
    client: kube.Client, namespace: str, *, purge_ca: bool
) -> Iterator[kube.RequestError]:
    """Remove the objects that istiod made for itself, its own GatewayClasses among them.

    Args:
        client: deletes each on its own.
        namespace: of istiod.
        purge_ca: whether to delete the key of the mesh's root certificate too.

    Yields:
        What failed.
    """
    made = [(kind, name) for kind, names in manifests.MADE_BY_ISTIOD for name in names]
    if purge_ca:
        made.extend(manifests.ROOT_CA)
    else:
        kept = ", ".join(f"{kind.__name__} {namespace}/{name}" for kind, name in manifests.ROOT_CA)
        logger.info("kept, the root of all workload certificates: %s", kept)
    for kind, name in made:
        yield from kube.failure(kube.delete, client, kind, name, namespace)
    try:
        classes = kube.list_kind(client, resources.GatewayClass) or ()
        labels = {manifests.ISTIOD_CONFIG_LABEL: "true"}
        config_maps = kube.list_kind(client, ConfigMap, labels) or ()
    except kube.RequestError as error:
        yield error
        return
    for found in filter(_is_istiods, classes):
        name = found.metadata.name
        yield from kube.failure(kube.delete, client, resources.GatewayClass, name)
    for config_map in config_maps:
        logger.info("kept, made by istiod: %s", kube.ref_of(config_map))
    logger.info("kept: custom resource definitions, for objects of other owners")
