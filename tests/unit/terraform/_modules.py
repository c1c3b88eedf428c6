# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Terraform modules as values, and what is wrong with them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import hcl2
import yaml
from hcl2 import SerializationOptions

ROOT = Path(__file__).parents[3]
Block = dict[str, Any]

PLAIN = SerializationOptions(strip_string_quotes=True, with_comments=False, explicit_blocks=False)
CHARM_OF_PART = {
    "control_plane": "istio-k8s",
    "beacon": "istio-beacon-k8s",
    "ingress": "istio-ingress-k8s",
    "bookshop": "bookshop",
}
"""Folders of charms by the keys of the variable ``charm_names``."""
PART_OF_VARIABLE = {"control_plane": "control_plane", "beacons": "beacon", "ingresses": "ingress"}
"""Keys of ``charm_names`` by the product's variables and outputs about the same part."""


def parsed(text: str) -> Block:
    """Return HCL as plain values; expressions are strings such as ``${var.units}``."""
    # hcl2 does not say what the mapping holds.
    return cast("Any", hcl2).loads(text, serialization_options=PLAIN)


@cache
def charmcraft(charm: str) -> Block:
    """Return the ``charmcraft.yaml`` of a charm or of the sample, by its name."""
    folder = ROOT / ("examples" if charm == "bookshop" else "charms") / charm
    return yaml.safe_load((folder / "charmcraft.yaml").read_text())


def options(charm: str) -> set[str]:
    """Return the names of a charm's options."""
    return set(charmcraft(charm)["config"]["options"])


def endpoints(charm: str, *sides: str) -> set[str]:
    """Return the names of a charm's endpoints, of ``provides`` and ``requires`` or of one."""
    metadata = charmcraft(charm)
    return {name for side in sides or ("provides", "requires") for name in metadata[side]}


@dataclass(frozen=True)
class Module:
    """A folder of Terraform files."""

    variables: dict[str, Block]
    outputs: dict[str, Block]
    calls: dict[str, Block]
    """The blocks ``module``."""
    resources: dict[str, Block]
    """By address, such as ``juju_application.this``."""
    values: dict[str, Any]
    """The blocks ``locals``."""

    @property
    def expressions(self) -> str:
        """All that the module contains, as one text to look for references in."""
        parts = (self.variables, self.outputs, self.calls, self.resources, self.values)
        return json.dumps(parts).replace('\\"', '"')


def module(text: str) -> Module:
    """Return the module that consists of one text."""
    tree = parsed(text)
    blocks: list[Block] = tree.get("locals", [])
    return Module(
        variables=_named(tree.get("variable", [])),
        outputs=_named(tree.get("output", [])),
        calls=_named(tree.get("module", [])),
        resources={
            f"{kind}.{name}": block
            for kinds in tree.get("resource", [])
            for kind, named in kinds.items()
            for name, block in named.items()
        },
        values={name: value for block in blocks for name, value in block.items()},
    )


@cache
def read(folder: Path) -> Module:
    """Return the module of a folder."""
    return module("\n".join(file.read_text() for file in sorted(folder.glob("*.tf"))))


def _named(blocks: list[Block]) -> dict[str, Block]:
    return {name: block for each in blocks for name, block in each.items()}


def faults_of_references(subject: Module) -> Iterator[str]:
    """Yield references without a declaration, and declarations without a reference."""
    text = subject.expressions
    for kind, prefix, declared in (
        ("variable", r"var\.", set(subject.variables)),
        ("local value", r"local\.", set(subject.values)),
    ):
        used = set(re.findall(rf"\b{prefix}(\w+)", text))
        yield from (f"{kind} {name} is not declared" for name in sorted(used - declared))
        yield from (f"{kind} {name} is not used" for name in sorted(declared - used))
    called = set(re.findall(r"\bmodule\.(\w+)", text))
    yield from (f"module {name} is not declared" for name in sorted(called - set(subject.calls)))
    addresses = set(re.findall(r"(?<![\w.])(juju_\w+\.\w+)", text))
    yield from (f"{one} is not declared" for one in sorted(addresses - set(subject.resources)))


def faults_of_descriptions(subject: Module) -> Iterator[str]:
    """Yield variables and outputs that say too little about themselves."""
    for name, block in subject.variables.items():
        yield from (
            f"variable {name} has no {k}" for k in ("description", "type") if k not in block
        )
    yield from (
        f"output {name} has no description"
        for name, block in subject.outputs.items()
        if "description" not in block
    )


