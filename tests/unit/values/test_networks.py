# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Addresses that are not fetched from, in every notation."""

import ipaddress

import pytest
from istio_ambient.values import networks


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
    ],
)
def test_addresses_of_the_fetching_host_are_forbidden(address: str):
    assert networks.is_forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["10.96.0.1", "10.244.1.1", "192.168.1.1", "192.0.2.1", "fd00::1", "2001:db8::1"]
)
def test_identity_providers_may_be_in_the_cluster(address: str):
    assert not networks.is_forbidden(ipaddress.ip_address(address))
