# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The lab: a real Kubernetes and Istio control plane on this machine, without containers.

Its users run in Linux namespaces of their own: `python -m tests.lab.run -- pytest tests/lab`.
"""

from tests.eventually import eventually
from tests.lab._audit import Audit, AuditEvent
from tests.lab._cluster import Cluster
from tests.lab._echo import CLOSE_HEADER
from tests.lab._footprint import Footprint
from tests.lab._grpc_call import Answer, grpc_call
from tests.lab._launcher import run_in_namespaces, start_in_namespaces
from tests.lab._namespaces import NotInsideError, inside
from tests.lab._network import CLIENT_ADDRESSES
from tests.lab._process import ComponentError
from tests.lab._requests import RequestError, Response
from tests.lab._workloads import APP_ANNOTATION

__all__ = [
    "APP_ANNOTATION",
    "CLIENT_ADDRESSES",
    "CLOSE_HEADER",
    "Answer",
    "Audit",
    "AuditEvent",
    "Cluster",
    "ComponentError",
    "Footprint",
    "NotInsideError",
    "RequestError",
    "Response",
    "eventually",
    "grpc_call",
    "inside",
    "run_in_namespaces",
    "start_in_namespaces",
]
