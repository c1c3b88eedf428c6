# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Simulates Juju for charms: their real code runs, against the lab's real API server."""

from tests.lab.juju import _decoders
from tests.lab.juju._controller import Controller, NotSettledError
from tests.lab.juju._endpoints import JujuError, Offer
from tests.lab.juju._hooks import ActionError, HookError
from tests.lab.juju._kubernetes import Marks
from tests.lab.juju._model import Model
from tests.lab.juju._requests import Request, Requests
from tests.lab.juju._status import AppStatus, Status, UnitStatus
from tests.lab.juju._terminal import Terminal

__all__ = [
    "ActionError",
    "AppStatus",
    "Controller",
    "HookError",
    "JujuError",
    "Marks",
    "Model",
    "NotSettledError",
    "Offer",
    "Request",
    "Requests",
    "Status",
    "Terminal",
    "UnitStatus",
]

# At import, because no thread of the lab runs yet.
_decoders.prepare()
