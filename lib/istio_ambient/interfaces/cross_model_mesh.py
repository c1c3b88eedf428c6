# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `cross_model_mesh` interface, provider side: who a remote application is at home.

An application in another model is known here by the name of its offer or as `remote-…`; its
requirer databag tells name and model: `cmr_data`, JSON `{"app_name", "juju_model_name"}`.
"""

from collections.abc import Mapping

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values.problems import Problem


class RemoteApplication(pydantic.BaseModel):
    """An application of another model, by the names that it has there."""

    # Tolerant of new keys: nothing in this object restricts anything.
    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    app_name: _fields.DnsLabel
    juju_model_name: _fields.DnsLabel


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[RemoteApplication | None, list[Problem]]:
    """Read who the remote application says it is; None while it says nothing, or nothing valid."""
    text = databag.get("cmr_data")
    if text is None:
        return None, []
    try:
        return RemoteApplication.model_validate(_json.decode(text)), []
    except _json.MalformedError as error:
        return None, [Problem(app, endpoint, "cmr_data", str(error), error.remedy)]
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field="cmr_data")
        return None, found
