# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Who may reach whom, of one model or one application: as a table, JSON or a diagram."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from istio_ambient.authorization import evaluator, hardened_mode
from istio_ambient.explain import diagrams, origins, picture
from istio_ambient.explain.names import NO_CLIENT
from istio_ambient.values import tables
from istio_ambient.values.text import printable

Entry = evaluator.Access | evaluator.Destination
"""An access; or a destination that no source may reach."""
Render = Callable[[Sequence[Entry]], str]

NAMES = {
    evaluator.ANY_CLIENT: "any client",
    evaluator.ANY_IDENTITY: "any workload on the mesh",
    evaluator.OUTSIDE: "any client outside the mesh",
}
"""The text for sources that are no names."""
FORMS = ("table", "json", "dot", "mermaid", "svg")
HEADINGS = ("WHO", "MAY REACH", "WITH")
_BY = {
    evaluator.DestinationKind.SERVICE: "Service",
    evaluator.DestinationKind.WORKLOAD: "pods",
    evaluator.DestinationKind.POD: "pods",
}


_MOST_NAMED = 10
"""Applications that are named in a sentence."""
LARGEST_PICTURE = 40
"""Arrows of an SVG, which has a row for each source and target; `access_page` draws any number."""


class TooLargeError(ValueError):
    """A list that the form cannot show; the message has the form that can."""


@dataclasses.dataclass(frozen=True)
class AccessList:
    """The accesses of a model or application, and the destinations that they are about."""

    accesses: tuple[evaluator.Access, ...]
    destinations: tuple[evaluator.Destination, ...]
    """Destinations that no source may reach are among them."""
    not_weighed: tuple[str, ...] = ()
    """What the list leaves out, in words for an operator."""
    reached_by_nodes: tuple[str, ...] = ()
    """Applications that are more open to the nodes of their pods than to clients outside."""

    @property
    def entries(self) -> list[Entry]:
        """The accesses, and the destinations that no source may reach, sorted by destination.

        A destination is in here once, where neither its Service nor its pods may be reached.
        """
        reached = {each.destination for each in self.accesses}
        by_name = {_name(each): each for each in reversed(self.destinations)}
        unreached = [each for name, each in by_name.items() if name not in reached]
        return sorted([*self.accesses, *unreached], key=_order)


def access_list(snapshot: evaluator.Snapshot, model: str, app: str = "") -> AccessList:
    """Return who may reach whom in a model, into it and out of it.

    Args:
        snapshot: of the cluster.
        model: the model.
        app: if given, only the accesses from this application and to it. An access of any client
            is listed for its destination only.
    """
    reach = evaluator.Reach(snapshot)
    own = _names(reach.topology, model, app) if app else frozenset[str]()

    def concerns(name: str) -> bool:
        return name in own if app else name.startswith(f"{model}/")

    return AccessList(
        tuple(
            each
            for each in reach.all()
            if concerns(each.destination) or concerns(each.source) or each.source == f"{model}/*"
        ),
        tuple(each for each in reach.destinations() if concerns(_name(each))),
        reach.not_weighed,
        tuple(name for name in map(_name, reach.reached_by_nodes()) if concerns(name)),
    )


def _names(topology: evaluator.Topology, model: str, app: str) -> frozenset[str]:
    """Return the names of an application's Services and identities, and its own."""
    pods = topology.pods_of_application(evaluator.Destination.workload(model, app))
    services = (evaluator.key(each) for pod in pods for each in topology.services_of(pod))
    return frozenset(
        {
            f"{model}/{app}",
            *("/".join(key) for key in services),
            *map(evaluator.identity, pods),
        }
    )


def about_nodes(found: AccessList) -> str:
    """Return what processes on the nodes may reach, which the list leaves out; empty: no more."""
    names = found.reached_by_nodes
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    named = printable(", ".join(names[:_MOST_NAMED])) + more
    return (
        "processes on a pod's own node, such as the kubelet and pods with hostNetwork, pass by "
        f"ztunnel: they also reach the pods of {named}"
    )


def is_hardened(snapshot: evaluator.Snapshot) -> bool:
    """Return whether requests in the mesh are denied until a policy allows them."""
    root = snapshot.root_namespace
    return any(hardened_mode.is_meshwide(each, root) for each in snapshot.policies)


def table(entries: Sequence[Entry]) -> str:
    """Return entries as a table."""
    return tables.table(HEADINGS, map(row, entries), empty="nothing is on the mesh")


def json_form(*, hardened: bool) -> Render:
    """Return a function that returns entries as JSON; argument as for `forms`."""

    def render(entries: Sequence[Entry]) -> str:
        return tables.as_json([{**data(entry), "hardened": hardened} for entry in entries])

    return render


