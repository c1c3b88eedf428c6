# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Sends the requests of pairs, and compares the responses with the evaluator's verdicts."""

import collections
import dataclasses
import enum
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable

from istio_ambient.authorization import evaluator
from istio_ambient.authorization.evaluator import Reason

from tests import authorization_cases, lab
from tests.authorization_cases import Layer
from tests.lab.truth import _bed
from tests.lab.truth._batches import Batch, Pair
from tests.lab.truth._bed import Bed, Manifest

PATIENCE = 3.0
"""Seconds after which a proxy with another verdict counts as a disagreement."""
LOG_PATIENCE = 20.0
"""Seconds within which Envoy flushes its log."""
_, _REFUSES = authorization_cases.PROVIDERS
_DENIED = re.compile(
    r"rbac_access_denied_matched_policy\[(?:istio-ext-authz-[a-z]+-)?(\S*?)"
    r'(?:-deny-due-to-bad-CUSTOM-action)?\] .*"truth-(\d+)"'
)


_numbers = itertools.count(1)


class Kind(enum.StrEnum):
    """The kind of a verdict."""

    ALLOWED = "allowed"
    DENIED = "denied by DENY, or by another object"
    LACKING = "denied by lack of ALLOW"
    CONDITIONAL = "conditional"


@dataclasses.dataclass(frozen=True)
class Disagreement:
    """A request for which the verdicts of the evaluator and of a proxy differ."""

    pair: Pair
    policies: tuple[Manifest, ...]
    evaluated: str
    seen: str

    @property
    def headline(self) -> str:
        """The request and both verdicts, without the policies."""
        return f"{self.pair}\n  evaluator: {self.evaluated}\n  proxies:   {self.seen}"

    def __str__(self) -> str:
        lines = [self.headline]
        for each in self.policies:
            where = f"{each['metadata']['namespace']}/{each['metadata']['name']}"
            lines.append(f"{where}: {json.dumps(each['spec'])}")
        return "\n  ".join(lines)


@dataclasses.dataclass
class Tally:
    """The counts of a comparison."""

    kinds: collections.Counter[tuple[Layer, Kind]] = dataclasses.field(
        default_factory=collections.Counter[tuple[Layer, Kind]]
    )
    senders: int = 0
    """Pairs that a pod sent through its own ztunnel."""
    late: int = 0
    """Requests that agreed when sent again: the proxy had older policies at first."""
    disagreements: list[Disagreement] = dataclasses.field(default_factory=list[Disagreement])

    def count(self, layer: Layer) -> int:
        """Return the number of pairs at a layer."""
        return sum(number for (where, _), number in self.kinds.items() if where is layer)

    def share(self, kind: Kind) -> float:
        """Return the share of a verdict among all pairs."""
        of_kind = sum(number for (_, what), number in self.kinds.items() if what is kind)
        return of_kind / max(self.kinds.total(), 1)

    def __str__(self) -> str:
        l4, l7 = self.count(Layer.L4), self.count(Layer.L7)
        found = len(self.disagreements)
        layers = f"{l4} at L4, {l7} at L7, {self.senders} by a pod's own ztunnel"
        return f"truth: {self.kinds.total()} pairs ({layers}), {found} disagreements"


