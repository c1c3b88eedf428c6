# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Keys and values of Kubernetes labels, and the recommended labels that Juju sets.

Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ (syntax) and
https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/.
"""

import re
from typing import Annotated, TypeAlias

import pydantic

from istio_ambient.values import hostnames
from istio_ambient.values.validation import checked

NAME_LABEL = "app.kubernetes.io/name"
"""Juju selects the pods of an application by it; the value is the application's name."""
PART_OF_LABEL = "app.kubernetes.io/part-of"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
"""`juju` on the objects that Juju makes for an application."""

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def is_label_key(value: object) -> bool:
    """Return whether Kubernetes accepts this as the key of a label or taint: `[prefix/]name`."""
    if not isinstance(value, str):
        return False
    prefix, slash, name = value.rpartition("/")
    return bool(_NAME.fullmatch(name)) and (not slash or hostnames.is_dns_subdomain(prefix))


def is_label_value(value: object) -> bool:
    """Return whether Kubernetes accepts this as the value of a label; it may be empty."""
    return isinstance(value, str) and (value == "" or bool(_NAME.fullmatch(value)))


LabelKey: TypeAlias = Annotated[
    pydantic.StrictStr, checked(is_label_key, "not a label key", "use a Kubernetes label key")
]
LabelValue: TypeAlias = Annotated[
    pydantic.StrictStr,
    checked(is_label_value, "not a label value", "use a Kubernetes label value"),
]
