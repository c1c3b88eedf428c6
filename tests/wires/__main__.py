# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m tests.wires [<part of a place>…]`: cut each wire, and report what no case detects.

With arguments only those wires are cut whose place, `<file>:<line>: <callee>(<parameter>)`, holds
one of them.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence

from tests.wires import _calls
from tests.wires._open import OPEN

SCOPE = (
    "charm_of_*",
    "istio_ambient.authorization._*",
    "istio_ambient.beacon.*",
    "istio_ambient.cluster.gateway_workloads",
    "istio_ambient.cluster.ingress_services",
    "istio_ambient.cluster.istiod",
    "istio_ambient.cluster.mesh_s*",
    "istio_ambient.cluster.surroundings",
    "istio_ambient.control_plane.*",
    "istio_ambient.gateways.*",
    "istio_ambient.ingress._*",
    "istio_ambient.ingress.authentication.*",
    "istio_ambient.ingress.model.*",
    "istio_ambient.ingress.objects.*",
    "istio_ambient.ingress.routing.*",
    "istio_ambient.integrations.*",
    "istio_ambient.manifests.*",
)
"""Modules whose wires are cut: all between options, databags and the cluster, and the objects.

Of `cluster`, modules that ask istiod and servers of keys are not among them: scenarios hold the
answers, and send no request for these.
"""

EQUIVALENT: Mapping[str, str] = {
    "msgspec.structs.replace(operations)": (
        "of a request without a source, which lets no client in: what clients may do has no effect"
    ),
    "msgspec.structs.replace(missing)": "of a redirect, whose backends nothing looks at",
    "kube.Live(identity)": "without live objects, which no charm is",
}
"""Wires whose cut has no effect, and why: `<callee>(<parameter>)`, wherever it stands."""

TESTED_ALONE: Mapping[str, str] = (
    {
        f"istio_ambient.{module}: {call}({name})": f"tests/unit/{test}.py"
        for module, call, names, test in (
            (
                "authorization._policies",
                "Provenance",
                "adopted complete",
                "authorization/test_policies",
            ),
            (
                "authorization._policies",
                "parts",
                "limit most",
                "authorization/test_policies",
            ),
            (
                "ingress.authentication._policies",
                "parts",
                "most",
                "ingress/test_authentication",
            ),
            (
                "ingress.routing._held",
                "msgspec.structs.replace",
                "requested_by",
                "ingress/test_conflicts",
            ),
            (
                "ingress.authentication._token_keys",
                "SigningKeys",
                "fault transient",
                "ingress/test_token_keys",
            ),
            ("ingress.authentication._token_rules", "Problem", "code", "ingress/test_token_rules"),
            (
                "ingress.authentication._token_rules",
                "_Use",
                "kind name way",
                "ingress/test_token_rules",
            ),
            (
                "ingress.authentication._token_rules",
                "rule.model_copy",
                "claim_to_headers from_headers",
                "ingress/test_token_rules",
            ),
            ("authorization._cluster", "ServiceFacts", "labels", "beacon/test_desired"),
            ("authorization._rule_sets", "RuleSet", "operations", "kube/test_apply"),
            ("control_plane._mesh_ca", "_check_signer", "is_root", "control_plane/test_mesh_ca"),
            (
                "control_plane._mesh_ca",
                "_signers.signing_defect",
                "is_root",
                "control_plane/test_mesh_ca",
            ),
            ("control_plane._signers", "Defect", "message remedy", "control_plane/test_mesh_ca"),
            (
                "control_plane._signers",
                "_is_for_servers_and_clients",
                "or_any",
                "control_plane/test_mesh_ca",
            ),
            ("gateways._membership", "kube.LabelPatch", "current", "beacon/test_desired"),
            (
                "beacon._exposures",
                "AccessRequest",
                "operations requester target",
                "beacon/test_exposures",
            ),
            (
                "beacon._extra_access",
                "validation.problem_of",
                "remedy shows_value",
                "beacon/test_extra_access",
            ),
            (
                "beacon._extra_requests",
                "AccessRequest",
                "established field requester target",
                "beacon/test_extra_access",
            ),
            (
                "cluster.mesh_snapshot",
                "evaluator.Snapshot",
                "nodes unread",
                "cluster/test_mesh_snapshot",
            ),
            ("ingress._ingress", "Desired", "excepted", "ingress/test_routes"),
            ("ingress.authentication._in_force", "InForce", "closed", "ingress/test_attached"),
            ("ingress.authentication._paths", "_Rule", "has_paths", "ingress/test_paths"),
            ("ingress.model._attached", "Match", "headers", "ingress/test_attached"),
            (
                "ingress.routing._backends",
                "self.ownership.backend_refusal",
                "external_name",
                "ingress/test_authentication",
            ),
            (
                "ingress.routing._served",
                "kube.Readiness",
                "reason what",
                "ingress/test_authentication",
            ),
            (
                "integrations.certificate_endpoint",
                "relations.of",
                "forgotten",
                "whole_charm/test_refused_by_juju",
            ),
        )
        for name in names.split()
    }
    | {
        f"charm_of_istio_k8s: {call}": "tests/unit/whole_charm/test_mesh_config_trial.py"
        for call in (
            "control_plane.RefusedOverlay(words)",
            "msgspec.structs.replace(taken)",
            "control_plane.Facts(taken)",
            "trial.run(refused_before)",
            "trial.run(wrote)",
        )
    }
    | {
        f"charm_of_istio_ingress_k8s: {call}(forgotten)": (
            "tests/unit/whole_charm/test_refused_by_juju.py"
        )
        for call in ("self._databags", "self.relations.of")
    }
)
"""Wires that no case of a whole charm detects, and the tests that hold what goes over them.

Each is `<module>: <callee>(<parameter>)`: the same call in another module has to be detected.
"""


def main(parts: Sequence[str]) -> int:
    """Cut wires; return 1 where one may be cut, or where a known one is not, else 0."""
    # Before anything of the library is imported.
    sys.meta_path.insert(0, _calls.Finder(SCOPE))
    from tests.unit.whole_charm import running, test_problem_codes, test_whole_charm
    from tests.wires import _check, _wires

    running.LOADER = _calls.Loader
    start = time.monotonic()
    trials = _check.trials_of(test_whole_charm.SUITES.values(), test_problem_codes.CASES)
    used = _check.uses(trials)
    wires = [
        wire
        for wire in _wires.wires(used)
        if not parts or any(part in _wires.place(wire) for part in parts)
    ]
    print(f"{len(trials)} cases, {len(wires)} wires", flush=True)
    check = _check.Check(used, trials, os.cpu_count() or 1)
    survivors = check.survivors(wires)
    pending = {f"{call}({name})" for call, names in OPEN.items() for name in names.split()}
    known = {*EQUIVALENT, *TESTED_ALONE, *pending}
    names = {wire: {_wires.label(wire), _wires.label_in_module(wire)} for wire in survivors}
    undetected = [wire for wire in survivors if known.isdisjoint(names[wire])]
    wrong = [] if parts else sorted(known.difference(*names.values()))
    for wire in undetected:
        print(f"{_wires.place(wire)}: no case detects that it is cut")
    for label in wrong:
        print(f"{label}: not a wire, or cases detect that it is cut; remove it from what is known")
    print(
        f"{len(pending)} of the wires that are known are to get a case: tests/wires/_open.py\n"
        f"{len(wires)} wires cut in {time.monotonic() - start:.0f} s, {check.runs} runs: "
        f"{len(undetected)} undetected, {len(survivors) - len(undetected)} known"
    )
    return 1 if undetected or wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