def drawing(
    draw: Callable[[Iterable[evaluator.Access], Sequence[str], str], str], title: str
) -> Render:
    """Return a function that draws entries as a diagram.

    Args:
        draw: `dot`, `mermaid` or `svg`.
        title: of the diagram.
    """

    def render(entries: Sequence[Entry]) -> str:
        accesses = [
            dataclasses.replace(each, destination=_target(each), operations=requests(each))
            for each in entries
            if isinstance(each, evaluator.Access)
        ]
        unreached = {_name(each) for each in entries if isinstance(each, evaluator.Destination)}
        names = unreached | {each.destination for each in accesses}
        return draw(accesses, sorted(names), title)

    return render


def forms(title: str, *, hardened: bool = False) -> Mapping[str, Render]:
    """Return the functions that render the list, by the name of the form (`FORMS`).

    Args:
        title: of diagrams.
        hardened: whether the list is of a mesh in hardened mode.
    """
    return {
        "table": table,
        "json": json_form(hardened=hardened),
        "dot": drawing(diagrams.dot, title),
        "mermaid": drawing(diagrams.mermaid, title),
        "svg": _legible(drawing(picture.svg, title)),
    }


def _legible(render: Render) -> Render:
    """Return a function that draws small lists, and refuses others: lines would hide the names."""

    def checked(entries: Sequence[Entry]) -> str:
        arrows = sum(isinstance(each, evaluator.Access) for each in entries)
        if arrows > LARGEST_PICTURE:
            message = f"svg: {arrows} arrows are illegible; use format=html, or app=<application>"
            raise TooLargeError(message)
        return render(entries)

    return checked


def row(entry: Entry) -> tuple[str, str, str]:
    """Return the cells of an entry under `HEADINGS`."""
    if isinstance(entry, evaluator.Destination):
        return NO_CLIENT, _name(entry), ""
    return who(entry), _target(entry), requests(entry)


def who(access: evaluator.Access) -> str:
    """Return the clients of an access: `any client but not shop/web`."""
    named = NAMES.get(access.source, access.source)
    return f"{named} but not {', '.join(access.excluded)}" if access.excluded else named


def requests(access: evaluator.Access) -> str:
    """Return the requests of an access: `GET /health on 80, but not: POST`."""
    ports = ", ".join(map(str, access.ports or access.other_than))
    placed = f"{'' if access.ports else 'not '}on {ports}" if ports else ""
    words = [access.operations, placed]
    if placed and access.operations == evaluator.ANY_OPERATION:
        words = [placed] if access.ports else words
    denied = "; ".join(access.unless)
    return " ".join(filter(None, words)) + (f", but not: {denied}" if denied else "")


def data(entry: Entry) -> dict[str, Any]:
    """Return the JSON object of an entry; `source` is null where no source may reach it."""
    if isinstance(entry, evaluator.Destination):
        return {"source": None, "target": _name(entry), "by": _BY[entry.kind]}
    return {
        "source": entry.source,
        "client": str(entry.client),
        "excluded": list(entry.excluded),
        "target": entry.destination,
        "by": _BY[entry.kind],
        "ports": list(entry.ports),
        "other-than": list(entry.other_than),
        "pods": list(entry.pods),
        "proxy": str(entry.proxy) if entry.proxy else None,
        "operations": entry.operations,
        "unless": list(entry.unless),
        "policies": [str(ref) for ref in entry.policies],
        "origins": [_origin(ref, entry.source) for ref in entry.policies],
    }


def _origin(ref: evaluator.PolicyRef, source: str) -> dict[str, Any]:
    """Return the JSON object of a policy's owner and of the requests recorded in the policy."""
    found = origins.recorded(ref, source)
    return {
        "policy": f"{ref.namespace}/{ref.name}",
        "owner": found.owner or None,
        "owner-is-certain": found.is_owner_certain,
        "requested-by": list(found.requested_by),
    }


def _order(entry: Entry) -> tuple[str, str, str]:
    if isinstance(entry, evaluator.Destination):
        return _name(entry), entry.kind, ""
    return entry.destination, entry.kind, entry.source


def _target(access: evaluator.Access) -> str:
    """Return the destination of an access: `shop/details`, `pods of shop/details`."""
    if access.kind is evaluator.DestinationKind.SERVICE:
        return access.destination
    named = f" ({', '.join(access.pods)})" if access.pods else ""
    return f"pods of {access.destination}{named}"


def _name(destination: evaluator.Destination) -> str:
    return f"{destination.namespace}/{destination.name}"
