# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The hooks of `.pre-commit-config.yaml` run what `make check` runs."""

import configparser
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SLOW = {"pyright"}
"""What takes too long before each commit; `make check` before a push runs it."""


def test_the_hooks_are_the_commands_of_make_check():
    tox = configparser.RawConfigParser()
    tox.read(ROOT / "tox.ini")
    lines = tox["testenv:lint"]["commands"].strip().splitlines()
    commands = {line.removesuffix(" {posargs}") for line in lines} - SLOW
    config: dict[str, Any] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    entries = {hook["entry"]: hook["stages"] for repo in config["repos"] for hook in repo["hooks"]}
    assert entries == {
        "make check": ["pre-push"],
        **{f".venv/bin/tox exec -q -e lint -- {command}": ["pre-commit"] for command in commands},
    }
