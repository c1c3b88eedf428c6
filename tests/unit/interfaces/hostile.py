# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Texts that an application may write into a databag: valid, with mistakes, or any text."""

import json
from typing import Any

from hypothesis import strategies as st

Values = st.SearchStrategy[Any]

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,5}[a-z0-9]", fullmatch=True)

_KEYS = (
    "source_namespace",
    "source_app_name",
    "target_namespace",
    "target_app_name",
    "target_type",
    "endpoints",
)
_BAD: Values = st.sampled_from(
    [0, 65536, -1, True, 8.5, "", "a b", "**", "/a*b", "/{**}/x", "x", "{*}", "get", None, [], {}]
)


def json_values(keys: Values) -> Values:
    """Any value of JSON, and some texts that only Python decodes as JSON."""
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters(codec=None), max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=6) | keys, inner, max_size=4)
        ),
        max_leaves=12,
    )


def policies(apps: Values, namespaces: Values) -> st.SearchStrategy[str]:
    """Values of `policies`: mostly lists of entries, a few with mistakes, and some of any text.

    Args:
        apps: names for applications and Services.
        namespaces: names for namespaces.
    """
    values = json_values(st.sampled_from(_KEYS))
    app = _app(apps, namespaces)
    entry = st.one_of(app, app, _unit(apps, namespaces))
    strange = st.tuples(entry, st.dictionaries(st.text(max_size=6), values, max_size=1)).map(_laid)
    entries = st.lists(st.one_of(*[entry] * 4, strange), max_size=4).map(json.dumps)
    cut = st.tuples(entries, st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]])
    return st.one_of(*[entries] * 6, cut, *anything(values))


def anything(values: Values) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    """Texts that are JSON of any shape, and any texts."""
    return values.map(json.dumps), st.text(st.characters(codec=None))


def _laid(pair: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return {**pair[0], **pair[1]}


def _appended(pair: tuple[list[Any], Any]) -> list[Any]:
    return [*pair[0], pair[1]]


def _some(values: Values) -> Values:
    """Lists of values; a few have an invalid value among them, or instead of them."""
    lists: Values = st.lists(values, min_size=1, max_size=3)
    odd: Values = st.one_of(st.none(), st.just([]), st.tuples(lists, _BAD).map(_appended))
    return st.integers(0, 29).flatmap(lambda n: odd if n == 17 else lists)


def _now_and_then(values: Values) -> Values:
    return st.integers(0, 39).flatmap(lambda n: _BAD if n == 17 else values)


_ENDPOINT = st.fixed_dictionaries(
    {"ports": _some(st.integers(1, 65535))},
    optional={
        "hosts": _some(st.sampled_from(["details", "*.shop", "details*", "*", "details:9080"])),
        "methods": _some(st.sampled_from(["GET", "POST"])),
        "paths": _some(st.sampled_from(["/x", "/x*", "*x", "/{*}/x", "/x/{**}", "*", "/"])),
    },
)


def _app(apps: Values, namespaces: Values) -> Values:
    app, namespace = _now_and_then(apps), _now_and_then(namespaces)
    return st.fixed_dictionaries(
        {
            "source_namespace": namespace,
            "source_app_name": app,
            "target_namespace": namespace,
            "target_app_name": app,
        },
        optional={
            "target_service": app,
            "target_type": _now_and_then(st.just("app")),
            "target_selector_labels": st.none(),
            "endpoints": _now_and_then(st.lists(_ENDPOINT, max_size=3)),
        },
    )


def _unit(apps: Values, namespaces: Values) -> Values:
    app, namespace = _now_and_then(apps), _now_and_then(namespaces)
    ports = st.fixed_dictionaries({"ports": _some(st.integers(1, 9))})
    keys = st.sampled_from([*["app.kubernetes.io/name"] * 6, "app.kubernetes.io/part-of", "app"])
    return st.fixed_dictionaries(
        {
            "source_namespace": namespace,
            "source_app_name": app,
            "target_namespace": namespace,
            "target_type": _now_and_then(st.just("unit")),
            "target_selector_labels": _now_and_then(
                st.dictionaries(keys, apps, min_size=1, max_size=2)
            ),
        },
        optional={"endpoints": st.lists(ports)},
    )


_STRANGE: Values = st.sampled_from(
    [
        None,
        True,
        0,
        80,
        -1,
        1.5,
        "",
        "/",
        "/a/",
        "a",
        "*.a",
        "GET",
        "HTTP",
        "(a",
        "\n",
        "\xe9",
        [],
        {},
    ]
)
_LISTENER = {"port": 8080, "protocol": "HTTP"}


def _altered(good: dict[str, Any], **others: Values) -> st.SearchStrategy[dict[str, Any]]:
    """An object with members that may be invalid, missing, or of an unknown key."""
    members = st.sampled_from([*good, *others, "extra"])

    def alter(
        base: dict[str, Any], odd: dict[str, Any], gone: list[str], often: int
    ) -> dict[str, Any]:
        if often:  # Mostly valid: else hardly any large object would be.
            return base
        return {key: value for key, value in {**base, **odd}.items() if key not in gone}

    base = st.fixed_dictionaries(
        {key: st.just(value) | others.pop(key, st.just(value)) for key, value in good.items()},
        optional=others,
    )
    odd = st.dictionaries(members, _STRANGE, max_size=2)
    return st.builds(alter, base, odd, st.lists(members, max_size=1), st.integers(0, 4))


def configurations(app: str, *others: str) -> st.SearchStrategy[str]:
    """Values of `config` of istio_ingress_route.

    Args:
        app: the name of the application's own Service.
        others: names of Services that are not its own.
    """
    paths = st.sampled_from(["/", "/a", "/a/", "/a/b", "/%41", "/a//b", "/.."])
    path = _altered({"type": "PathPrefix", "value": "/a"}, value=paths)
    headers = st.dictionaries(
        st.sampled_from(["X-A", "x-a", "b", "c d"]), st.just("v"), max_size=2
    )
    match = _altered({}, path=path, method=st.sampled_from(["GET", "POST"]), headers=headers)
    call = _altered({}, method=_altered({"service": "a.B"}, method=st.just("C")), headers=headers)
    backend = _altered(
        {"service": app, "port": 80}, service=st.sampled_from([app] * 3 + [*others])
    )
    common: dict[str, Values] = {
        "backends": st.lists(backend, min_size=1, max_size=2),
        "hostnames": st.lists(st.sampled_from(["a.b", "*.b", "A.B", "1.2.3.4"]), max_size=2),
        "listener": _altered(_LISTENER, port=st.sampled_from([80, 443, 8080, 15021])),
    }
    good = {"name": "r", "listener": _LISTENER, "backends": [{"service": app, "port": 80}]}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": "x.y"}}
    http = _altered(
        good,
        matches=st.lists(match, max_size=2),
        filters=st.lists(_altered(redirect), max_size=1),
        **common,
    )
    grpc = _altered(good, matches=st.lists(call, max_size=2), **common)
    config = _altered(
        {"model": "shop"},
        listeners=st.lists(_altered(_LISTENER), max_size=2),
        http_routes=st.lists(http, max_size=3),
        grpc_routes=st.lists(grpc, max_size=2),
    )
    return st.one_of(*[config.map(json.dumps)] * 6, *anything(_STRANGE))
