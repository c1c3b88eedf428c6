# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Wires that no case of a whole charm detects, and for which no other test has been shown to.

Each is to get a case, or a test that `TESTED_ALONE` names. None is to be added.
"""

from collections.abc import Mapping

OPEN: Mapping[str, str] = {
    "charm_of_istio_k8s: trial.run": "hardened on_trial",
    "istio_ambient.authorization._rule_sets: RuleSet": "operations",
    "istio_ambient.control_plane._desired: manifests.ControlPlane": "mesh_config_annotations",
    "istio_ambient.control_plane._mesh_ca: _check_signer": "is_root",
    "istio_ambient.control_plane._mesh_ca: _signers.signing_defect": "is_root",
    "istio_ambient.control_plane._signers: Defect": "message remedy",
    "istio_ambient.control_plane._signers: _is_for_servers_and_clients": "or_any",
    "istio_ambient.ingress.routing._routes: msgspec.structs.replace": "missing",
    "istio_ambient.integrations.gateway_certificate: self._relations.of": "forgotten",
}
"""Module and callee → parameters."""
