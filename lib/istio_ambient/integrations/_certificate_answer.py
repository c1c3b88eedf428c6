# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What follows for the gateway from the relation with a certificate authority."""

import dataclasses

from istio_ambient import ingress
from istio_ambient.values.problems import Problem


@dataclasses.dataclass(frozen=True)
class Answer:
    """The certificate to use now, and the problems with what was issued."""

    tls: ingress.Tls = dataclasses.field(default_factory=ingress.Tls)
    problems: tuple[Problem, ...] = ()
