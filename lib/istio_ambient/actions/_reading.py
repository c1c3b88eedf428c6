# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Actions that only read: their parameters, their results, and how they fail."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec
import ops

from istio_ambient import charm, kube
from istio_ambient.authorization import evaluator
from istio_ambient.charm import outward, parameters
from istio_ambient.cluster import istiod, mesh_snapshot
from istio_ambient.values import tables
from istio_ambient.values.problems import Problem

F = TypeVar("F")
Results: TypeAlias = dict[str, Any]


class ReadingActions(Generic[F]):
    """Answers actions of a charm from its facts and the cluster.

    Args:
        of: the charm, which declares these actions.
        answers: by the action's name: returns the results for its parameters.
    """

    EXPECTED: ClassVar[tuple[type[Exception], ...]] = ()
    """Exceptions whose message is meant for the operator, beside `ParameterError`."""

    def __init__(
        self,
        of: charm.ReconcilingCharm[F],
        answers: Mapping[str, Callable[[parameters.Params], Results]],
    ):
        self.charm = of
        # ops names the event of action `list-routes` so: `list_routes_action`.
        self._answers = {
            f"{name.replace('-', '_')}_action": each for name, each in answers.items()
        }

    def answer(self, event: ops.ActionEvent) -> None:
        """Set the results of an action, or fail it with the reason and the remedy."""
        if not self.charm.has_options:
            outward.fail(event, charm.NO_OPTIONS)
            return
        try:
            outward.set_results(event, self._answers[event.handle.kind](event.params))
        except (parameters.ParameterError, istiod.NoIstiodError, *self.EXPECTED) as error:
            outward.fail(event, str(error))
        except kube.RequestError as error:
            outward.fail(event, kube.fault_of(error, self.charm.identity).text)

    def read(self) -> tuple[istiod.Istiod, evaluator.Snapshot]:
        """Return the control plane of the cluster, and the objects that decide who may reach whom.

        Raises:
            NoIstiodError: there is no istiod, or more than one.
            kube.RequestError: the cluster cannot be read.
        """
        client = self.charm.client
        found = istiod.find(client)
        return found, mesh_snapshot.read(
            client, found.root_namespace, auto_allow=found.auto_allow, mesh=found.mesh
        )


def as_json(entries: Sequence[Any]) -> str:
    """Return structs as a JSON list of objects."""
    return tables.as_json(msgspec.to_builtins(entries))


def problems_as_json(problems: Sequence[Problem]) -> str:
    """Return problems as a JSON list of objects, with their codes and links."""
    return tables.as_json([problem.data for problem in problems])


def whole(text: str) -> str:
    """Return a text that is useless in part.

    Raises:
        ParameterError: it is longer than a result may be.
    """
    if len(text) > tables.MAX_RESULT:
        raise parameters.ParameterError(
            "the result is too long: specify more members of the request"
        )
    return text
