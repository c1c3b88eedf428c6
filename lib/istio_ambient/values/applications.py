# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options that name applications of the model."""

import re

from istio_ambient.values.config import refusal
from istio_ambient.values.invalid import OptionError, shown
from istio_ambient.values.problems import Problem

_OPTION = "trusted-requesters"

# Juju's `names.ApplicationSnippet`.
_APPLICATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")
_MAX_NAME = 63
_REMEDY = "use names of applications in this model, with commas or spaces between them"


def trusted_requesters(text: str) -> tuple[frozenset[str], tuple[Problem, ...]]:
    """Return the applications that may ask for access to others, and what is wrong.

    A name that no application can have is left out and the others stay: without trust, what an
    application had closed for others would be open again.

    Args:
        text: the option's value: names with commas or whitespace between them.
    """
    names = dict.fromkeys(name for name in re.split(r"[,\s]+", text) if name)
    good = {name for name in names if len(name) <= _MAX_NAME and _APPLICATION.fullmatch(name)}
    problems = (
        refusal(_OPTION, OptionError(f"{shown(name)} is no application", _REMEDY))
        for name in names
        if name not in good
    )
    return frozenset(good), tuple(problems)
