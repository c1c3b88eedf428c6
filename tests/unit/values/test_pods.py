# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Resources, tolerations and node selectors in options, as Kubernetes' API accepts them."""

import pytest
from istio_ambient.values import pods


class Config(pods.PodsConfig):
    cni_resources: pods.ResourcesOption = pods.NO_RESOURCES
    cni_tolerations: pods.Tolerations = None
    cni_node_selector: pods.NodeSelector = pods.NO_LABELS


def problems(**options: object) -> list[str]:
    return [str(problem) for problem in Config.model_validate(options).problems]


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("999m", "1"),
        ("1", "1001m"),
        ("1k", "1Ki"),
        ("1023", "1Ki"),
        ("1Mi", "1.1Mi"),
        ("999999u", "1"),
        ("1n", "2n"),
        ("1e3", "1001"),
        ("1E", "1Ei"),
        ("9E-1", "1"),
        (".5", "0.6"),
        ("+1", "2."),
        ("1P", "1E"),
    ],
)
def test_a_request_is_compared_with_its_limit_as_a_number(less: str, more: str):
    assert (
        problems(cni_resources=f"{{requests: {{cpu: '{less}'}}, limits: {{cpu: {more}}}}}") == []
    )
    (refused,) = problems(
        cni_resources=f"{{requests: {{cpu: '{more}'}}, limits: {{cpu: '{less}'}}}}"
    )
    assert f"limits.cpu: {less!r} is less than the request, {more}" in refused


@pytest.mark.parametrize("amount", ["1K", "1ki", "1 Mi", "-1", "1e", "0x1", "", "1e3Mi", "1mi"])
def test_what_kubernetes_does_not_read_as_a_quantity(amount: str):
    (refused,) = problems(cni_resources=f"{{limits: {{memory: '{amount}'}}}}")
    assert refused.startswith(f"config cni-resources limits.memory: {amount!r} is no quantity; ")


@pytest.mark.parametrize(
    ("amount", "whole"),
    [
        ("2", True),
        ("1k", True),
        ("1e99", True),
        ("1500m", False),
        ("1e-99", False),
        ("0.5", False),
    ],
)
def test_other_resources_are_counted(amount: str, whole: bool):
    found = problems(cni_resources=f"{{limits: {{a.com/gpu: '{amount}'}}}}")
    assert found == [] if whole else "is not whole" in found[0]


def test_fields_that_were_not_given_are_not_in_the_manifest():
    config = Config.model_validate(
        {
            "cni_resources": "requests: {cpu: 1}",
            "cni_tolerations": "[{key: a}, {operator: Exists}, {key: b, value: ''}]",
        }
    )
    settings = config.pods("cni")
    assert settings.resources.manifest == {"requests": {"cpu": "1"}}
    assert [toleration.manifest for toleration in settings.tolerations or ()] == [
        {"key": "a"},
        {"operator": "Exists"},
        {"key": "b", "value": ""},
    ]


def test_every_invalid_field_of_an_option_is_named():
    found = problems(cni_tolerations="[{key: a b}, {key: a, effect: Never}, x]")
    assert [text.partition(": ")[0] for text in found] == [
        "config cni-tolerations [0].key",
        "config cni-tolerations [1].effect",
        "config cni-tolerations [2]",
    ]
