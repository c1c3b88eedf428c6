# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Formats of access logs, and of headers, that Envoy fills in: text with command operators.

istiod passes a format on as it is, and Envoy refuses a whole listener for one operator that it
does not know. So only operators are accepted that every Envoy of a supported Istio has. Source:
Envoy's documentation, "Access logging", "Command operators".
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown

MAX_LENGTH = 8192
MAX_DEPTH = 16

_WITHOUT_ARGUMENTS = [
    "ACCESS_LOG_TYPE",
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DURATION",
    "FILTER_CHAIN_NAME",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "HOSTNAME",
    "PROTOCOL",
    "REQUESTED_SERVER_NAME",
    "REQUEST_DURATION",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_DURATION",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "RESPONSE_TX_DURATION",
    "ROUTE_NAME",
    "START_TIME",
    "STREAM_ID",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HOST",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER_NAME",
]
_HEADER = r":?[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}"
_TIME = r"(?:%[1-9]?[A-Za-z]|[A-Za-z0-9 ,.:/_+-]){1,128}"
_LENGTH = r"(?::[1-9][0-9]{0,4})?"
_OPERATORS = (
    "|".join(_WITHOUT_ARGUMENTS),
    rf"START_TIME\({_TIME}\)",
    rf"(?:REQ|RESP|TRAILER|REQ_WITHOUT_QUERY)\({_HEADER}(?:\?{_HEADER})?\){_LENGTH}",
    rf"(?:DYNAMIC|CLUSTER|UPSTREAM)_METADATA\({_KEY}(?::{_KEY}){{0,8}}\){_LENGTH}",
    rf"FILTER_STATE\({_KEY}(?::(?:PLAIN|TYPED))?\){_LENGTH}",
    rf"ENVIRONMENT\({_KEY}\){_LENGTH}",
)
_OPERATOR = re.compile(rf"%(?:{'|'.join(_OPERATORS)})?%")
"""An operator, or `%%`, which Envoy writes as `%`."""
_NEEDS_FORMATTER = "%REQ_WITHOUT_QUERY("
_REMEDY = "use an operator of Envoy's documentation, and %% for a percent sign"


def check_text(text: str, path: str = "") -> None:
    """Raise for a text format that Envoy may refuse.

    Raises:
        InvalidValueError: the text is too long, or holds what is no operator.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidValueError(f"{len(text)} characters", f"use at most {MAX_LENGTH}", path)
    position = text.find("%")
    while position >= 0:
        found = _OPERATOR.match(text, position)
        if not found:
            quoted = shown(text[position : position + 40])
            raise InvalidValueError(f"{quoted} is no operator of access logs", _REMEDY, path)
        position = text.find("%", found.end())


def check_labels(labels: Mapping[str, Any], path: str = "") -> None:
    """Raise for a format of JSON logs that Envoy may refuse: names, and what is logged under them.

    Raises:
        InvalidValueError: a member is no text, number, boolean, list or mapping, or holds what is
            no operator.
    """
    for name, value in labels.items():
        place = inside(path, name)
        if isinstance(value, str):
            check_text(value, place)
        else:
            _check_nested(value, place, MAX_DEPTH)


def _check_nested(value: object, path: str, levels: int) -> None:
    if levels == 0:
        raise InvalidValueError("nested too deep", f"use at most {MAX_DEPTH} levels", path)
    if isinstance(value, str):
        if _NEEDS_FORMATTER in value:
            # istiod enables the extension for members of the outermost mapping only.
            raise InvalidValueError(f"{_NEEDS_FORMATTER}…)% is nested", "move it outside", path)
        check_text(value, path)
    elif isinstance(value, Mapping):
        for name, member in cast(Mapping[str, object], value).items():
            _check_nested(member, inside(path, name), levels - 1)
    elif isinstance(value, list):
        for index, member in enumerate(cast(list[object], value)):
            _check_nested(member, inside(path, index), levels - 1)
    elif not isinstance(value, bool | int | float):
        raise InvalidValueError(f"{shown(value)} is no value for a log", "use text", path)


def check_json(text: str, path: str = "") -> None:
    """Raise for a text that is to be the format of JSON logs, and that istiod or Envoy may refuse.

    Raises:
        InvalidValueError: the text is no JSON object, or as `check_labels`.
    """
    remedy = "with accessLogEncoding JSON, write a JSON object of names and operators"
    try:
        labels: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidValueError("not JSON", remedy, path) from None
    if not isinstance(labels, dict):
        raise InvalidValueError("not a JSON object", remedy, path)
    check_labels(cast(dict[str, Any], labels), path)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
