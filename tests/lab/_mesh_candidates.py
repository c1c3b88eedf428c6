# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Random values of everything that reaches MeshConfig: plausible, nasty, and mixed.

Overlays are walks through the list of fields, or ordinary overlays with one member changed. The
databags are those of the relations that MeshConfig has providers of.
"""

import copy
import dataclasses
import functools
import json
import random
from collections.abc import Mapping
from typing import Any, cast

import yaml
from istio_ambient.manifests.mesh_overlay import _check, _rules

from tests import mesh_overlays

WORDS = ("y", "n", "on", "off", "yes", "1e3", "0o17", "0x1F", "1_000", "12", "~", "null", "true")
"""Texts that are valid names, and that a reader of YAML may take for something else."""

_TEXTS = (
    *WORDS,
    *("", " ", "a", "a.b", "a b", "*", "*.a", ".", "~", "a/b", "a/*", "us/z/*", "spiffe://x", "%"),
    *("host:80", "host", "host:0", "1.2.3.4:80", "[::1]:80", ":80", "/", "/path", "/dev/stdout"),
    *(
        "%PROTOCOL%",
        "%NOPE%",
        "100%",
        "%REQ(:PATH)%",
        "{}",
        '{"a": "%RESPONSE_CODE%"}',
        "{",
        "503",
    ),
    *("a\nb", "é", "\U0001f600", "\x00", "\x7f", "\ufeff", "{{ x }}", "$(HOST_IP):80", "x" * 300),
    *("zipkin.cos.svc.cluster.local", "ns/name", "ns/host.example", "prometheus", "envoy", "own"),
    *("X25519", "P-256", "ECDHE-RSA-AES128-GCM-SHA256", "bogus", "distroless", "kubernetes://a"),
    *("topology.kubernetes.io/zone", "app=v1", "In", "Exists", "5xx,reset", "x-header", "x-*"),
)
_NUMBERS = (
    0,
    1,
    2,
    80,
    99,
    100,
    101,
    1024,
    15001,
    65535,
    65536,
    99999,
    -1,
    -5,
    2**31 - 1,
    -(2**31),
)
_FLOATS = (0, 1, 12.5, 100, 100.5, -1, 1e9, 1e-9)
_DURATIONS = (
    *("0s", "1s", "10s", "60s", "3600s", "3601s", "-5s", "0.5s", "0.001s", "0.0005s", "1.0001s"),
    *("0.000000001s", "315576000000s", "999999999999s", "1m", "1.5s"),
)
_KEYS = (*WORDS, "a", "a/b", "x-a", "a b", "", "us/*", "ISTIO_META_DNS_CAPTURE", "app")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What reaches one MeshConfig."""

    model: str
    overlay: Mapping[str, Any]
    collectors: tuple[Mapping[str, str], ...]
    """Databags of `tracing`."""
    ingresses: tuple[Mapping[str, str], ...]
    """Databags of `istio_ingress_config`."""


def candidate(seed: int) -> Candidate:
    """Return the candidate of a seed."""
    choose = random.Random(seed)  # noqa: S311 - nothing depends on chance but the examples
    return Candidate(
        model=choose.choice((*WORDS[:8], "12", "istio-system", "a-b")),
        overlay=_overlay(choose),
        collectors=tuple(_collector(choose) for _ in range(choose.randrange(2))),
        ingresses=tuple(_ingress(choose) for _ in range(choose.randrange(3))),
    )


def _overlay(choose: random.Random) -> dict[str, Any]:
    kind = choose.randrange(4)
    if kind == 0:
        known = _check.mesh_config_fields()
        return _message(known.root, choose, 6)
    overlay: dict[str, Any] = {}
    for each in choose.sample(_ordinary(), choose.randrange(1, 3)):
        overlay |= copy.deepcopy(each)
    if kind > 1:
        _change(overlay, choose)
    return overlay


@functools.cache
def _ordinary() -> list[dict[str, Any]]:
    return [cast(dict[str, Any], yaml.safe_load(text)) for text in mesh_overlays.ORDINARY.values()]


