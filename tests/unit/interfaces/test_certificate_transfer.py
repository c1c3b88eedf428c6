# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

import json

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.interfaces import certificate_transfer
from istio_ambient.values.problems import Problem

from tests import authorities

ONE, TWO = authorities.pem("one"), authorities.pem("two")


def parse(
    certificates: object, *units: dict[str, str], **databag: str
) -> tuple[list[str], list[Problem]]:
    app_data = {"certificates": json.dumps(certificates), **databag}
    return certificate_transfer.parse(app_data, units, app="ca", endpoint="jwks-ca-cert")


def test_the_request_is_version_one():
    assert certificate_transfer.request() == {"version": "1"}


def test_all_certificates_once_and_in_order():
    certificates, problems = parse([TWO, ONE, TWO + ONE])
    assert problems == []
    assert certificates == sorted([ONE, TWO])


def test_an_invalid_certificate_is_dropped_and_the_others_stay():
    broken = ONE.replace("MII", "AAA", 1)
    for bad in ("no certificate", broken, TWO[:100], 3, None, ""):
        certificates, problems = parse([ONE, bad])
        assert certificates == [ONE]
        assert problems[0].field == "certificates[1]"


def test_a_key_beside_a_certificate_is_dropped():
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert parse([key + ONE])[0] == [ONE]


def test_certificates_of_version_zero_are_read_from_the_units():
    unit = {"ca": json.dumps(ONE), "certificate": json.dumps(ONE), "chain": json.dumps([ONE])}
    assert parse([], unit) == ([ONE], [])
    assert parse([], unit, version="1") == ([], [])
    assert parse([TWO], unit) == ([TWO], [])


def test_certificates_beyond_the_size_of_a_configmap_are_dropped_with_a_problem(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(certificate_transfer, "MAX_LENGTH", len(ONE) + 10)
    certificates, problems = parse([ONE, TWO])
    assert len(certificates) == 1
    assert "left out" in problems[0].message


@pytest.mark.parametrize("text", ["{", "{}", '"x"', "[" * 100_000])
def test_an_unreadable_list_is_a_problem(text: str):
    databag = {"certificates": text}
    certificates, problems = certificate_transfer.parse(databag, app="ca", endpoint="e")
    assert certificates == []
    assert problems


@hypothesis.given(
    st.text()
    | st.lists(st.text() | st.none() | st.integers()).map(json.dumps)
    | st.text(alphabet="ABC+/=\n -").map(
        lambda body: json.dumps(
            [f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----"]
        )
    )
)
def test_foreign_data_never_raises(text: str):
    databag = {"certificates": text}
    units = [{"chain": text}]
    assert certificate_transfer.parse(databag, units, app="ca", endpoint="e")[0] == []