def faults_of_calls(subject: Module, called: Mapping[str, Module]) -> Iterator[str]:
    """Yield arguments and outputs that a called module lacks, and arguments that it needs.

    Args:
        subject: the module that calls.
        called: the called modules, by the name that ``subject`` gives them.
    """
    for name, other in called.items():
        arguments = set(subject.calls[name]) - {"source", "for_each", "count"}
        known = set(other.variables)
        yield from (f"module {name} has no variable {one}" for one in sorted(arguments - known))
        required = {one for one, block in other.variables.items() if "default" not in block}
        yield from (f"module {name} needs {one}" for one in sorted(required - arguments))
        reference = rf'\bmodule\.{name}(?:\[(?:"[^"]*"|[\w.]+)\])?\.(\w+)'
        outputs = set(re.findall(reference, subject.expressions))
        missing = sorted(outputs - set(other.outputs))
        yield from (f"module {name} has no output {one}" for one in missing)


def object_keys(type_expression: str) -> set[str]:
    """Return the keys of the outermost object of a variable's type."""
    start = type_expression.index("object({") + len("object({")
    keys: set[str] = set()
    depth = 0
    for position, character in enumerate(type_expression[start:], start):
        is_start = depth == 0 and type_expression[position - 1] in "{ "
        if is_start and (key := re.match(r"(\w+) = ", type_expression[position:])):
            keys.add(key[1])
        depth += (character in "({") - (character in ")}")
        if depth < 0:
            break
    return keys


def faults_of_objects(subject: Module) -> Iterator[str]:
    """Yield keys that variables of an object type do not have, or that nothing reads."""
    for name, block in subject.variables.items():
        if "object({" not in block["type"]:
            continue
        keys = object_keys(block["type"])
        read_keys = set(re.findall(rf"\bvar\.{name}(?:\[[^]]*\])?\.(\w+)", subject.expressions))
        for call in subject.calls.values():
            if call.get("for_each") == f"${{var.{name}}}":
                read_keys |= set(re.findall(r"\beach\.value\.(\w+)", json.dumps(call)))
        if name.endswith("s") and "map(" in block["type"]:
            single = PART_OF_VARIABLE.get(name, name)
            read_keys |= set(re.findall(rf"\b{single}\.(\w+)", subject.expressions)) & keys
        yield from (f"variable {name} has no {key}" for key in sorted(read_keys - keys))
        is_handed_on = f'"{name}": "${{var.{name}}}"' in subject.expressions
        if not is_handed_on:
            yield from (f"{name}.{key} is not used" for key in sorted(keys - read_keys))


ENDPOINT = re.compile(r"([\w.\[\]\"]+)\.endpoints\.(provides|requires)\.(\w+)")


def faults_of_endpoints(subject: Module, charms: Mapping[str, str]) -> Iterator[str]:
    """Yield references to endpoints that the charm does not have.

    Args:
        subject: the module.
        charms: the charm behind an expression, by the beginning of the expression, such as
            ``module.beacon``. Any other expression is about each of the charms.
    """
    # What is tried may be missing.
    text = re.sub(r"\b(?:try|can)\([^()]*\)", "", subject.expressions)
    for expression, side, key in ENDPOINT.findall(text):
        found = [charm for start, charm in charms.items() if expression.startswith(start)]
        for charm in found or sorted(set(charms.values())):
            if key not in {name.replace("-", "_") for name in endpoints(charm, side)}:
                yield f"{charm} {side} no endpoint {key}"


def faults_of_options(part: str, block: Block) -> Iterator[str]:
    """Yield options and resources that a part of the mesh is given and whose charm lacks them.

    Args:
        part: a key of ``charm_names``.
        block: the argument about it, with ``config`` and ``resources``.
    """
    charm = CHARM_OF_PART[part]
    for key, known in (
        ("config", options(charm)),
        ("resources", set(charmcraft(charm)["resources"])),
    ):
        given: Block | str = block.get(key, {})
        if isinstance(given, dict):
            yield from (f"{charm} has no {one} in {key}" for one in sorted(set(given) - known))


def parts_of_product(block: Block) -> Iterator[tuple[str, str, Block]]:
    """Yield part, name and argument of what arguments or variables of the product ask for."""
    for variable, part in PART_OF_VARIABLE.items():
        given: Block = block.get(variable, {})
        named = {"": given} if part == "control_plane" and given else given
        yield from ((part, name, argument) for name, argument in named.items())
