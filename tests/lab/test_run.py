# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""`tests.lab.run` passes the ztunnel that was found outside to the command."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tests.lab import _binaries

ROOT = pathlib.Path(__file__).parents[2]
PRINT = 'import os; print(*(f"{name}={value}" for name, value in os.environ.items()), sep="\\n")'


def run(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Print the environment of a command in a lab of its own."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("LAB_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.lab.run", "--", sys.executable, "-c", PRINT],
        cwd=ROOT,
        env={**outer, **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(("ci", "required"), [("true", ["LAB_REQUIRE_ZTUNNEL=1"]), ("", [])])
def test_the_lab_gets_the_ztunnel_that_was_found(
    tmp_path: pathlib.Path, ci: str, required: list[str]
):
    program = tmp_path / "ztunnel"
    program.touch(mode=0o755)
    done = run(LAB_ZTUNNEL=str(program), CI=ci)
    assert done.returncode == 0, done.stderr
    assert f"lab: ztunnel is {program} (from LAB_ZTUNNEL)\n" in done.stderr
    inside = done.stdout.splitlines()
    assert f"LAB_ZTUNNEL={program}" in inside
    assert [line for line in inside if line.startswith("LAB_REQUIRE_ZTUNNEL")] == required


def test_a_file_that_is_not_a_program_is_an_error_before_the_build(tmp_path: pathlib.Path):
    done = run(LAB_ZTUNNEL=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "nothing built"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"LAB_ZTUNNEL={tmp_path}: there is no such file\n"


def test_without_a_ztunnel_its_rows_are_not_required_and_a_notice_is_printed(
    tmp_path: pathlib.Path,
):
    cache = tmp_path / "charmed-istio" / "lab"
    cache.mkdir(parents=True)
    for kept in _binaries.cache_folder().iterdir():
        if kept.is_dir():
            (cache / kept.name).symlink_to(kept)
    # PATH has the programs that the lab needs, without skopeo.
    (tmp_path / "ip").symlink_to(shutil.which("ip") or "")
    done = run(CI="true", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    notice = (
        "lab: no ztunnel, so what only ztunnel decides is NOT RUN: skopeo is not installed. To"
    )
    assert notice in done.stderr
    assert f"at {cache}/ztunnel" in done.stderr
    assert "ZTUNNEL" not in done.stdout
