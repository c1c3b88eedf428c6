# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options that name applications of the model."""

import re
from typing import Annotated

import pydantic

from istio_ambient.values.config import InvalidEntriesError
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.text import shown

# Juju's `names.ApplicationSnippet`.
_APPLICATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]*[a-z][a-z0-9]*)*")
_MAX_NAME = 63
_REMEDY = "use names of applications in this model, with commas or spaces between them"


def parse_applications(names: object) -> object:
    """Return the names of a list with commas or whitespace between them, as a frozenset.

    A value that is not text is returned as it is, for pydantic to check.

    Raises:
        InvalidEntriesError: with the valid names, where a name is none that Juju gives to an
            application. These stay: an application that is no longer trusted would lose the
            access that it asked for, and with it what it had closed for others.
    """
    if not isinstance(names, str):
        return names
    found = dict.fromkeys(name for name in re.split(r"[,\s]+", names) if name)
    valid = {name for name in found if len(name) <= _MAX_NAME and _APPLICATION.fullmatch(name)}
    if len(valid) < len(found):
        invalid = (f"{shown(name)} is no application" for name in found if name not in valid)
        errors = (InvalidValueError(message, _REMEDY) for message in invalid)
        raise InvalidEntriesError(frozenset(valid), errors)
    return frozenset(valid)


Applications = Annotated[frozenset[str], pydantic.BeforeValidator(parse_applications)]
"""Type of an option that names applications; see `parse_applications`."""
