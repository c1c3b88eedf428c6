# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Maps of models of any size, the same ones in each run, and one whose names are hostile."""

import json
import random
from collections.abc import Iterator

from istio_ambient import resources
from istio_ambient.authorization import evaluator
from istio_ambient.explain import access_page

MODEL = "shop"
HOSTILE = (
    "</script><script>window.hacked=1</script>",
    '"><img src=x onerror="window.hacked=1">',
    "<!--<script>",
    "__proto__",
    "constructor",
    "a\u2028b\u0000\u202e",
    "${window.hacked=1}{{window.hacked=1}}",
)
_KINDS = ("api", "web", "worker", "db", "gateway", "sync", "store", "index")
_WORDS = ("cart", "order", "payment", "catalog", "user", "billing", "search", "mail", "ledger")
_OPERATIONS = ("GET /api/*, /health", "GET, POST", evaluator.ANY_OPERATION, "GET /details/*")


def names(count: int) -> list[str]:
    """Return names of applications."""
    pairs = [f"{word}-{kind}" for kind in _KINDS for word in _WORDS]
    return [
        pairs[n % len(pairs)] + (f"-{n // len(pairs)}" if n >= len(pairs) else "")
        for n in range(count)
    ]


def policy(target: str, source: str) -> evaluator.PolicyRef:
    """Return a policy of the beacon that an application requested."""
    requested = {source: [f"{target}:service-mesh policies[0]"]}
    annotations = {
        resources.OWNER_ANNOTATION: "shop/istio-beacon-k8s",
        resources.REQUESTED_BY: json.dumps(requested),
    }
    return evaluator.PolicyRef(
        MODEL, f"policy-{target}", rule=0, metadata={"annotations": annotations}
    )


def map_of(applications: list[str], seed: int = 1) -> access_page.Map:
    """Return the map of a model: each application calls some of the others, Prometheus all.

    With hardened mode, nobody reaches an application that no other calls; without, anybody.
    """
    chance = random.Random(seed)  # noqa: S311 - not for a secret
    requested = list(_calls(applications, chance))
    reached = {access.destination for access in requested}
    alone = [app for app in applications if f"{MODEL}/{app}" not in reached]
    anybody = [
        evaluator.Access(
            "*", f"{MODEL}/{app}", evaluator.ANY_OPERATION, client=evaluator.Client.ANY
        )
        for app in alone
    ]
    closed = [evaluator.Destination.service(MODEL, app) for app in alone]
    return access_page.Map(
        model=MODEL,
        scope=f"model {MODEL}",
        made="2026-11-26 12:00 UTC",
        hardened=True,
        entries_by_mode={True: [*requested, *closed], False: [*requested, *anybody]},
    )


def _calls(applications: list[str], chance: random.Random) -> Iterator[evaluator.Access]:
    for number, app in enumerate(applications):
        target = f"{MODEL}/{app}"
        before = applications[max(0, number - 40) : number]
        for caller in chance.sample(before, min(chance.randrange(4), len(before))):
            source = f"{MODEL}/{caller}"
            yield evaluator.Access(
                source,
                target,
                chance.choice(_OPERATIONS),
                ports=(8080,),
                unless=("DELETE",) if chance.random() < 0.1 else (),
                policies=(policy(app, source),),
            )
        if number % 12 == 0:
            yield evaluator.Access(
                f"{MODEL}/istio-ingress-k8s-istio",
                target,
                evaluator.ANY_OPERATION,
                kind=evaluator.DestinationKind.WORKLOAD,
                client=evaluator.Client.GATEWAY,
                policies=(policy(app, "shop/istio-ingress-k8s-istio"),),
            )
        if number % 3 == 1:
            yield evaluator.Access(
                "cos/prometheus",
                target,
                "GET /metrics",
                ports=(9090,),
                kind=evaluator.DestinationKind.WORKLOAD,
                proxy=evaluator.Proxy.ZTUNNEL,
                policies=(policy(app, "cos/prometheus"),),
            )


def bookshop() -> access_page.Map:
    """Return the map of a small model, whose lines have texts."""
    return map_of(["productpage", "details", "reviews", "ratings", "postgresql"], seed=5)


def hostile() -> access_page.Map:
    """Return a map whose names and operations look like markup and scripts."""
    accesses = [
        evaluator.Access(
            f"{MODEL}/{text}",
            f"{MODEL}/{text}!",
            text,
            unless=(text,),
            policies=(policy(text, text),),
        )
        for text in HOSTILE
    ]
    scope = f"model {HOSTILE[0]}"
    return access_page.Map(HOSTILE[0], scope, HOSTILE[1], False, {True: [], False: accesses})
