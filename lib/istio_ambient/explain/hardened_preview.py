# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What hardened mode would change for every application on the mesh; nothing is changed.

What clients may do is compared with and without the policies of hardened mode.
"""

import collections
import dataclasses
import enum
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from istio_ambient import kube
from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.explain import access_list
from istio_ambient.values.text import printable

WIDTH = 78
"""Columns of the text: `juju run` indents it by two, and a terminal has 80."""


class Outlook(enum.StrEnum):
    """What becomes of an application in hardened mode."""

    CUT_OFF = "cut off"
    """Some client may reach it now, and none in hardened mode."""
    FEWER = "reachable for fewer"
    """Some clients lose access, or a part of it."""
    SAME = "stays as it is"
    CLOSED = "closed already"
    """No client may reach it now either."""


@dataclasses.dataclass(frozen=True, order=True)
class ApplicationPreview:
    """One application in hardened mode; the members are the keys of the action's JSON."""

    namespace: str
    application: str
    pods: int
    policies: tuple[str, ...]
    """Namespace and name of its ALLOW policies, without those of hardened mode."""
    admits: tuple[str, ...]
    """Clients that may reach it in hardened mode: `shop/productpage`, `any client`."""
    loses: tuple[str, ...]
    """Clients that lose access at its Services and pods, in whole or in part:
    `shop/details: any client but not shop/productpage`."""
    outlook: Outlook


def reaches(snapshot: evaluator.Snapshot) -> tuple[evaluator.Reach, evaluator.Reach]:
    """Return who may reach whom without hardened mode and with it."""
    root = snapshot.root_namespace
    others = tuple(each for each in snapshot.policies if not hardened_mode.is_meshwide(each, root))
    own = tuple(map(kube.manifest_of, hardened_mode.policies(root, "istio-k8s")))
    off = evaluator.Reach(dataclasses.replace(snapshot, policies=others))
    return off, evaluator.Reach(dataclasses.replace(snapshot, policies=(*others, *own)))


def previews(off: evaluator.Reach, on: evaluator.Reach) -> list[ApplicationPreview]:
    """Return each application on the mesh as it would be in hardened mode, sorted."""
    lost: dict[evaluator.Destination, list[evaluator.Difference]] = collections.defaultdict(list)
    for each in evaluator.differences(off, on):
        lost[_destination(each.where)].append(each)
    return sorted(
        _preview(off, on, application, targets, lost)
        for application, targets in _applications(off).items()
    )


def table(
    found: Sequence[ApplicationPreview],
    beacons: Iterable[str] = (),
    not_weighed: Sequence[str] = (),
) -> str:
    """Return a text with a paragraph for each application, at most 80 columns wide.

    Args:
        found: the applications.
        beacons: the beacons of the mesh, `<model>/<application>`, whose own preview has more.
        not_weighed: what the preview leaves out.
    """
    if not found:
        return "no application is on the mesh"
    counts = collections.Counter(each.outlook for each in found)
    summary = ", ".join(f"{counts[each]} {each}" for each in Outlook if counts[each])
    paragraphs = [summary, *("\n".join(_paragraph(each)) for each in found)]
    commands = [_command(*each.split("/")) for each in sorted(beacons)]
    if commands:
        paragraphs.append("\n".join(["the same for one beacon, request by request:", *commands]))
    paragraphs += ["\n".join(_wrapped("not weighed", not_weighed, indent=""))]
    return "\n\n".join(filter(None, paragraphs))


def _command(model: str, app: str) -> str:
    command = f"  juju run -m {model} {app}/leader preview"
    last = "hardened-mode=true"
    if len(command) + 1 + len(last) <= WIDTH:
        return f"{command} {last}"
    return f"  juju run -m {model} \\\n    {app}/leader preview {last}"


def _paragraph(each: ApplicationPreview) -> Iterator[str]:
    yield printable(f"{each.namespace}/{each.application}: {each.outlook}")
    yield from _wrapped("keeps", each.admits)
    yield from _wrapped("loses", each.loses)
    yield from _wrapped("policies", each.policies)


def _wrapped(title: str, items: Sequence[str], indent: str = "  ") -> list[str]:
    if not items:
        return []
    return textwrap.wrap(
        printable(f"{title}: {'; '.join(items)}"),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _applications(
    reach: evaluator.Reach,
) -> dict[tuple[str, str], list[evaluator.Target]]:
    """Return the targets by the application whose pods they are, or would be."""
    found: dict[tuple[str, str], list[evaluator.Target]] = collections.defaultdict(list)
    workload = evaluator.DestinationKind.WORKLOAD
    for target in reach.targets:
        destination = target.destination
        if destination.kind is workload:
            found[destination.namespace, destination.name].append(target)
    for target in reach.targets:
        if target.destination.kind is not workload:
            pods = reach.pods_of(target)
            names = {(target.destination.namespace, evaluator.application(pod)) for pod in pods}
            for each in names & found.keys():
                found[each].append(target)
    return found


def _preview(
    off: evaluator.Reach,
    on: evaluator.Reach,
    application: tuple[str, str],
    targets: Sequence[evaluator.Target],
    lost: dict[evaluator.Destination, list[evaluator.Difference]],
) -> ApplicationPreview:
    pods = on.topology.pods_of_application(evaluator.Destination.workload(*application))
    after = [access for target in targets for access in on.accesses(target)]
    destinations = sorted({target.destination for target in targets})
    loses = [_loss(each) for destination in destinations for each in lost[destination]]
    refs = {
        f"{policy.ref.namespace}/{policy.ref.name}"
        for target in targets
        for policy in off.policies(target)
        if policy.ref.action == "ALLOW"
    }
    if after:
        outlook = Outlook.FEWER if loses else Outlook.SAME
    else:
        outlook = Outlook.CUT_OFF if loses else Outlook.CLOSED
    return ApplicationPreview(
        *application,
        pods=len(pods),
        policies=tuple(sorted(refs)),
        admits=tuple(dict.fromkeys(access_list.who(access) for access in after)),
        loses=tuple(loses),
        outlook=outlook,
    )


def _loss(each: evaluator.Difference) -> str:
    """Return who loses what: `shop/details: any client`."""
    _, target, _ = access_list.row(each.where)
    text = f"{target}: {access_list.who(each.where)}"
    if each.after is None and each.before is not None:
        ports = access_list.requests(dataclasses.replace(each.before, operations="", unless=()))
        return f"{text} {ports}".rstrip()
    return f"{text}, all but {access_list.requests(each.where)}"


def _destination(access: evaluator.Access) -> evaluator.Destination:
    return evaluator.Destination(access.kind, *access.destination.split("/"))
