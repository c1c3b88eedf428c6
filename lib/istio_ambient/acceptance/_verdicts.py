# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What follows from the reports of all istiods about istiod itself and its MeshConfig."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from istio_ambient import kube
from istio_ambient.acceptance._marker import is_marker
from istio_ambient.acceptance._reports import Report
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import Problem

Finding: TypeAlias = Problem | kube.Readiness
"""A problem blocks; what is not ready is waited for."""

ISTIOD = "istiod"
_BUILT_IN = "runs with its built-in configuration"


def istiod_findings(reports: Iterable[Report]) -> Iterator[Finding]:
    """Yield what is wrong with istiods, as the status of beacon and ingress."""
    for report in reports:
        if report.is_foreign:
            remedy = "see the status of istio-k8s"
            yield _istiod_problem(Code.ISTIOD_BUILT_IN, _BUILT_IN, remedy)
        elif report.fault:
            reason = f"{report.fault}; whether changes are in force is not known"
            yield kube.Readiness(ISTIOD, ready=False, reason=reason, code=Code.ISTIOD_SILENT)


def mesh_findings(
    reports: Sequence[Report], marker: str, *, hardened: bool, late: bool, on_trial: bool = True
) -> Iterator[Finding]:
    """Yield why the applied MeshConfig is not in use everywhere, as the status of istio-k8s.

    Args:
        reports: of all istiods, with their MeshConfig.
        marker: of the applied MeshConfig.
        hardened: whether hardened mode is on, which depends on the root namespace.
        late: whether istiods have had the time to take it.
        on_trial: whether it may be the overlay of `mesh-config` that they do not take.
    """
    remedy = "correct config mesh-config" if on_trial else "its log says why"
    effect = ", so hardened mode may be open" if hardened else ""
    for report in reports:
        if report.is_foreign or (late and _is_built_in(report)):
            yield _istiod_problem(Code.ISTIOD_BUILT_IN, f"{_BUILT_IN}{effect}", remedy)
        elif report.fault:
            reason = f"{report.fault}; whether the configuration is in force is not known"
            yield kube.Readiness(ISTIOD, ready=False, reason=reason, code=Code.ISTIOD_SILENT)
        elif not _is_taken(report, marker):
            if late:
                message = "keeps an earlier configuration, it refuses the applied one"
                more = f"{remedy}; its log says why" if on_trial else remedy
                yield _istiod_problem(Code.MESH_CONFIG_NOT_USED, message, more)
            else:
                reason = "it does not use the applied configuration yet"
                code = Code.MESH_CONFIG_PENDING
                yield kube.Readiness(ISTIOD, ready=False, reason=reason, code=code)


def is_dropped(reports: Iterable[Report], marker: str) -> bool:
    """Return whether some istiod answered, and does not use the MeshConfig with this marker."""
    return any(r.is_foreign or (not r.fault and not _is_taken(r, marker)) for r in reports)


def is_in_use(reports: Sequence[Report], marker: str) -> bool:
    """Return whether every istiod that answered, one at least, uses the MeshConfig."""
    answered = [report for report in reports if not report.fault]
    return bool(marker and answered) and not is_dropped(answered, marker)


def needs_another_look(reports: Sequence[Report], marker: str = "") -> bool:
    """Return whether the reports may be better in a moment: something has not arrived yet.

    Args:
        reports: of all istiods.
        marker: of the MeshConfig that was applied; empty: not of interest.
    """
    behind = any(
        not each.is_current and not each.error
        for report in reports
        for proxy in report.proxies
        for each in proxy.acknowledgements
    )
    return behind or any(r.fault for r in reports) or bool(marker and is_dropped(reports, marker))


def _is_taken(report: Report, marker: str) -> bool:
    config = report.mesh_config
    return config is not None and marker in config.providers


def _is_built_in(report: Report) -> bool:
    """Return whether istiod uses no MeshConfig of ours, of this hook or of an earlier one."""
    config = report.mesh_config
    return config is not None and not any(map(is_marker, config.providers))


def _istiod_problem(code: Code, message: str, remedy: str) -> Problem:
    return Problem("", ISTIOD, "", message=message, remedy=remedy, code=code)
