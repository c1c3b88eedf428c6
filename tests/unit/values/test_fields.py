# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Names, labels, headers, URLs and certificates: what the one validator of each accepts."""

from typing import Any

import pydantic
import pytest
from istio_ambient.values import certificates, headers, hostnames, labels, urls
from istio_ambient.values.problems import InvalidValueError

from tests.authorities import Authority


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", True),
        (labels.NAME_LABEL, True),
        ("A_b.c-1", True),
        ("x" * 63, True),
        ("x" * 64, False),
        ("a" * 253 + "/b", True),
        ("a" * 254 + "/b", False),
        ("a..b/c", False),
        ("a.-b/c", False),
        ("A.b/c", False),
        ("/b", False),
        ("a/", False),
        ("a/b/c", False),
        ("-a", False),
        ("a\n", False),
        ("", False),
        (1, False),
        (None, False),
    ],
)
def test_keys_of_labels(key: object, expected: bool):
    assert labels.is_label_key(key) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", True), ("a_B.1", True), ("x" * 64, False), ("a/b", False), ("-", False), (True, False)],
)
def test_values_of_labels(value: object, expected: bool):
    assert labels.is_label_value(value) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://A.example.com", ("http://a.example.com", "a.example.com", 80, "", "")),
        ("https://a:8443/b/?c=d", ("https://a:8443", "a", 8443, "/b/", "c=d")),
        ("http://[2001:db8::1]:80/", ("http://[2001:db8::1]:80", "2001:db8::1", 80, "/", "")),
    ],
)
def test_parts_of_a_url(text: str, expected: tuple[str, str, int, str, str]):
    url = urls.split(text)
    assert (url.base, url.host, url.port, url.path, url.query) == expected
    assert url.is_ip is (":" in url.host)


@pytest.mark.parametrize(
    "text",
    [
        "HTTP://a",
        "http://a:080",
        "http://[1.2.3.4]",
        "http://[::1%25lo]",
        "http://a.1b",
        "http://a.b.",
        "http://u:s3cret@a",
        "http://a/it's",
        "http://a#b",
        "http://" + "a" * 2048,
    ],
)
def test_urls_that_readers_do_not_agree_on_are_refused(text: str):
    with pytest.raises(InvalidValueError) as caught:
        urls.split(text)
    assert caught.value.remedy
    assert "s3cret" not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(
    ("text", "is_hostname", "is_ip"),
    [
        ("a.example.com", True, False),
        ("A.example.com", False, False),
        ("a_b", False, False),
        ("1.2.3", False, False),
        ("1.2.3.4", False, True),
        ("::1", False, True),
        ("fe80::1%eth0", False, False),
        ("", False, False),
        ("a" * 64, False, False),
    ],
)
def test_hostnames_and_addresses(text: str, is_hostname: bool, is_ip: bool):
    assert (hostnames.is_hostname(text), hostnames.is_ip(text)) == (is_hostname, is_ip)


def test_what_a_certificate_may_be_used_for():
    root = Authority.make("root")
    below, other = Authority.make("below", root), Authority.make("root")
    assert certificates.is_issued_by(below.certificate, root.certificate)
    assert not certificates.is_issued_by(below.certificate, other.certificate)
    assert certificates.is_for_key(root.certificate, root.key)
    assert not certificates.is_for_key(root.certificate, other.key)
    assert certificates.is_authority(root.certificate)


@pytest.mark.parametrize(
    ("kind", "valid", "invalid"),
    [
        (headers.HeaderName, ["X-a", "x*", "*"], ["", "a b", "a:b", "\u212a"]),
        (headers.ExactHeaderName, ["X-a"], ["", "x*", "*", "x-*-y"]),
        (
            headers.HeaderPattern,
            ["X-a", "x-*", "*-x"],
            ["", "*", "**", "*x*", "a*b", "x-*-y", "*-x-*", "x**"],
        ),
        (
            hostnames.ServiceHost,
            ["a.b.svc", "b/a.b.svc", "A.b"],
            ["", "a.\u212a", "\u212a/a", "/a", "a/", "a..b"],
        ),
        (hostnames.Hostname, ["a.b", "A.b"], ["", "\u212a.b", "*.b", "1.2"]),
    ],
)
def test_types_of_fields(kind: Any, valid: list[str], invalid: list[str]):
    adapter = pydantic.TypeAdapter[str](kind)
    for text in valid:
        assert adapter.validate_python(text)
    for text in invalid:
        with pytest.raises(pydantic.ValidationError):
            adapter.validate_python(text)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("X-A", "x-a", True),
        ("x-a", "x-ab", False),
        ("x-*", "X-ab", True),
        ("x-*", "y", False),
        ("*-b", "x-b", True),
        ("*-b", "x-bc", False),
    ],
)
def test_which_headers_a_pattern_matches(pattern: str, name: str, *, expected: bool):
    assert headers.matches(pattern, name) is expected
