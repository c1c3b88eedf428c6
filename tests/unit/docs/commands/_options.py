# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Values of options, as the charms themselves read them."""

from collections.abc import Iterator, Mapping

from istio_ambient import beacon, control_plane, ingress
from istio_ambient.values.config import CharmConfig

from tests.unit.docs.commands._charms import Charm

READERS: Mapping[str, type[CharmConfig]] = {
    "istio-k8s": control_plane.Config,
    "istio-beacon-k8s": beacon.Config,
    "istio-ingress-k8s": ingress.Config,
}


def refused(charm: Charm, given: Mapping[str, str]) -> Iterator[str]:
    """Yield the problems that a charm has with values of its options.

    Args:
        charm: a charm of the project.
        given: text by option, of the option's type.
    """
    if reader := READERS.get(charm.name):
        read = {
            name.replace("-", "_"): _typed(text, charm.options[name])
            for name, text in given.items()
            if charm.options[name] != "secret"
        }
        for problem in reader.model_validate(read).problems:
            yield f"{charm.name} {problem.field}: {problem.message}; {problem.remedy}"


def _typed(text: str, kind: str) -> object:
    if kind == "boolean":
        return text.lower() == "true"
    return int(text) if kind == "int" else text
