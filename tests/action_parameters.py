# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The parameters of `juju run <unit> <action> <key>=<value> …`, by the rules of the juju client.

A value is YAML, as gopkg.in/yaml.v2 reads it; dots in a key nest. The result is validated against
the action's JSON Schema (draft 4), and completed with its defaults. Sources:
cmd/juju/action/run.go of juju/juju, actions.go of juju/charm, resolve.go of yaml.v2.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import jsonschema
import yaml

_KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLEANS = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NULLS = ("", "~", "null", "Null", "NULL")
_BASES = {"x": 16, "b": 2, "o": 8}


class TypedParameterError(ValueError):
    """Parameters that `juju run` refuses before the charm sees them."""


class _Loader(yaml.SafeLoader):
    """Reads YAML with the scalars of yaml.v2: no base 60, dates stay text, `y` is a boolean."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  (the attribute of the base class)


def _scalar(loader: yaml.Loader, node: yaml.Node) -> Any:
    text = str(loader.construct_scalar(cast(yaml.ScalarNode, node)))
    if cast(yaml.ScalarNode, node).style is not None:
        return text
    if text in _NULLS:
        return None
    return _BOOLEANS[text] if text in _BOOLEANS else _number(text)


def _number(text: str) -> Any:
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    if _INTEGER.fullmatch(plain):
        digits = plain.lstrip("+-").lower()
        base = _BASES.get(digits[1:2], 8 if digits[:1] == "0" else 10)
        value = int(digits, base) if digits[1:2] not in _BASES else int(digits[2:], base)
        return -value if plain.startswith("-") else value
    return float(plain) if _FLOAT.fullmatch(plain) else text


_Loader.add_constructor("tag:yaml.org,2002:str", _scalar)


def parameters(typed: Iterable[str], action: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an action as the charm gets them.

    Args:
        typed: the words after the action's name: `key=value`, `key.key=value`, `--string-args`.
        action: as `charmcraft.yaml` declares it.

    Raises:
        TypedParameterError: the juju client or the controller refuses the parameters.
    """
    words = list(typed)
    read: Callable[[str], Any] = str if "--string-args" in words else _yaml
    found: dict[str, Any] = {}
    for word in words:
        if word == "--string-args":
            continue
        name, equals, value = word.partition("=")
        keys = name.split(".")
        if not equals or not all(map(_KEY.fullmatch, keys)):
            raise TypedParameterError(f"{word!r} must be of the form key.key.key...=value")
        _insert(found, keys, read(value))
    _validate(found, action)
    defaults = {k: v["default"] for k, v in action.get("params", {}).items() if "default" in v}
    return {**defaults, **found}


def _yaml(text: str) -> Any:
    if not text:  # yaml.v2 leaves the value as it is where there is no document.
        return text
    try:
        return yaml.load(text, _Loader)  # noqa: S506  (a subclass of SafeLoader)
    except yaml.YAMLError as error:
        raise TypedParameterError(f"{text!r} is not YAML: {error}") from error


def _insert(into: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set a nested value; what is no map on the way there is replaced."""
    for key in keys[:-1]:
        if not isinstance(into.get(key), dict):
            into[key] = {}
        into = into[key]
    into[keys[-1]] = value


def _validate(found: dict[str, Any], action: Mapping[str, Any]) -> None:
    kept = ("required", "additionalProperties")
    schema = {
        "type": "object",
        "properties": action.get("params", {}),
        **{key: action[key] for key in kept if key in action},
    }
    validator: Any = jsonschema.Draft4Validator(schema)
    errors = sorted(each.message for each in validator.iter_errors(found))
    if errors:
        raise TypedParameterError(f"validation failed: {'; '.join(errors)}")