class Trial:
    """Sends pairs, and counts the results.

    Args:
        bed: the mesh under test.
        progress: called with a line of text for each result.
    """

    def __init__(self, bed: Bed, progress: Callable[[str], None]):
        self.bed = bed
        self.tally = Tally()
        self._progress = progress
        self._sent = 0
        self._refused: dict[int, tuple[Pair, Batch, str]] = {}

    def run(self, batches: Iterable[Batch]) -> None:
        """Try batches, one after the other."""
        for batch in batches:
            self.bed.put(batch.policies)
            evaluation = evaluator.Evaluator(self.bed.snapshot(batch.policies))
            with self.bed.cluster.keeping_connections():
                doubtful = [
                    pair for pair in batch.pairs if not self._agreed(evaluation, batch, pair)
                ]
                if doubtful:
                    # A proxy may not have received the policies yet.
                    time.sleep(PATIENCE)
                for pair in doubtful:
                    self._again(evaluation, batch, pair)
            self._progress(str(self.tally))

    def compare_reasons(self) -> None:
        """Compare the refusing rules with those that the waypoint's access log names."""
        named = self._named()
        known = {each.pair for each in self.tally.disagreements}
        for number, (pair, batch, expected) in self._refused.items():
            if pair in known:
                continue
            if named.get(number) != expected:
                seen = f"refused by {named.get(number, 'no rule that the log names')}"
                self._disagree(pair, batch, f"refused by {expected}", seen)

    def _agreed(self, evaluation: evaluator.Evaluator, batch: Batch, pair: Pair) -> bool:
        """Count a pair, and return whether the proxies agree at once."""
        verdict = evaluated(self.bed, evaluation, pair)
        self.tally.kinds[pair.layer, kind_of(verdict)] += 1
        self.tally.senders += pair.sender is not None
        response = self._send(pair)
        is_refused = verdict.decision is evaluator.Decision.DENIED
        # The authorizer's refusal comes before that of a policy, and names none.
        is_named = not any(_REFUSES in _asked(batch, hop.applied) for hop in verdict.hops)
        if is_refused and is_named and response.status == 403 and response.hop == "waypoint":
            self._refused[self._sent] = pair, batch, _expected_name(verdict)
        return _agrees(batch, pair, verdict, response)

    def _again(self, evaluation: evaluator.Evaluator, batch: Batch, pair: Pair) -> None:
        verdict, response = evaluated(self.bed, evaluation, pair), self._send(pair)
        if _agrees(batch, pair, verdict, response):
            self.tally.late += 1
        else:
            self._disagree(pair, batch, _evaluated_text(verdict), _seen_text(response))

    def _send(self, pair: Pair) -> lab.Response:
        self._sent = next(_numbers)
        return sent(self.bed, pair, self._sent)

    def _disagree(self, pair: Pair, batch: Batch, verdict: str, seen: str) -> None:
        self.tally.disagreements.append(Disagreement(pair, batch.policies, verdict, seen))
        self._progress(f"disagreement: {pair}\n  evaluator: {verdict}\n  proxies: {seen}")

    def _named(self) -> dict[int, str]:
        """Return the rule that each refusal names, by the number of the request."""
        deadline = time.monotonic() + LOG_PATIENCE
        while True:
            found = {
                int(number): name
                for log in self.bed.cluster.logs.glob(f"{_bed.NEAR}_{_bed.WAYPOINT}-*.log")
                for name, number in _DENIED.findall(log.read_text(errors="replace"))
            }
            if self._refused.keys() <= found.keys() or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def evaluated(bed: Bed, evaluation: evaluator.Evaluator, pair: Pair) -> evaluator.Verdict:
    """Return the evaluator's verdict on a pair."""
    call = pair.call
    where, name = pair.service
    target = evaluator.Destination.service(where, name)
    request = evaluator.Request(
        source=call.source,
        destination=target,
        port=call.port,
        method=call.method,
        path=bed.filled(call.path),
        host=call.host,
        headers={name: bed.filled(value) for name, value in call.headers},
        source_ip=bed.address_of(pair.sender) if pair.sender else call.source_ip,
    )
    return evaluation.evaluate(request)


def kind_of(verdict: evaluator.Verdict) -> Kind:
    """Return the kind of a verdict."""
    if verdict.decision is evaluator.Decision.CONDITIONAL:
        return Kind.CONDITIONAL
    if verdict.allowed:
        return Kind.ALLOWED
    hop = verdict.decisive
    denied = hop is not None and hop.reason is not evaluator.Reason.LACK_OF_ALLOW
    return Kind.DENIED if denied else Kind.LACKING


