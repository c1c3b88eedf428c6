# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `tracing` interface, requirer side: where spans are to be sent.

The requirer's application databag asks: `receivers`, a JSON list of protocol names. The provider's
answers: `receivers`, a JSON list of `{"protocol": {"name", "type"}, "url"}`, one for each protocol
that somebody asked for. The URL of a gRPC receiver is `host:port`, without a scheme.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, cast

import pydantic

from istio_ambient.interfaces import _fields, _json, _validation
from istio_ambient.values.problems import Problem

Protocol = Literal["otlp_grpc", "otlp_http"]
KEY = "receivers"


class Endpoint(pydantic.BaseModel):
    """Where a receiver listens."""

    model_config = pydantic.ConfigDict(frozen=True)

    host: _fields.ServiceHost
    port: _fields.Port


def request(*protocols: Protocol) -> dict[str, str]:
    """Return the requirer's application databag."""
    return {KEY: json.dumps(list(protocols))}


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Endpoint | None, list[Problem]]:
    """Read where the `otlp_grpc` receiver is; None while there is none, or none that is valid.

    Receivers of other protocols are not looked at.
    """
    text = databag.get(KEY)
    if text is None:
        return None, []
    try:
        receivers = _json.decode(text)
    except _json.MalformedError as error:
        return None, [Problem(app, endpoint, KEY, str(error), error.remedy)]
    if not isinstance(receivers, list):
        return None, [Problem(app, endpoint, KEY, "not a list", "use a list")]
    for number, receiver in enumerate(cast(list[Any], receivers)):
        if _protocol(receiver) == "otlp_grpc":
            return _endpoint(receiver, app=app, endpoint=endpoint, field=f"{KEY}[{number}].url")
    return None, []


def is_readable(databag: Mapping[str, str]) -> bool:
    """Return whether any reader can decode the answer, whatever it says: shallow JSON."""
    try:
        return _json.is_shallow(_json.decode(databag.get(KEY, "null")))
    except _json.MalformedError:
        return False


def _protocol(receiver: Any) -> Any:
    protocol = _member(receiver, "protocol")
    return _member(protocol, "name")


def _member(value: Any, key: str) -> Any:
    return cast(Mapping[str, Any], value).get(key) if isinstance(value, Mapping) else None


def _endpoint(
    receiver: Any, *, app: str, endpoint: str, field: str
) -> tuple[Endpoint | None, list[Problem]]:
    url = _member(receiver, "url")
    host, port = _host_and_port(url) if isinstance(url, str) else ("", None)
    if port is None:
        remedy = "send host:port, without a scheme"
        return None, [Problem(app, endpoint, field, "not an address of a gRPC receiver", remedy)]
    try:
        return Endpoint(host=host, port=port), []
    except pydantic.ValidationError as error:
        found = _validation.problems_of(error, app=app, endpoint=endpoint, field=field)
        return None, found


def _host_and_port(url: str) -> tuple[str, int | None]:
    host, _, port = url.removeprefix("grpc://").rpartition(":")
    is_number = port.isascii() and port.isdigit() and len(port) <= 5
    return host, int(port) if is_number else None