def _change(node: Any, choose: random.Random) -> None:
    """Change one member somewhere inside a mapping or list that is not empty, or remove it."""
    key = choose.choice(_keys(node))
    has_members = isinstance(node[key], dict | list) and bool(node[key])
    if has_members and choose.random() < 0.9:
        _change(node[key], choose)
    elif choose.random() < 0.1:
        del node[key]
    else:
        node[key] = _like(node[key], choose)


def _keys(node: Any) -> list[Any]:
    return list(cast(dict[str, Any], node) if isinstance(node, dict) else range(len(node)))


def _like(value: object, choose: random.Random) -> Any:
    """Return another value of the same type, for the most part."""
    if choose.random() < 0.05:
        return choose.choice(("text", 1, True, [], {}, ["a"], {"a": "b"}))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return choose.choice(_NUMBERS if choose.random() < 0.8 else _FLOATS)
    if isinstance(value, str):
        is_duration = value[:1].isdigit() and value.endswith("s")
        return choose.choice(_DURATIONS if is_duration else _TEXTS)
    return value


def _message(name: str, choose: random.Random, depth: int) -> dict[str, Any]:
    fields = _check.mesh_config_fields().messages[name].fields
    # Most fields are without a rule and refused: those with one tell more.
    rules = _rules.RULES.get(_check.plain_name(name), {})
    pool = sorted(rules if choose.random() < 0.9 else fields)
    names = choose.sample(pool, min(len(pool), choose.choice((1, 1, 2, 3)))) if depth else []
    return {field: _value(fields[field], choose, depth - 1) for field in names}


def _value(kind: str, choose: random.Random, depth: int) -> Any:
    known = _check.mesh_config_fields()
    if kind.startswith("list of "):
        count = choose.choice((0, 1, 1, 2))
        return [_value(kind.removeprefix("list of "), choose, depth) for _ in range(count)]
    if kind.startswith("map of "):
        keys = choose.sample(_KEYS, choose.choice((0, 1, 2)))
        return {key: _value(kind.removeprefix("map of "), choose, depth) for key in keys}
    if kind in known.messages:
        return _message(kind, choose, depth)
    if kind in known.enums:
        return choose.choice(known.enums[kind])
    pools: dict[str, tuple[Any, ...]] = {
        "bool": (True, False),
        "number": _FLOATS,
        "duration": _DURATIONS,
        "object": ({}, {"a": "%PROTOCOL%"}, {"y": [1, "%NOPE%"]}, {"n": True}),
    }
    return choose.choice(pools.get(kind, _NUMBERS if kind.endswith(("32", "64")) else _TEXTS))


def _collector(choose: random.Random) -> dict[str, str]:
    host = choose.choice((*WORDS, "tempo.cos.svc", "a b", "", "x.n", "ns/h.y", "10.0.0.1", "::1"))
    port = choose.choice(("4317", "0", "65535", "65536", "y", "-1", "1e3"))
    receiver = {"protocol": {"name": "otlp_grpc", "type": "grpc"}, "url": f"{host}:{port}"}
    return {"receivers": json.dumps([receiver])}


def _ingress(choose: random.Random) -> dict[str, str]:
    headers = (*WORDS, "*", "x-*", "*-x", "a*b", "cookie", "", "a b", "%PROTOCOL%", "é", "Y", "N")

    def some_headers() -> str:
        return json.dumps(choose.sample(headers, choose.choice((0, 1, 1, 2))))

    databag = {
        "ext_authz_service_name": choose.choice(
            (*WORDS, "auth.ns.svc", "ns/a.b", "", "a b", "A.B")
        ),
        "ext_authz_port": choose.choice(("4180", "4180", "0", "65536", "y", "80")),
        "ext_authz_protocol": choose.choice(("http", "http", "grpc", "y")),
        "ext_authz_path_prefix": choose.choice(("/", "/y", "/decisions", "", "y", "/a b", "/%zz")),
        "include_headers_in_check": some_headers(),
        "headers_to_upstream_on_allow": some_headers(),
        "headers_to_downstream_on_allow": some_headers(),
        "headers_to_downstream_on_deny": some_headers(),
    }
    absent = choose.sample(sorted(databag), choose.choice((0, 1, 4)))
    return {key: value for key, value in databag.items() if key not in absent}
