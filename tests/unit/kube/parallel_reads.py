# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Print how many of some new processes die in `kube.read_live`: `python -m … <processes>`.

Each process decodes each kind for the first time, in several threads between which Python switches
all the time. The answers are decoded as lightkube decodes them.
"""

import json
import os
import sys
from typing import Any, cast

from istio_ambient import gateways, kube, resources
from lightkube.core import decoders
from lightkube.resources import apps_v1, core_v1, discovery_v1

KINDS = (
    *gateways.KINDS,
    resources.AuthorizationPolicy,
    apps_v1.Deployment,
    core_v1.Service,
    core_v1.Namespace,
    discovery_v1.EndpointSlice,
)
METADATA = {
    "name": "a",
    "namespace": "shop",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}],
    "managedFields": [{"manager": "a", "operation": "Apply", "time": "2026-01-01T00:00:00Z"}],
}
ANSWER = json.dumps({"metadata": {"resourceVersion": "1"}, "items": [{"metadata": METADATA}] * 3})


class Answers:
    """Answers each LIST."""

    def list(self, res: Any, **_: Any) -> Any:
        """Return three objects of a kind."""
        content = ANSWER
        if res in (apps_v1.Deployment, discovery_v1.EndpointSlice) or "Autoscaler" in res.__name__:
            content = json.dumps({"metadata": {"resourceVersion": "1"}, "items": []})
        return cast(Any, decoders).decode_list(content.encode(), res)[2]


def dies() -> bool:
    """Read in a new process, and return whether it died."""
    process = os.fork()
    if process == 0:
        sys.setswitchinterval(1e-6)
        answers: Any = Answers()
        identity = resources.identity("shop", "a", frozenset(), kube.NO_ACCESS)
        os._exit(1 if kube.read_live(answers, identity, KINDS).unread else 0)
    _, status = os.waitpid(process, 0)
    return status != 0


if __name__ == "__main__":
    print(sum(dies() for _ in range(int(sys.argv[1]))))
