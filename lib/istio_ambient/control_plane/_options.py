# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm's configuration, checked: a wrong value is named with what is allowed."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from istio_ambient import manifests
from istio_ambient.control_plane import _mesh_ca, _mesh_overlay, _strings
from istio_ambient.values.config import problems_of, refusal
from istio_ambient.values.invalid import OptionError
from istio_ambient.values.pods import Amounts, Labels, Tolerations, resources_of
from istio_ambient.values.problems import Problem

CA_SECRET = "ca-secret"  # noqa: S105 - the name of an option

AUTO = "auto"
"""Value of `platform`: find out from a node."""

_Folder = Annotated[str, pydantic.AfterValidator(_strings.check_folder)]
_NO_AMOUNTS: Amounts = {}
_NO_LABELS: Mapping[str, str] = {}
_NO_OVERLAY: Mapping[str, Any] = {}


class Options(pydantic.BaseModel):
    """The options of `charmcraft.yaml`, under their own names with underscores.

    Defaults are those of `charmcraft.yaml`.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")

    hardened_mode: bool
    auto_allow_waypoint_policy: bool
    mtls_mode: Literal["permissive", "strict"] = "permissive"
    platform: Literal["auto", manifests.Platform] = AUTO
    cni_bin_dir: _Folder
    cni_conf_dir: _Folder
    hub: Annotated[str, pydantic.AfterValidator(_strings.check_hub)] = "docker.io/istio"
    tag: Annotated[str, pydantic.AfterValidator(_strings.check_tag)] = manifests.VERSION
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: Annotated[
        tuple[str, ...], pydantic.BeforeValidator(_strings.parse_names)
    ] = ()
    mesh_config: Annotated[
        Mapping[str, Any], pydantic.BeforeValidator(_mesh_overlay.parse_mesh_config)
    ] = _NO_OVERLAY
    istiod_resources: Annotated[Amounts, resources_of("istiod")] = _NO_AMOUNTS
    cni_resources: Annotated[Amounts, resources_of("cni")] = _NO_AMOUNTS
    ztunnel_resources: Annotated[Amounts, resources_of("ztunnel")] = _NO_AMOUNTS
    istiod_tolerations: Tolerations = None
    cni_tolerations: Tolerations = None
    ztunnel_tolerations: Tolerations = None
    istiod_node_selector: Labels = _NO_LABELS
    cni_node_selector: Labels = _NO_LABELS
    ztunnel_node_selector: Labels = _NO_LABELS
    cni_preflight: Literal["enforce", "warn"] = "enforce"
    mesh_ca: manifests.MeshCA | None = None
    """What the secret of option `ca-secret` holds."""

    def pods(self, component: Literal["istiod", "cni", "ztunnel"]) -> manifests.PodSettings:
        """Return what is asked for the pods of a component."""
        return manifests.PodSettings(
            resources=getattr(self, f"{component}_resources"),
            tolerations=getattr(self, f"{component}_tolerations"),
            node_selector=getattr(self, f"{component}_node_selector"),
        )


def parse_options(
    config: Mapping[str, object],
    ca_secret: Mapping[str, str] | Problem | None = None,
    now: datetime.datetime | None = None,
    applied_ca: manifests.MeshCA | None = None,
) -> tuple[Options | None, list[Problem]]:
    """Return the options, and what is wrong; None where they must not be applied.

    What has been applied and got bad by itself since (its certificates expired, its secret cannot
    be read any more) is a problem like any other, but goes on being used: nothing of it is new,
    and what else has to be changed or withdrawn must not wait for it.

    Args:
        config: option names as in `charmcraft.yaml`, and their values.
        ca_secret: what the secret of option `ca-secret` holds; why it cannot be read; None where
            the option is not set.
        now: with a time zone; certificates must be valid then. Default: the time it is.
        applied_ca: the authority that istiod has from us now.
    """
    values = {name.replace("-", "_"): value for name, value in config.items()}
    values.pop("mesh_ca", None)
    problems: list[Problem] = []
    found = None
    try:
        found = Options.model_validate(values)
    except pydantic.ValidationError as error:
        problems.extend(problems_of(error))
    mesh_ca, fault = _mesh_ca_of(
        ca_secret,
        str(config.get(CA_SECRET, "")),
        now or datetime.datetime.now(datetime.UTC),
        applied_ca,
    )
    if fault is not None:
        problems.append(fault)
    if found is None or (fault is not None and mesh_ca is None):
        return None, problems
    return found.model_copy(update={"mesh_ca": mesh_ca}), problems


def _mesh_ca_of(
    content: Mapping[str, str] | Problem | None,
    source: str,
    now: datetime.datetime,
    applied: manifests.MeshCA | None,
) -> tuple[manifests.MeshCA | None, Problem | None]:
    """Return the authority to use, and what is wrong; both where it got bad by itself."""
    if content is None:
        return None, None
    if isinstance(content, Problem):
        kept = applied is not None and applied.source == source
        return (applied if kept else None), content
    mesh_ca = None
    try:
        mesh_ca = dataclasses.replace(_mesh_ca.parse_mesh_ca(content), source=source)
        _mesh_ca.check_validity(mesh_ca, now)
    except OptionError as error:
        return (mesh_ca if mesh_ca == applied else None), refusal(CA_SECRET, error)
    return mesh_ca, None
