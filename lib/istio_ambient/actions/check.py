# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The action `check` of istio-k8s: everything that the mesh depends on, row by row."""

import base64
import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cryptography import x509
from lightkube.resources.core_v1 import Secret

from istio_ambient import charm, control_plane, kube, manifests, preflight
from istio_ambient.actions import _reading
from istio_ambient.charm import parameters
from istio_ambient.cluster import mesh_config_trial as trial
from istio_ambient.cluster import surroundings
from istio_ambient.preflight import check_rows
from istio_ambient.preflight.check_rows import State
from istio_ambient.values import tables

_SELF_SIGNED = "istio-ca-secret"
"""Secret of the authority that istiod makes of its own account."""
_FILES = {manifests.CACERTS: ("ca-cert.pem", "cert-chain.pem"), _SELF_SIGNED: ("ca-cert.pem",)}


class CheckAction(_reading.ReadingActions[control_plane.Facts]):
    """Answers the action; it reads the cluster as it is now, and changes nothing."""

    def __init__(self, of: charm.ReconcilingCharm[control_plane.Facts]):
        super().__init__(of, {"check": self._check})

    def _check(self, params: parameters.Params) -> _reading.Results:
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        live, facts = self.charm.look()
        client = self.charm.client
        policies = surroundings.read_policies(client)
        cluster = preflight.with_policies(
            facts.cluster, policies, admits_probes=self._admits_probes(facts)
        )
        found = check_rows.rows(
            preflight.CONDITIONS, cluster, self._installed(live, facts), _now()
        )
        render = check_rows.text if form == parameters.TABLE else _as_json
        counts = {
            "failed": sum(row.state is State.FAILS for row in found),
            "warnings": sum(row.state is State.WARNS for row in found),
        }
        return {**tables.fitted(form, found, render), **counts}

    def _admits_probes(self, facts: control_plane.Facts) -> bool | None:
        has_cilium = facts.around.cilium is not None
        return surroundings.read_probe_policies(self.charm.client) if has_cilium else None

    def _installed(self, live: kube.Live, facts: control_plane.Facts) -> check_rows.Installed:
        client = self.charm.client
        runs = live.get(*control_plane.WORKLOADS[0], facts.model) is not None
        desired = self.charm.desired(facts)
        workloads = {
            name: _readiness(client, live, kind, name) for kind, name in control_plane.WORKLOADS
        }
        # What is held is not compared: without a valid option, nothing is known to be desired.
        plan = self.charm.plan(desired, live) if runs and not desired.hold else kube.Plan()
        return check_rows.Installed(
            options=facts.problems,
            definitions=control_plane.definition_problems(facts),
            workloads=workloads,
            differences=[str(each.ref) for each in plan.writes] if runs else None,
            reports=_reports(client, live, facts) if runs else None,
            authority=tuple(_authority(client, facts.model)),
            pod_refusal=surroundings.pod_refusal(client, live.identity),
        )


def _readiness(
    client: kube.Client, live: kube.Live, kind: kube.ResourceType, name: str
) -> kube.Readiness | None:
    workload = live.get(kind, name, live.identity.namespace)
    return kube.workload_readiness(client, workload, name) if workload else None


def _reports(client: kube.Client, live: kube.Live, facts: control_plane.Facts) -> list[Any]:
    result = trial.run(
        client,
        live,
        hardened=facts.config.hardened_mode,
        wrote=False,
        on_trial=False,
        refused_before=None,
    )
    return result.findings


def _authority(client: kube.Client, namespace: str) -> Iterator[x509.Certificate]:
    """Yield the certificates of the authority in use: that of the site before istiod's own."""
    for name, files in _FILES.items():
        where = {"metadata.name": name}
        for secret in kube.list_kind(client, Secret, namespace=namespace, fields=where) or ():
            data: Mapping[str, str] = secret.data or {}
            found = list(_certificates(data.get(file, "") for file in files))
            if found:
                yield from found
                return


def _certificates(texts: Iterable[str]) -> Iterator[x509.Certificate]:
    """Yield the certificates of base64 texts; what cannot be read is left out."""
    for text in texts:
        try:
            yield from x509.load_pem_x509_certificates(base64.b64decode(text))
        except ValueError:
            continue


def _as_json(found: Iterable[check_rows.Row]) -> str:
    return tables.as_json([row.data for row in found])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
