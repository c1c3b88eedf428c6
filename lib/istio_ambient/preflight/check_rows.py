# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The rows of the action `check`: every condition, and what a mesh that is installed adds."""

import datetime
import enum
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from cryptography import x509

from istio_ambient import kube
from istio_ambient.preflight._conditions import Area, Cluster, Condition, Effect, problem
from istio_ambient.values.problem_codes import Code, Severity
from istio_ambient.values.problems import Problem, coded

EXPIRY = datetime.timedelta(days=60)
"""How long before its end an authority is reported: its successor has to reach every workload."""

_DATA_PLANE = frozenset({Code.PROXY_REFUSES, Code.PROXY_BEHIND, Code.PROXY_NOT_CONNECTED})
_POLICIES = frozenset(
    {
        Code.POLICY_NOT_ACCEPTED,
        Code.POLICY_NOT_SEEN,
        Code.POLICY_NOT_DELETED,
        Code.AUTHORIZER_UNKNOWN,
    }
)


class State(enum.StrEnum):
    """The state of a row."""

    HOLDS = "holds"
    FAILS = "fails"
    WARNS = "warns"
    OPEN = "open"
    """It is about nothing that is in the cluster, or is not known yet."""


SIGNS = {
    State.HOLDS: "\N{SQUARE ROOT}",
    State.FAILS: "\N{MULTIPLICATION SIGN}",
    State.WARNS: "\N{DOUBLE EXCLAMATION MARK}",
    State.OPEN: "-",
}


class Row(msgspec.Struct, frozen=True):
    """One row."""

    area: Area
    name: str
    """For programs; it stays."""
    title: str
    """What holds where nothing is wrong."""
    state: State
    note: str = ""
    """Why it is open."""
    problem: Problem | None = None

    @property
    def data(self) -> dict[str, str]:
        """The row for programs: with a problem, its code, severity, place, remedy and page."""
        row = {
            "area": str(self.area),
            "check": self.name,
            "title": self.title,
            "state": str(self.state),
            "note": self.note,
        }
        if self.problem is None:
            return row
        found = self.problem
        text = {"where": found.where, "message": found.message, "remedy": found.remedy}
        return {**row, **text, **coded(found.code)}


class Installed(msgspec.Struct, frozen=True):
    """What is known of the control plane of this application; each is read as it is now."""

    options: Sequence[Problem] = ()
    """Problems of options, secrets and databags."""
    definitions: Sequence[Problem] = ()
    """Problems of custom resource definitions."""
    workloads: Mapping[str, kube.Readiness | None] = msgspec.field(
        default_factory=dict[str, kube.Readiness | None]
    )
    """By name of the workload; None: it is not installed."""
    differences: Sequence[str] | None = None
    """Changes that a reconcile would make; None: nothing is installed."""
    reports: Sequence[kube.Readiness | Problem] | None = None
    """What istiods and ztunnels do not take; None: they were not asked."""
    authority: Sequence[x509.Certificate] = ()
    """Certificates of the mesh's authority, up to the root; empty: there is none yet."""
    pod_refusal: str = ""
    """Why the API server refuses pods like those of istio-cni; empty: it does not."""


def rows(
    conditions: Iterable[Condition], cluster: Cluster, installed: Installed, now: datetime.datetime
) -> list[Row]:
    """Return all rows, in the order of their areas.

    Args:
        conditions: the table.
        cluster: what they are about.
        installed: the control plane, as far as there is one.
        now: with a time zone.
    """
    found = [
        *itertools.chain.from_iterable(_of_condition(each, cluster) for each in conditions),
        *_of_problems(
            Area.CLUSTER,
            "pods",
            "a dry run creates pods like those of istio-cni",
            _refusals(installed.pod_refusal, cluster.model),
        ),
        *_of_problems(
            Area.CLUSTER, "definitions", "custom resource definitions fit", installed.definitions
        ),
        *_of_problems(
            Area.CONTROL_PLANE,
            "options",
            "options, secrets and databags are valid",
            installed.options,
        ),
        *_of_workloads(installed.workloads),
        _of_differences(installed.differences, cluster.app),
        *_of_reports(installed.reports),
        *_of_authority(installed.authority, now),
    ]
    order = list(Area)
    return sorted(found, key=lambda row: order.index(row.area))


def _of_condition(condition: Condition, cluster: Cluster) -> Iterator[Row]:
    row = Row(condition.area, condition.name, condition.title, State.HOLDS)
    if not condition.applies(cluster):
        yield msgspec.structs.replace(row, state=State.OPEN, note=f"{condition.about}: not in use")
        return
    problems = condition.problems(cluster)
    warns = condition.effect is Effect.WARN or condition.code.severity is Severity.WARNING
    state = State.WARNS if warns else State.FAILS
    yield from (msgspec.structs.replace(row, state=state, problem=each) for each in problems)
    if not problems:
        yield row


