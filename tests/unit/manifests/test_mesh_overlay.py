# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import pytest
import yaml
from istio_ambient.manifests.mesh_overlay import _check, _log_formats, _messages, _rules
from istio_ambient.values.problems import InvalidValueError

from tests import mesh_overlays


@pytest.mark.parametrize("name", mesh_overlays.ORDINARY)
def test_ordinary_overlays_are_accepted_as_they_are(name: str):
    overlay = mesh_overlays.ORDINARY[name]
    assert _check.parse_mesh_config(overlay) == yaml.safe_load(overlay)


def test_ordinary_overlays_are_many():
    assert len(mesh_overlays.ORDINARY) >= 30


@pytest.mark.parametrize("overlay", mesh_overlays.REFUSED)
def test_what_istiod_or_envoy_would_refuse_is_refused_by_field_with_a_remedy(overlay: str):
    with pytest.raises(InvalidValueError) as caught:
        _check.parse_mesh_config(overlay)
    assert caught.value.field == mesh_overlays.REFUSED[overlay]
    assert caught.value.remedy


KNOWN = _check.mesh_config_fields()
MESSAGES = {_check.plain_name(name): each for name, each in KNOWN.messages.items()}
TYPED = {"bool", *KNOWN.enums, *KNOWN.messages}


def test_rules_are_about_fields_that_exist():
    for name, rules in _rules.RULES.items():
        assert rules.keys() <= MESSAGES[name].fields.keys(), name
    for fields in (_messages.REQUIRED, _messages.NOT_EMPTY, _messages.EXCLUSIVE):
        for name, names in fields.items():
            assert set(names) <= _rules.RULES[name].keys(), name
    assert _messages.CHECKS.keys() <= _rules.RULES.keys()
    for field in (*_rules.KEYS, *_rules.ENTRIES):
        name, _, member = field.rpartition(".")
        assert MESSAGES[name].fields[member].startswith("map of ")


def test_every_message_that_a_rule_lets_in_has_rules():
    for name, rules in _rules.RULES.items():
        for field in rules:
            kind = MESSAGES[name].fields[field].removeprefix("list of ").removeprefix("map of ")
            if kind in KNOWN.messages:
                assert _check.plain_name(kind) in _rules.RULES, f"{name}.{field}"


def test_only_types_with_a_few_values_are_accepted_without_a_check_of_the_value():
    unchecked = {
        f"{name}.{field}"
        for name, rules in _rules.RULES.items()
        for field, check in rules.items()
        if check is _rules.v.accept
        and MESSAGES[name].fields[field].removeprefix("list of ").removeprefix("map of ")
        not in TYPED
    }
    # Checked together with the encoding, or key by key.
    assert unchecked == {"MeshConfig.accessLogFormat", *_rules.ENTRIES}


def test_deep_and_long_formats_are_refused_and_do_not_fail():
    deep = '{"a": ' * 20 + "1" + "}" * 20
    for text in (deep, '{"a":' * 5000, "[]", "{", '{"a": NaN}', '{"a": null}'):
        with pytest.raises(InvalidValueError):
            _log_formats.check_json(text)
    with pytest.raises(InvalidValueError):
        _log_formats.check_text("x" * (_log_formats.MAX_LENGTH + 1))
