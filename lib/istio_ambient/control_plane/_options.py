# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The charm's configuration, checked: a wrong value is named with what is allowed."""

from collections.abc import Mapping

import pydantic

from istio_ambient import manifests
from istio_ambient.problems import Problem


class Options(pydantic.BaseModel):
    """The options of `charmcraft.yaml`, under their own names with underscores."""

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore")

    hardened_mode: bool
    auto_allow_waypoint_policy: bool
    platform: manifests.Platform
    cni_bin_dir: str
    cni_conf_dir: str


def parse_options(config: Mapping[str, object]) -> tuple[Options | None, list[Problem]]:
    """Return the options, or None and what is wrong with them.

    Args:
        config: option names as in `charmcraft.yaml`, and their values.
    """
    values = {name.replace("-", "_"): value for name, value in config.items()}
    try:
        return Options.model_validate(values), []
    except pydantic.ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        return None, [_problem(str(fault["loc"][0]), fault["msg"]) for fault in faults]


def _problem(field: str, message: str) -> Problem:
    option = field.replace("_", "-")
    text = message[:1].lower() + message[1:]
    return Problem("", "config", option, text, f"set it, or juju config --reset {option}")
