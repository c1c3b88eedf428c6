# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ask whether istiods use the applied MeshConfig, and whether proxies live with it."""

from collections.abc import Sequence

import msgspec
from lightkube.resources.core_v1 import ConfigMap

from istio_ambient import acceptance, control_plane, kube
from istio_ambient.acceptance import Finding, Report
from istio_ambient.cluster import acceptance as asked


class Result(msgspec.Struct, frozen=True):
    """What istiods and proxies make of the applied MeshConfig."""

    findings: list[Finding]
    refused: bool = False
    """Whether an istiod has dropped it, or proxies began to refuse something with it."""
    words: str = ""
    """Of a proxy that began to refuse; empty: istiod dropped it, or nothing is refused."""
    in_use: bool = False
    """Whether every istiod that answers uses it, and no proxy began to refuse something."""


def refusals(client: kube.Client, namespace: str) -> frozenset[tuple[str, str]] | None:
    """Return what proxies refuse before a new MeshConfig is applied; None: unknown.

    Args:
        client: sends two requests.
        namespace: of istiod.
    """
    try:
        istiods = asked.connect(client, namespace, ours=True)
    except kube.RequestError:
        return None
    reports = istiods.ask()
    known = reports and not any(report.fault or report.is_foreign for report in reports)
    return acceptance.refusals(reports) if known else None


def run(
    client: kube.Client,
    live: kube.Live,
    *,
    hardened: bool,
    wrote: bool,
    on_trial: bool,
    refused_before: frozenset[tuple[str, str]] | None,
) -> Result:
    """Ask every istiod, and return what follows.

    Args:
        client: sends two requests.
        live: objects of istio-k8s after this hook's writes.
        hardened: whether hardened mode is on.
        wrote: whether the hook wrote something.
        on_trial: whether the overlay of `mesh-config` is in it, and has not been in use before;
            istiods are given time then, also where the hook wrote nothing.
        refused_before: what proxies refused before this hook wrote a MeshConfig; None: unknown,
            or it wrote none.
    """
    applied = live.get(ConfigMap, control_plane.CONFIG_MAP, live.identity.namespace)
    if applied is None:
        return Result(asked.policies(live))
    try:
        istiods = asked.connect(client, live.identity.namespace, ours=True)
    except kube.RequestError as error:
        return Result([*asked.policies(live), asked.unknown(error, live.identity)])
    found = asked.policies(live, istiods)
    manifest = kube.manifest_of(applied)
    marker = acceptance.marker_in(str(kube.section(manifest, "data").get("mesh", "")))
    reports = asked.settled(istiods.ask, wrote=wrote or on_trial, marker=marker)
    # Both times are of the API server's clock: another one would say so too early, or never.
    late = istiods.now is not None and acceptance.is_settled(manifest, istiods.now)
    found += acceptance.mesh_findings(
        reports, marker, hardened=hardened, late=late, on_trial=on_trial
    )
    found += acceptance.ztunnel_findings(reports)
    words = "" if refused_before is None else _new_words(reports, refused_before)
    dropped = late and acceptance.is_dropped(reports, marker)
    in_use = not words and acceptance.is_in_use(reports, marker)
    return Result(found, dropped or bool(words), words, in_use)


def _new_words(reports: Sequence[Report], before: frozenset[tuple[str, str]]) -> str:
    """Return the words of the first proxy that refuses what it did not refuse before."""
    return next(
        (
            each.error
            for report in reports
            for proxy in report.proxies
            for each in proxy.acknowledgements
            if acceptance.refusals([msgspec.structs.replace(report, proxies=(proxy,))]) - before
            and each.error
        ),
        "",
    )