def _of_problems(area: Area, name: str, title: str, problems: Sequence[Problem]) -> Iterator[Row]:
    for each in problems:
        yield Row(area, name, title, State.FAILS, problem=each)
    if not problems:
        yield Row(area, name, title, State.HOLDS)


def _refusals(message: str, namespace: str) -> list[Problem]:
    """Return why pods may not be created; none: they may be."""
    if not message:
        return []
    forbidden = kube.is_of_pod_security(message)
    code = Code.POD_SECURITY if forbidden else Code.REFUSED_BY_ADMISSION
    remedy = kube.allow_any_pod(namespace) if forbidden else "exempt the namespace from it"
    return [problem(code, f"namespace {namespace}", message, remedy)]


_NOT_INSTALLED = "not installed yet"


def _of_workloads(workloads: Mapping[str, kube.Readiness | None]) -> Iterator[Row]:
    for name, readiness in workloads.items():
        area = Area.CONTROL_PLANE if name == "istiod" else Area.DATA_PLANE
        row = Row(area, name, f"all pods of {name} are ready", State.HOLDS)
        if readiness is None:
            yield msgspec.structs.replace(row, state=State.OPEN, note=_NOT_INSTALLED)
        elif readiness.ready:
            yield row
        else:
            found = _problem_of(readiness)
            yield msgspec.structs.replace(row, state=State.FAILS, problem=found)


def _of_differences(differences: Sequence[str] | None, app: str) -> Row:
    row = Row(Area.CONTROL_PLANE, "objects", "objects in the cluster are as desired", State.HOLDS)
    if differences is None:
        return msgspec.structs.replace(row, state=State.OPEN, note=_NOT_INSTALLED)
    if not differences:
        return row
    message = f"{len(differences)} to change: {', '.join(differences)}"
    remedy = f"juju run {app}/leader reconcile"
    found = problem(Code.RESTORED, "objects", message, remedy)
    return msgspec.structs.replace(row, state=State.WARNS, problem=found)


def _of_reports(reports: Sequence[kube.Readiness | Problem] | None) -> Iterator[Row]:
    titles = {
        Area.CONTROL_PLANE: ("configuration", "istiod answers, and uses the configuration"),
        Area.DATA_PLANE: ("proxies", "ztunnels accept their configuration"),
        Area.POLICIES: ("accepted", "istiod accepts the policies of this application"),
    }
    found = [
        each if isinstance(each, Problem) else _problem_of(each)
        for each in reports or ()
        if isinstance(each, Problem) or not each.ready
    ]
    for area, (name, title) in titles.items():
        if reports is None:
            yield Row(area, name, title, State.OPEN, note=_NOT_INSTALLED)
            continue
        here = [each for each in found if _area_of(each.code) is area]
        for each in here:
            warns = each.code.severity is Severity.WARNING
            state = State.WARNS if warns else State.FAILS
            yield Row(area, name, title, state, problem=each)
        if not here:
            yield Row(area, name, title, State.HOLDS)


def _area_of(code: Code) -> Area:
    if code in _DATA_PLANE:
        return Area.DATA_PLANE
    return Area.POLICIES if code in _POLICIES else Area.CONTROL_PLANE


def _problem_of(wait: kube.Readiness) -> Problem:
    return Problem("", wait.what, "", message=wait.reason, remedy=wait.remedy, code=wait.code)


def _of_authority(authority: Sequence[x509.Certificate], now: datetime.datetime) -> Iterator[Row]:
    title = f"the mesh's certificate authority is valid for {EXPIRY.days} days or longer"
    row = Row(Area.CERTIFICATES, "authority", title, State.HOLDS)
    if not authority:
        yield msgspec.structs.replace(row, state=State.OPEN, note="there is none yet")
        return
    end = min(each.not_valid_after_utc for each in authority)
    if end - now > EXPIRY:
        yield row
        return
    is_over = end <= now
    message = f"{'expired' if is_over else 'expires'} on {end:%Y-%m-%d}"
    found = problem(Code.MESH_CA_EXPIRES, "certificate authority", message, "renew it")
    yield msgspec.structs.replace(
        row, state=State.FAILS if is_over else State.WARNS, problem=found
    )


def text(found: Iterable[Row]) -> str:
    """Return rows as text for people, by area."""
    blocks: list[str] = []
    for area, group in itertools.groupby(found, key=lambda row: row.area):
        lines = [line for row in group for line in _lines(row)]
        blocks.append("\n".join((str(area), "-" * len(area), *lines)))
    return "\n\n".join(blocks)


def _lines(row: Row) -> Iterator[str]:
    note = f" ({row.note})" if row.note else ""
    yield f"{SIGNS[row.state]} {row.title}{note}"
    if row.problem is not None:
        yield f"    {row.problem.code} {row.problem.where}: {row.problem.message}"
        if row.problem.remedy:
            yield f"    remedy: {row.problem.remedy}"
        yield f"    see {row.problem.code.link}"
