# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Options with an inside, read alike by every charm: YAML, pods' settings, and what is wrong.

`_yaml` reads strictly, `_pods` knows what Kubernetes takes for pods, `_applications` what names
Juju takes, `_problems` turns the errors of these, and of pydantic, into what a status shows.
"""

from istio_ambient.options._applications import trusted_requesters
from istio_ambient.options._error import OptionError, inside, shown
from istio_ambient.options._pods import (
    Amounts,
    Labels,
    Tolerations,
    parse_node_selector,
    parse_resources,
    parse_tolerations,
    resources_of,
)
from istio_ambient.options._problems import problems_of, refusal
from istio_ambient.options._yaml import mapping, sequence

__all__ = [
    "Amounts",
    "Labels",
    "OptionError",
    "Tolerations",
    "inside",
    "mapping",
    "parse_node_selector",
    "parse_resources",
    "parse_tolerations",
    "problems_of",
    "refusal",
    "resources_of",
    "sequence",
    "shown",
    "trusted_requesters",
]
