# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import pytest
import yaml
from istio_ambient.manifests import _log_formats, _mesh_messages, _mesh_overlay, _mesh_rules
from istio_ambient.values.problems import InvalidValueError

from tests import mesh_overlays


@pytest.mark.parametrize("name", mesh_overlays.ORDINARY)
def test_ordinary_overlays_are_accepted_as_they_are(name: str):
    overlay = mesh_overlays.ORDINARY[name]
    assert _mesh_overlay.parse_mesh_config(overlay) == yaml.safe_load(overlay)


def test_ordinary_overlays_are_many():
    assert len(mesh_overlays.ORDINARY) >= 30


@pytest.mark.parametrize("overlay", mesh_overlays.REFUSED)
def test_what_istiod_or_envoy_would_refuse_is_refused_by_field_with_a_remedy(overlay: str):
    with pytest.raises(InvalidValueError) as caught:
        _mesh_overlay.parse_mesh_config(overlay)
    assert caught.value.field == mesh_overlays.REFUSED[overlay]
    assert caught.value.remedy


KNOWN = _mesh_overlay.mesh_config_fields()
MESSAGES = {_mesh_overlay.plain_name(name): each for name, each in KNOWN.messages.items()}
TYPED = {"bool", *KNOWN.enums, *KNOWN.messages}


def test_rules_are_about_fields_that_exist():
    for name, rules in _mesh_rules.RULES.items():
        assert rules.keys() <= MESSAGES[name].fields.keys(), name
    for fields in (_mesh_messages.REQUIRED, _mesh_messages.NOT_EMPTY, _mesh_messages.EXCLUSIVE):
        for name, names in fields.items():
            assert set(names) <= _mesh_rules.RULES[name].keys(), name
    assert _mesh_messages.CHECKS.keys() <= _mesh_rules.RULES.keys()
    for field in (*_mesh_rules.KEYS, *_mesh_rules.ENTRIES):
        name, _, member = field.rpartition(".")
        assert MESSAGES[name].fields[member].startswith("map of ")


def test_every_message_that_a_rule_lets_in_has_rules():
    for name, rules in _mesh_rules.RULES.items():
        for field in rules:
            kind = MESSAGES[name].fields[field].removeprefix("list of ").removeprefix("map of ")
            if kind in KNOWN.messages:
                assert _mesh_overlay.plain_name(kind) in _mesh_rules.RULES, f"{name}.{field}"


def test_only_types_with_a_few_values_are_accepted_without_a_check_of_the_value():
    unchecked = {
        f"{name}.{field}"
        for name, rules in _mesh_rules.RULES.items()
        for field, check in rules.items()
        if check is _mesh_rules.v.accept
        and MESSAGES[name].fields[field].removeprefix("list of ").removeprefix("map of ")
        not in TYPED
    }
    # Checked together with the encoding, or key by key.
    assert unchecked == {"MeshConfig.accessLogFormat", *_mesh_rules.ENTRIES}


def test_deep_and_long_formats_are_refused_and_do_not_fail():
    deep = '{"a": ' * 20 + "1" + "}" * 20
    for text in (deep, '{"a":' * 5000, "[]", "{", '{"a": NaN}', '{"a": null}'):
        with pytest.raises(InvalidValueError):
            _log_formats.check_json(text)
    with pytest.raises(InvalidValueError):
        _log_formats.check_text("x" * (_log_formats.MAX_LENGTH + 1))
