# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The action `list-policies` of beacon and ingress: which policies are in force."""

from collections.abc import Mapping
from typing import Any

from istio_ambient import acceptance, charm, resources
from istio_ambient.actions import _reading
from istio_ambient.charm import parameters
from istio_ambient.cluster import acceptance as asked
from istio_ambient.values import tables


def list_policies(
    of: charm.ReconcilingCharm[Any], params: parameters.Params, gateways: Mapping[str, str]
) -> _reading.Results:
    """Return the policies of an application, and the proxies that hold each.

    Args:
        of: the application's charm.
        params: of the action.
        gateways: its Gateway to the Deployment of the Gateway's pods.

    Raises:
        ParameterError: the format is not known.
        NoIstiodError: there is no istiod, or more than one.
        kube.RequestError: the cluster cannot be read.
    """
    form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
    live, _ = of.look()
    reports = asked.connect_to_any(of.client).ask()
    policies = live.manifests(resources.AuthorizationPolicy)
    found = acceptance.enforcements(policies, reports, gateways)
    render = acceptance.table if form == parameters.TABLE else _reading.as_json
    results: _reading.Results = {**tables.fitted(form, found, render)}
    silent = [each.address for each in reports if each.fault or each.is_foreign]
    if silent or not reports:
        # Their proxies are missing from the counts.
        results["istiod"] = f"no answer from {', '.join(silent) or 'any pod'}: see juju status"
    return results
