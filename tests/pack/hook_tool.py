#!/usr/bin/python3 -IS
# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates Juju's hook tools for a unit without relations.

Linked under the name of each tool. Answers come from ``$HOOK_TOOLS/answers.json``, and each call
is added to ``$HOOK_TOOLS/calls.jsonl``. Runs on the standard library alone.
"""

import json
import os
import sys

name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]  # noqa: PTH119  # start-up time
folder = os.environ["HOOK_TOOLS"]

with open(f"{folder}/calls.jsonl", "a", encoding="utf-8") as calls:  # noqa: PTH123
    calls.write(json.dumps([name, *arguments]) + "\n")

with open(f"{folder}/answers.json", encoding="utf-8") as answers:  # noqa: PTH123
    answer = json.load(answers)[name]

if answer is not None:
    print(json.dumps(answer))
