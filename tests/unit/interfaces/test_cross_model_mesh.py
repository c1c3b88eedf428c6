# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

import pytest
from istio_ambient.interfaces import cross_model_mesh


def test_a_remote_application_publishes_its_cross_model_identity():
    data = {"cmr_data": json.dumps({"app_name": "prometheus", "juju_model_name": "cos", "new": 1})}
    remote, problems = cross_model_mesh.parse(data, app="remote-1", endpoint="provide-cmr-mesh")
    assert remote is not None
    assert (remote.app_name, remote.juju_model_name, problems) == ("prometheus", "cos", [])


def test_no_identity_is_no_problem():
    assert cross_model_mesh.parse({}, app="a", endpoint="e") == (None, [])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "cmr_data"),
        ("[]", "cmr_data"),
        ("null", "cmr_data"),
        ('{"app_name": "a"}', "cmr_data.juju_model_name"),
        ('{"app_name": "*", "juju_model_name": "m"}', "cmr_data.app_name"),
        ('{"app_name": "a", "app_name": "b", "juju_model_name": "m"}', "cmr_data"),
    ],
)
def test_an_invalid_identity_is_a_problem_with_its_place(text: str, field: str):
    remote, (problem,) = cross_model_mesh.parse({"cmr_data": text}, app="a", endpoint="e")
    assert remote is None
    assert (problem.app, problem.endpoint, problem.field) == ("a", "e", field)
    assert problem.remedy
