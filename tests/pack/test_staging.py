# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that charmcraft packs."""

from pathlib import Path

import pytest
import yaml

from tools import pack

PROJECT = "# why\nname: a\nplatforms:\n  ubuntu@24.04:amd64:\n"


def test_the_platforms_are_kept_on_a_machine_of_a_listed_platform():
    assert pack.on_platform(PROJECT, "ubuntu@24.04:amd64") == PROJECT


def test_another_machine_packs_for_its_own_platform():
    staged = yaml.safe_load(pack.on_platform(PROJECT, "debian@12:amd64"))
    assert staged == {"name": "a", "platforms": {"debian@12:amd64": None}}


def test_links_become_files_and_other_files_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    library = tmp_path / "lib" / "istio_ambient"
    charm = tmp_path / "charms" / "a"
    (library / "__pycache__").mkdir(parents=True)
    (library / "__init__.py").write_text("# library\n")
    (library / "__pycache__" / "x.pyc").touch()
    (charm / "src").mkdir(parents=True)
    (charm / "terraform").mkdir()
    (charm / "charmcraft.yaml").write_text(PROJECT)
    (charm / "src" / "charm.py").touch()
    (charm / "lib").symlink_to("../../lib")
    monkeypatch.setattr(pack, "STAGING", tmp_path / "build")

    staged = pack.stage(charm, "debian@12:amd64")

    files = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    assert files == {
        *("LICENSE", "charmcraft.yaml", "lib/istio_ambient/__init__.py", "requirements.txt"),
        "src/charm.py",
    }
    assert not any(path.is_symlink() for path in staged.rglob("*"))
    assert (charm / "charmcraft.yaml").read_text() == PROJECT
