# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that charmcraft packs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.pack import _archive
from tools import pack

SOURCE = "https://example.com/a"
PROJECT = f"""\
# why
name: a
links:
  source: {SOURCE}
platforms:
  ubuntu@24.04:amd64:
    build-on: [amd64, arm64]
    build-for: [amd64]
  ubuntu@24.04:arm64:
    build-on: [amd64, arm64]
    build-for: [arm64]
"""


@pytest.fixture
def charm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A charm in a repository of its own."""
    folder = tmp_path / "charms" / "a"
    library = tmp_path / "lib" / "istio_ambient"
    (library / "__pycache__").mkdir(parents=True)
    (library / "__init__.py").write_text("# library\n")
    (library / "__pycache__" / "x.pyc").touch()
    (folder / "src").mkdir(parents=True)
    (folder / "terraform").mkdir()
    (folder / "charmcraft.yaml").write_text(PROJECT)
    (folder / "README.md").write_text("[page](../../docs/page.md#part)\n")
    (folder / "src" / "charm.py").touch()
    (folder / "lib").symlink_to("../../lib")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").touch()
    (tmp_path / "LICENSE").touch()
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    monkeypatch.setattr(pack, "STAGING", tmp_path / "build")
    return folder


def test_the_platforms_are_kept_on_a_machine_of_their_base():
    assert pack.on_base(PROJECT, "ubuntu@24.04") == PROJECT


def test_another_machine_packs_for_its_own_base_and_every_architecture():
    staged = yaml.safe_load(pack.on_base(PROJECT, "debian@12"))
    assert staged["name"] == "a"
    assert staged["platforms"] == {
        "debian@12:amd64": {"build-on": ["amd64", "arm64"], "build-for": ["amd64"]},
        "debian@12:arm64": {"build-on": ["amd64", "arm64"], "build-for": ["arm64"]},
    }


def test_each_platform_is_an_archive(charm: Path):
    assert [(job.name, job.platform) for job in pack.jobs(charm, "debian@12")] == [
        ("a-amd64", "debian@12:amd64"),
        ("a-arm64", "debian@12:arm64"),
    ]


def test_relative_links_become_addresses_and_others_stay(charm: Path):
    text = "[a](../../docs/page.md#part) [b](../../docs) [c](#here) [d](https://example.com/d)\n"
    assert pack.with_absolute_links(text, charm, SOURCE) == (
        f"[a]({SOURCE}/blob/main/docs/page.md#part) [b]({SOURCE}/tree/main/docs) "
        "[c](#here) [d](https://example.com/d)\n"
    )


@pytest.mark.parametrize("target", ["../../docs/none.md", "../../../outside"])
def test_a_link_to_no_file_of_the_repository_is_not_packed(target: str, charm: Path):
    charm.parents[2].joinpath("outside").touch()
    with pytest.raises(pack.PackError, match="which is no file"):
        pack.with_absolute_links(f"[a]({target})", charm, SOURCE)


def test_links_become_files_and_other_files_are_left_out(charm: Path):
    staged = pack.stage(pack.Job(charm, "debian@12:arm64"), "debian@12")

    files = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    assert files == {
        *("LICENSE", "README.md", "charmcraft.yaml", "lib/istio_ambient/__init__.py"),
        "src/charm.py",
    }
    assert not any(path.is_symlink() for path in staged.rglob("*"))
    assert (staged / "README.md").read_text() == f"[page]({SOURCE}/blob/main/docs/page.md#part)\n"
    assert (charm / "charmcraft.yaml").read_text() == PROJECT


@pytest.mark.parametrize("architecture", pack.MACHINES)
@pytest.mark.parametrize("charm", _archive.FOLDERS)
def test_the_locked_dependencies_have_wheels_for_the_base_of_the_charms(
    charm: str, architecture: str, tmp_path: Path
):
    """As on a machine of that base, whose Python this machine need not have."""
    project = yaml.safe_load((_archive.FOLDERS[charm] / "charmcraft.yaml").read_text())
    python = {"ubuntu@24.04": "3.12"}
    (base,) = {name.rpartition(":")[0] for name in project["platforms"]}
    command = pack.install_command(charm, tmp_path, architecture, python[base])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([*command, "--dry-run"], env={**os.environ, "PATH": path}, check=True)
