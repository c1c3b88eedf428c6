# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is wrong with a charm's configuration, as the status names it."""

from collections.abc import Mapping
from typing import cast

import pydantic
from pydantic_core import ErrorDetails

from istio_ambient.values.invalid import OptionError, shown
from istio_ambient.values.problems import Problem


def problems_of(error: pydantic.ValidationError) -> list[Problem]:
    """Return a problem for each option that a model of options refuses.

    The model's fields are named as the options, with underscores.
    """
    return [_problem(fault) for fault in error.errors(include_url=False)]


def refusal(option: str, error: OptionError) -> Problem:
    """Return what is wrong with the value of an option."""
    field = f"{option} {error.field}" if error.field else option
    return Problem("", "config", field, error.message, error.remedy)


def _problem(fault: ErrorDetails) -> Problem:
    option = str(fault["loc"][0]).replace("_", "-")
    error = cast(Mapping[str, object], fault.get("ctx", {})).get("error")
    if isinstance(error, OptionError):
        return refusal(option, error)
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    text = f"{shown(fault['input'])}: {message}"
    remedy = f"change it, or reset it: juju config <application> --reset {option}"
    return Problem("", "config", option, text, remedy)
