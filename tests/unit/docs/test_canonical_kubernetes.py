# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The rows of `check` that the page about Canonical Kubernetes names are rows of `check`."""

import datetime
import re

from istio_ambient import manifests, preflight
from istio_ambient.preflight import check_rows
from istio_ambient.values.problem_codes import Code

from tests.unit.docs import pages

PAGE = "how-to/canonical-kubernetes.md"
MARKER = "held equal to the code: tests/unit/docs/test_canonical_kubernetes.py"


def test_the_rows_have_their_titles_and_codes():
    now = datetime.datetime.now(datetime.UTC)
    around = preflight.Surroundings(kubernetes=manifests.MIN_KUBERNETES)
    empty = preflight.Cluster(around, manifests.Config(), model="istio-system", app="istio-k8s")
    titles = {row.title for row in check_rows.rows((), empty, check_rows.Installed(), now)}
    codes = {condition.title: condition.code for condition in preflight.CONDITIONS}
    assert "custom resource definitions fit" in titles
    codes["custom resource definitions fit"] = Code.DEFINITIONS_TOO_OLD
    for title, code, _ in pages.table(PAGE, MARKER):
        (shown,) = re.findall(r"CI-\d+", code.partition("]")[0])
        assert codes[title].id == shown, title