def sent(bed: Bed, pair: Pair, number: int) -> lab.Response:
    """Send a pair's request as its source, and return the response.

    Args:
        bed: the mesh under test.
        pair: the pair.
        number: identifies the request in a log.
    """
    call = pair.call
    # ztunnel decides about connections: none may remain from before a policy changed.
    own = {"host": call.host, "user-agent": f"truth-{number}", lab.CLOSE_HEADER: "true"}
    sender = pair.sender
    return bed.cluster.request(
        None if sender else call.source,
        f"{'/'.join(pair.service)}:{call.port}",
        method=call.method,
        path=bed.filled(call.path),
        headers={**own, **{name: bed.filled(value) for name, value in call.headers}},
        via="pod" if pair.layer is Layer.L4 and not sender else None,
        source_ip=None if sender else call.source_ip,
        pod=_bed.sender(sender) if sender else None,
        captured=sender is not None,
    )


def _agrees(batch: Batch, pair: Pair, verdict: evaluator.Verdict, response: lab.Response) -> bool:
    passes = _passes(batch, pair, verdict)
    return passes is None or passes == (response.hop == "application" and response.status == 200)


def _passes(batch: Batch, pair: Pair, verdict: evaluator.Verdict) -> bool | None:
    """Return whether a request has to pass; None: that depends on what its token says.

    Raises:
        ValueError: the verdict is conditional, though all that it depends on was given.
    """
    if verdict.decision is not evaluator.Decision.CONDITIONAL:
        return verdict.allowed
    found = [_passes_hop(batch, pair, hop) for hop in verdict.hops]
    return False if False in found else None if None in found else True


def _passes_hop(batch: Batch, pair: Pair, hop: evaluator.Hop) -> bool | None:
    if hop.decision is not evaluator.Decision.CONDITIONAL:
        return hop.decision is evaluator.Decision.ALLOWED
    if not hop.asks and not hop.checks_token:
        raise ValueError(f"a verdict that depends on nothing is conditional: {hop}")
    call = str(pair.call)
    has_valid = authorization_cases.VALID_TOKEN in call
    if hop.checks_token and not has_valid and authorization_cases.FORGED_TOKEN in call:
        return False
    if _REFUSES in _asked(batch, hop.asks):
        return None if hop.checks_token else False
    if hop.checks_token:
        is_alone = authorization_cases.FORGED_TOKEN not in call and "nonsense" not in call
        is_taken = is_alone and not _may_be_of_another(batch, pair)
        is_allowed = hop.reason is Reason.UNAUTHORIZED and is_taken
        return True if is_allowed else None
    return True


def _may_be_of_another(batch: Batch, pair: Pair) -> bool:
    """Return whether some issuer that is asked for is not the one of valid tokens."""
    everywhere = {"gateway", "class", *_bed.BEHIND.values()}
    return any(
        rule["issuer"] != authorization_cases.ISSUER
        for each in batch.policies
        if each["metadata"]["name"] in {pair.service[1], *everywhere}
        for rule in each["spec"].get("jwtRules", ())
    )


def _asked(batch: Batch, refs: Iterable[evaluator.PolicyRef]) -> set[str]:
    """Return the external authorizers that policies name."""
    names = {(ref.namespace, ref.name) for ref in refs}
    return {
        each["spec"]["provider"]["name"]
        for each in batch.policies
        if (each["metadata"]["namespace"], each["metadata"]["name"]) in names
        and "provider" in each["spec"]
    }


def _evaluated_text(verdict: evaluator.Verdict) -> str:
    return "; ".join(
        f"{hop.proxy} {hop.where}: {hop.reason} ({hop.policy or 'none in particular'})"
        for hop in verdict.hops
    )


def _seen_text(response: lab.Response) -> str:
    return f"{response.status} by {response.hop} {response.error} {response.body[:100]!r}"


def _expected_name(verdict: evaluator.Verdict) -> str:
    """Return the name of the refusing rule in Envoy's log."""
    hop = verdict.hops[0]
    ref = hop.policy
    if hop.reason is not Reason.DENY or ref is None:
        return "none"
    return f"ns[{ref.namespace}]-policy[{ref.name}]-rule[{ref.rule}]"
