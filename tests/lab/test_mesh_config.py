# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""MeshConfig as istiod and Envoy read it: both take what the charm passes on."""

import functools
import json
import random
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml
from istio_ambient import control_plane, manifests
from istio_ambient.control_plane import _integrations
from istio_ambient.manifests import (
    _mesh_config,
    _render,
)
from istio_ambient.manifests.mesh_overlay import _check, _log_formats, _values
from istio_ambient.values import hostnames
from istio_ambient.values.problems import InvalidValueError

from tests import mesh_overlays
from tests.lab import _mesh_candidates, _mesh_configs
from tests.lab._mesh_candidates import Candidate

CANDIDATES = 4000


def parsed(overlay: object) -> dict[str, Any] | None:
    """Return the overlay that the charm passes on, or None if it refuses."""
    try:
        return _check.parse_mesh_config(json.dumps(overlay))
    except InvalidValueError as error:
        assert error.field or not isinstance(overlay, dict), error
        assert error.remedy, error
        return None


def text_of(candidate: Candidate, overlay: dict[str, Any]) -> str:
    """Return the text of ConfigMap `istio`; the overlay is taken as it is."""
    given = control_plane.read_integrations(
        collectors=_remotes("tempo", candidate.collectors),
        ingresses=_remotes("y", candidate.ingresses),
    )
    wanted = manifests.ControlPlane(
        namespace=candidate.model,
        config=manifests.Config.model_construct(mesh_config=overlay),
        tracing=given.tracing,
        ext_authz_providers=given.ext_authz_providers,
    )
    return _render.json_text(_mesh_config.mesh_config(wanted))


def _remotes(app: str, databags: tuple[Any, ...]) -> list[_integrations.Remote]:
    return [
        _integrations.Remote(
            relation=number, app=f"{app}{number}" if number else app, databag=each
        )
        for number, each in enumerate(databags)
    ]


@functools.cache
def candidates() -> list[Candidate]:
    return [_mesh_candidates.candidate(seed) for seed in range(CANDIDATES)]


def test_the_charm_passes_on_nothing_that_istiod_refuses():
    accepted: list[tuple[Candidate, str]] = []
    for each in candidates():
        overlay = parsed(each.overlay)
        # An overlay that is refused leaves the one before in force: here none.
        accepted.append((each, text_of(each, overlay or {})))
    answers = _mesh_configs.verdicts(text for _, text in accepted)
    for (each, text), verdict in zip(accepted, answers, strict=True):
        assert not verdict.error, f"{verdict.error}\n{each}\n{text}"
        assert verdict.mesh["rootNamespace"] == each.model
        assert verdict.mesh["trustDomain"] == "cluster.local"
        mesh = json.loads(text)
        arrived = {provider["name"]: provider for provider in verdict.mesh["extensionProviders"]}
        for provider in mesh.get("extensionProviders", ()):
            strings = set(_strings(provider))
            assert strings <= set(_strings(arrived[provider["name"]])), text


def _strings(node: object) -> Iterator[str]:
    """Yield what must arrive as it was sent: texts but those of durations and enumerations."""
    if isinstance(node, dict):
        for value in cast(dict[str, object], node).values():
            yield from _strings(value)
    elif isinstance(node, list):
        for value in cast(list[object], node):
            yield from _strings(value)
    elif isinstance(node, str) and node and not node.isupper() and node[-1:] != "s":
        yield node


def test_candidates_are_nasty_enough_to_tell():
    # Were the overlays passed on unchecked, istiod would refuse many, for many reasons.
    answers = _mesh_configs.verdicts(json.dumps(each.overlay) for each in candidates())
    reasons = [re.sub(r"[^a-z]+", " ", verdict.error) for verdict in answers if verdict.error]
    passed_on = [each for each in candidates() if parsed(each.overlay) is not None]
    print(
        f"{CANDIDATES} candidates: passed on {len(passed_on)}, istiod refuses {len(reasons)}"
        f" overlays for {len(set(reasons))} reasons"
    )
    assert len(reasons) > CANDIDATES / 10
    assert len(set(reasons)) > 60
    assert len(passed_on) > CANDIDATES / 5


