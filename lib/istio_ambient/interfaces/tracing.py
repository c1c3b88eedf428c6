# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The `tracing` interface, requirer side: the address to which spans are sent.

The requirer's application databag holds `receivers`, a JSON list of protocol names that it
requests. The provider's holds `receivers`, a JSON list of `{"protocol": {"name", "type"}, "url"}`,
one for each requested protocol. The URL of a gRPC receiver is `host:port`, without a scheme; that
of an HTTP receiver has no path of the protocol.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import pydantic

from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import hostnames, urls
from istio_ambient.values.problems import InvalidValueError, Problem, inside

_R = TypeVar("_R", bound=Databag)
Protocol = Literal["otlp_grpc", "otlp_http"]
KEY = "receivers"
MAX_RECEIVERS = 256


class Endpoint(Databag):
    """The address of a receiver."""

    host: hostnames.ServiceHost
    port: urls.PortText


def _address(url: object) -> dict[str, str]:
    text = url if isinstance(url, str) else ""
    host, _, port = text.removeprefix("grpc://").rpartition(":")
    if not (port.isascii() and port.isdigit()):
        remedy = "send host:port, without a scheme"
        raise InvalidValueError("not an address of a gRPC receiver", remedy)
    return {"host": host, "port": port}


class _Receiver(Databag, extra="ignore"):
    url: Annotated[Endpoint, pydantic.BeforeValidator(_address)]


def _url(text: str) -> str:
    url = urls.split(text)
    if url.query:
        raise InvalidValueError("not the URL of a receiver", "send it without a query")
    return url.base + url.path.rstrip("/")


class _HttpReceiver(Databag, extra="ignore"):
    url: Annotated[pydantic.StrictStr, pydantic.AfterValidator(_url)]


def request(*protocols: Protocol) -> dict[str, str]:
    """Return the requirer's application databag."""
    return {KEY: json.dumps(list(protocols))}


def parse(
    databag: Mapping[str, str], *, app: str, endpoint: str
) -> tuple[Endpoint | None, list[Problem]]:
    """Read the address of the `otlp_grpc` receiver; None while there is none, or it is invalid.

    Receivers of other protocols are not read.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    receiver = _receiver(reader, "otlp_grpc", _Receiver)
    return receiver and receiver.url, reader.problems


def parse_url(databag: Mapping[str, str], *, app: str, endpoint: str) -> tuple[str, list[Problem]]:
    """Read the URL of the `otlp_http` receiver, without `/` at its end; empty while there is none.

    Args:
        databag: the provider's application databag.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
    """
    reader = Reader(databag, app=app, endpoint=endpoint)
    receiver = _receiver(reader, "otlp_http", _HttpReceiver)
    return receiver.url if receiver else "", reader.problems


def _receiver(reader: Reader, protocol: Protocol, model: type[_R]) -> _R | None:
    """Return the first receiver of a protocol; None where there is none, or it is invalid."""
    for number, member in enumerate(reader.members(KEY, MAX_RECEIVERS)):
        if _is_of(member, protocol):
            return reader.entry(model, member, inside(KEY, number))
    return None


def _is_of(receiver: Any, protocol: Protocol) -> bool:
    match receiver:
        case {"protocol": {"name": name}}:
            return name == protocol
        case _:
            return False
