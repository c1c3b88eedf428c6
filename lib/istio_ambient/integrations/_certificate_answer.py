# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What follows for the gateway from the relation with a certificate authority."""

import msgspec

from istio_ambient import ingress
from istio_ambient.values.problems import Problem


class Answer(msgspec.Struct, frozen=True):
    """The certificate to use now, and the problems with what was issued."""

    tls: ingress.Tls = msgspec.field(default_factory=ingress.Tls)
    problems: tuple[Problem, ...] = ()
