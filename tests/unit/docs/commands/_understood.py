# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What Juju's client and other programs understand, from ``programs.yaml``."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def _programs() -> dict[str, Any]:
    return yaml.safe_load(Path(__file__).with_name("programs.yaml").read_text())


@cache
def juju_options() -> dict[str, set[str]]:
    """Return the options of Juju's commands; one that takes a value ends in ``=``."""
    juju = _programs()["juju"]
    everywhere, results = set(juju["everywhere"].split()), set(juju["results"].split())
    options: dict[str, set[str]] = {}
    for name, words in juju["commands"].items():
        own = set(words.split())
        options[name] = own | everywhere | (results if "results" in own else set())
    return options


@cache
def words(program: str, key: str = "") -> set[str]:
    """Return the words of a program, or those under one of its keys."""
    found = _programs()[program]
    return set((found[key] if key else found).split())
