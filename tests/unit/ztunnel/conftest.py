# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""A registry on loopback that skopeo trusts without TLS."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ztunnel.registry import Registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """An empty registry, and a home folder that allows skopeo to speak HTTP to it."""
    if shutil.which("skopeo") is None:
        reason = "no skopeo: tools/bootstrap installs it where it can"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    opened = Registry()
    settings = tmp_path / "home" / ".config" / "containers" / "registries.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[[registry]]\nlocation = "{opened.host}"\ninsecure = true\n')
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    yield opened
    opened.close()
