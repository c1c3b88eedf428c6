# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A file that an action leaves in the charm's container, too long for a result."""

from pathlib import Path

import ops

from istio_ambient.actions import _reading
from istio_ambient.charm import parameters

FOLDER = "pages"
"""In the charm's own directory, which the next version of the charm replaces."""


def write(charm: ops.CharmBase, name: str, text: str) -> _reading.Results:
    """Write a file, and return its path with the command that fetches it.

    `juju scp` names the local file, and not its folder: from a Kubernetes unit, Juju writes the
    file under just the name that it is given.

    Raises:
        ParameterError: the file cannot be written, such as on a full disk.
    """
    path = Path(charm.charm_dir).resolve() / FOLDER / name
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        # A lone surrogate, which JSON of others may hold, has no encoding.
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise parameters.ParameterError(f"{path} cannot be written: {error.strerror}") from error
    return {"file": str(path), "fetch": f"juju scp {charm.unit.name}:{path} {name}"}