def test_istiod_takes_every_ordinary_overlay():
    model = Candidate("n", {}, (), ())
    overlays = [parsed(yaml.safe_load(text)) for text in mesh_overlays.ORDINARY.values()]
    texts = [text_of(model, overlay) for overlay in overlays if overlay is not None]
    answers = _mesh_configs.verdicts(texts)
    assert [verdict.error for verdict in answers] == [""] * len(mesh_overlays.ORDINARY)


@pytest.mark.parametrize("word", _mesh_candidates.WORDS)
def test_words_that_go_reads_otherwise_arrive_as_text(word: str):
    model = word if hostnames.is_dns_label(word) else "n"
    databag = {
        "ext_authz_service_name": f"{model}.svc",
        "ext_authz_port": "80",
        "include_headers_in_check": json.dumps([word]),
    }
    candidate = Candidate(model, {}, (), (databag,))
    (verdict,) = _mesh_configs.verdicts([text_of(candidate, {})])
    assert not verdict.error
    assert verdict.mesh["rootNamespace"] == model
    (provider,) = (p for p in verdict.mesh["extensionProviders"] if "envoyExtAuthzHttp" in p)
    assert provider["envoyExtAuthzHttp"]["includeRequestHeadersInCheck"] == [word]


@pytest.mark.parametrize(
    "text", ["defaultConfig:\n  proxyMetadata: {}\nrootNamespace: n", "a: [", ""]
)
def test_the_program_tells_what_istiod_does(text: str):
    (verdict,) = _mesh_configs.verdicts([text])
    assert bool(verdict.error) == bool(text)


_FRAGMENTS = (
    *("%%", "100%% ", " ", "[", '"', "\n", "é", "%", "%)", "%NOPE%", "%REQ(:PATH)%", "%REQ()%"),
    *(
        "%REQ(X-A?:PATH):10%",
        "%RESP(a)%",
        "%TRAILER(grpc-status)%",
        "%REQ_WITHOUT_QUERY(:PATH):9%",
    ),
    *("%START_TIME%", "%START_TIME(%Y-%m-%dT%H:%M:%S.%3f%z)%", "%START_TIME(%s)%", "%PROTOCOL:3%"),
    *("%DYNAMIC_METADATA(a.b:c):20%", "%CLUSTER_METADATA(a:b)%", "%UPSTREAM_METADATA(a)%"),
    *(
        "%FILTER_STATE(a.b:PLAIN):10%",
        "%FILTER_STATE(a:NOPE)%",
        "%ENVIRONMENT(HOME)%",
        "%protocol%",
    ),
    *("%REQ(a b)%", "%REQ(a?b?c)%", "%DOWNSTREAM_PEER_SAN%", "%RESPONSE_CODE_DETAILS:5%"),
)


def test_envoy_takes_every_format_that_the_charm_passes_on():
    choose = random.Random(1)  # noqa: S311 - nothing depends on chance but the examples
    operators = [f"%{name}%" for name in _log_formats._WITHOUT_ARGUMENTS]  # pyright: ignore[reportPrivateUsage]
    passed_on = ["".join(operators)]
    for _ in range(3000):
        log_format = "".join(choose.choices((*_FRAGMENTS, *operators), k=choose.randrange(1, 5)))
        try:
            _log_formats.check_text(log_format)
        except InvalidValueError:
            continue
        passed_on.append(log_format)
    assert len(passed_on) > 1000
    labels = {str(number): text for number, text in enumerate(passed_on)}
    assert not _mesh_configs.envoy_refuses(_mesh_configs.listener([*passed_on, labels]))


@pytest.mark.parametrize("text", ["%NOPE%", "100%", "%REQ()%", "%REQ(a?b?c)%", "%PROTOCOL:5%"])
def test_envoy_refuses_a_listener_with_such_a_format(text: str):
    assert _mesh_configs.envoy_refuses(_mesh_configs.listener([text]))
    with pytest.raises(InvalidValueError):
        _log_formats.check_text(text)


def test_envoy_takes_every_cipher_suite_and_curve_that_the_charm_passes_on():
    tls = {"cipher_suites": _values.CIPHER_SUITES, "ecdh_curves": _values.CURVES}
    assert not _mesh_configs.envoy_refuses(_mesh_configs.tls_cluster(tls))
    for name in tls:
        assert _mesh_configs.envoy_refuses(_mesh_configs.tls_cluster({name: ["bogus"]}))
