# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `cross_model_mesh` interface, provider side: the cross-model identity of an application.

An application of another model is known here by the name of its offer or as `remote-…`. Its
requirer databag holds the name and model that it has there: `cmr_data`, JSON
`{"app_name", "juju_model_name"}`.
"""

from collections.abc import Mapping

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames
from istio_ambient.values.problems import Problem


class RemoteApplication(Databag, extra="ignore"):
    """An application of another model, by its name and model there. Nothing in it restricts."""

    app_name: hostnames.DnsLabel
    juju_model_name: hostnames.DnsLabel


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[RemoteApplication | None, list[Problem]]:
    """Read the cross-model identity; None while it is not published, or is invalid.

    Args:
        databag: the requirer's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    return reader.object("cmr_data", RemoteApplication), reader.problems
