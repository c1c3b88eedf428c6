# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Checks of single values of MeshConfig, from which `_rules` makes the rules of fields."""

import decimal
import re
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import pydantic

from istio_ambient.values import headers, hostnames, labels
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.text import shown

Check: TypeAlias = Callable[[Any], None]
"""Raises `InvalidValueError` for a value that is refused; its field is a place in the value."""


def accept(_: object) -> None:
    """Accept a value whose type says everything: a boolean, an enumeration, a message."""


def rule(accepts: Callable[[Any], object], remedy: str) -> Check:
    """Return the check that accepts what a predicate accepts."""

    def check(value: object) -> None:
        if not accepts(value):
            raise InvalidValueError(f"{shown(value)} is not allowed", remedy)

    return check


def whole(low: int, high: int = 2**31 - 1) -> Check:
    """Return the check of a number with bounds."""
    return rule(lambda value: low <= value <= high, f"use a number from {low} to {high}")


def one_of(*allowed: str) -> Check:
    """Return the check of a text that is one of a few."""
    return rule(frozenset(allowed).__contains__, f"use {', '.join(filter(None, allowed))}")


def text(pattern: str, remedy: str) -> Check:
    """Return the check of a text that a regular expression matches as a whole."""
    return rule(re.compile(pattern).fullmatch, remedy)


def seconds(low: str, high: str, step: str = "0.001") -> Check:
    """Return the check of a duration: its bounds and its smallest step, in seconds."""
    least, most, unit = map(decimal.Decimal, (low, high, step))

    def accepts(value: str) -> bool:
        amount = decimal.Decimal(value.removesuffix("s"))
        return least <= amount <= most and amount % unit == 0

    return rule(accepts, f"use {low}s to {high}s, in steps of {step}s")


def _typed(kind: Any) -> Check:
    """Return the check of a field type of `values`."""
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(
        kind, config=pydantic.ConfigDict(defer_build=True)
    )

    def check(value: object) -> None:
        try:
            adapter.validate_python(value)
        except pydantic.ValidationError as error:
            cause = error.errors()[0].get("ctx", {}).get("error")
            reason = cast(InvalidValueError, cause)  # Each of these types raises no other.
            message = f"{shown(value)} is {reason.message}"
            raise InvalidValueError(message, reason.remedy) from None

    return check


def _is_wildcard_domain(host: str) -> bool:
    return host == "*" or hostnames.is_hostname(host.removeprefix("*."))


def _is_host_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    is_host = hostnames.is_hostname(host) or (":" not in host and hostnames.is_ip(host))
    return is_host and bool(re.fullmatch("[1-9][0-9]{0,4}", port)) and int(port) < 2**16


def _is_retry_condition(condition: str) -> bool:
    return condition in _RETRY_CONDITIONS or bool(re.fullmatch("[45][0-9][0-9]", condition))


def _is_retry_on(value: str) -> bool:
    return all(_is_retry_condition(condition.strip(" ")) for condition in value.split(","))


def _is_priority_label(value: str) -> bool:
    key, _, expected = value.partition("=")
    return labels.is_label_key(key) and labels.is_label_value(expected)


_RETRY_CONDITIONS = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
"""Those of Envoy's headers x-envoy-retry-on and x-envoy-retry-grpc-on."""
_DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PLACE = "[A-Za-z0-9_.-]{1,63}"

HOUR, DAY = "3600", "86400"
SOME_TIME = seconds("0.001", DAY)
ANY_TIME = seconds("0", DAY)
PORT = whole(1, 65535)
COUNT = whole(0)
SERVICE = _typed(hostnames.ServiceHost)
HEADER = _typed(headers.ExactHeaderName)
HEADER_PATTERN = _typed(headers.HeaderPattern)
HEADER_VALUE = text("[!-$&-~]([ -$&-~]{0,1022}[!-$&-~])?", "use visible ASCII without '%'")
LABEL_KEY = _typed(labels.LabelKey)
LABEL_VALUE = _typed(labels.LabelValue)
PRIORITY_LABEL = rule(_is_priority_label, "use the key of a label, or key=value")
REQUEST_PATH = text("/[A-Za-z0-9/._~:@-]{0,255}", "use a path that begins with '/'")
NAME = text("[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", "use letters, digits, '-' and '.'")
TRUST_DOMAIN = text(
    rf"(?=.{{1,253}}\Z){_DNS_LABEL}(\.{_DNS_LABEL})*", "use a DNS name, without spiffe://"
)
WILDCARD_DOMAIN = rule(_is_wildcard_domain, "use a DNS name, *.<name> or '*'")
HOST_PORT = rule(_is_host_port, "use <host>:<port>")
EXPORT_TO = rule(
    lambda value: value in ("*", ".") or hostnames.is_dns_label(value),
    "use '*', '.' or the names of namespaces",
)
# Envoy refuses a listener whose log it cannot open, and a gateway's file system is read-only.
LOG_FILE = one_of("", "/dev/stdout", "/dev/stderr", "/dev/null")
LOCALITY = text(
    rf"\*|{_PLACE}(/{_PLACE}){{0,2}}|{_PLACE}(/{_PLACE})?/\*",
    "use region/zone/subzone; the last part may be '*'",
)
REGION = text(_PLACE, "use a region, without zone")
RETRY_ON = rule(_is_retry_on, "use conditions of x-envoy-retry-on and HTTP status codes")
STAT_NAME = text("[A-Za-z0-9_.%|;:=-]{0,200}", "use letters, digits, '.' and %SERVICE%")
STAT_PART = text("[A-Za-z0-9_.:-]{1,200}", "use letters, digits, '_', '.', ':' and '-'")
STAT_EXPRESSION = text(
    r"(\.[*+]?|\\\.|[A-Za-z0-9_:-]){1,200}", r"use letters, digits, '_', '\.', '.', '.*' and '.+'"
)
STAT_TAG = text("[A-Za-z_][A-Za-z0-9_]{0,63}", "use letters, digits and '_'")
CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
CURVES = ("P-256", "P-384", "P-521", "X25519", "X25519MLKEM768")
CIPHER_SUITE, CURVE = one_of(*CIPHER_SUITES), one_of(*CURVES)
ERROR_STATUS = text(
    "40[0-9]|41[0-7]|42[1-4689]|431|50[0-8]|51[01]", "use an HTTP status such as 403; quote it"
)
TRUE_OR_FALSE = one_of("true", "false")
DURATION_TEXT = text("[1-9][0-9]{0,6}(ms|s|m|h)", "use a duration, such as 30s")
NUMBER_TEXT = text("[1-9][0-9]{0,8}", "use a whole number; quote it")
