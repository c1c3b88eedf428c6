# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The policy that the page about managed mode shows is the one that the code makes."""

import yaml
from istio_ambient import authorization, kube

from tests.unit.docs import pages


def test_the_policy_of_the_page_is_made_of_the_access_request_that_it_describes():
    request = authorization.AccessRequest(
        authorization.Requester("details", "service-mesh"),
        "policies[0]",
        authorization.Target.service("shop", "details"),
        authorization.Source("shop", "productpage"),
        (
            authorization.Operation(
                ports=(9080,), methods=("GET",), paths=("/health", "/details/*")
            ),
        ),
    )
    (policy,) = authorization.policies([request], model="shop", app="istio-beacon-k8s")
    marker = "made by the code: tests/unit/docs/test_managed_mode.py"
    shown = yaml.safe_load(pages.block("explanation/managed-mode.md", marker))
    assert shown == kube.manifest_of(policy)
