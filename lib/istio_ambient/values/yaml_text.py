# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""YAML in options, read strictly: a mistake is an error, and never a value."""

import contextlib
import re
from collections.abc import Generator
from typing import Any, cast

import yaml

from istio_ambient.values.problems import InvalidValueError, inside

_KINDS: dict[type, str] = {dict: "mapping", list: "list", str: "text", bool: "boolean"}
_MAX_SIZE = 64 * 1024
_MAX_DEPTH = 32
_ALIAS_REMEDY = "write it out where it is used"
_YAML = "tag:yaml.org,2002:"
_TAGS = frozenset(_YAML + name for name in ("str", "int", "float", "bool", "map", "seq"))


class _Loader(yaml.SafeLoader):
    """The safe loader without timestamps: a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in cast(
        dict[str, list[tuple[str, re.Pattern[str]]]],
        yaml.SafeLoader.yaml_implicit_resolvers,  # pyright: ignore[reportUnknownMemberType]
    ).items()
}


def load(text: object) -> Any:
    """Return what a YAML document holds; None for an empty one.

    Raises:
        InvalidValueError: the value is no text or no YAML; it is too large or nested too deep; a
            key is there twice or is no string; a member has no value; there are aliases or tags.
    """
    with _errors_named():
        node = _composed(text)
        if node is None:
            return None
        _check(node, "")
        return _constructed(node)


def entries(text: object) -> list[Any]:
    """Return the members of a YAML list, with an `InvalidValueError` in place of each invalid one.

    Raises:
        InvalidValueError: the text is no YAML, or no list; it has aliases, or is too large.
    """
    with _errors_named():
        node = _composed(text)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise InvalidValueError("not a list", "write `- item` lines")
        members = cast(list[yaml.Node], node.value)
        return [_entry(member, inside("", number)) for number, member in enumerate(members)]


def _entry(node: yaml.Node, place: str) -> Any:
    try:
        _check(node, place)
        return _constructed(node)
    except InvalidValueError as error:
        return error
    except (yaml.YAMLError, ValueError):
        return InvalidValueError("no YAML", "correct it", place)


def _composed(text: object) -> "yaml.Node | None":
    if not isinstance(text, str):
        raise InvalidValueError(f"{text!r} is not text", "use YAML")
    if len(text) > _MAX_SIZE:
        raise InvalidValueError(f"{len(text)} characters", f"use at most {_MAX_SIZE}")
    _check_events(text)
    return cast("yaml.Node | None", yaml.compose(text, _Loader))  # pyright: ignore


def _constructed(node: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return cast(Any, loader.construct_document(node))  # pyright: ignore
    finally:
        loader.dispose()  # pyright: ignore


@contextlib.contextmanager
def _errors_named() -> Generator[None]:
    """Turn errors of the YAML library into an `InvalidValueError`."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}" if mark else ""
        raise InvalidValueError(f"no YAML{where}: {error.problem}", "correct it") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InvalidValueError):
            raise
        raise InvalidValueError(f"no YAML: {error}".partition("\n")[0], "correct it") from None


def _check_events(text: str) -> None:
    """Raise for aliases and deep nesting before the document is composed, which they slow down."""
    depth = 0
    for event in yaml.parse(text, _Loader):  # pyright: ignore[reportUnknownMemberType]
        if isinstance(event, yaml.AliasEvent):
            raise InvalidValueError("an alias (*)", _ALIAS_REMEDY)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise InvalidValueError("nested too deep", f"use at most {_MAX_DEPTH} levels")


def _check(node: yaml.Node, path: str) -> None:
    if node.tag == _YAML + "null":
        raise InvalidValueError("has no value", "give it one, or leave it out", path)
    if node.tag not in _TAGS:
        raise InvalidValueError(f"the tag {node.tag!r}", "write plain YAML", path)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            if key.tag != _YAML + "str":
                raise InvalidValueError(f"the key {key.value!r} is no text", "quote it", path)
            name = str(key.value)
            _check_characters(name, path)
            if name in seen:
                raise InvalidValueError("is given twice", "keep one", inside(path, name))
            seen.add(name)
            _check(value, inside(path, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(cast(list[yaml.Node], node.value)):
            _check(item, inside(path, index))
    else:
        _check_characters(str(node.value), path)


def _check_characters(text: str, path: str) -> None:
    """Raise for half of a surrogate pair, which YAML can escape and JSON cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValueError("holds what is no character", "remove it", path) from None


def mapping(text: object) -> dict[str, Any]:
    """Return a YAML mapping; an empty one for an empty text.

    Raises:
        InvalidValueError: as `load`, or the document is no mapping.
    """
    return _document(text, dict, "write `key: value` lines") or {}


def sequence(text: object) -> list[Any] | None:
    """Return a YAML list; None for an empty text.

    Raises:
        InvalidValueError: as `load`, or the document is no list.
    """
    return _document(text, list, "write `- item` lines, or []")


def _document(text: object, kind: type, remedy: str) -> Any:
    found: object = load(text)
    if found is None or isinstance(found, kind):
        return found
    name = _KINDS.get(type(found), "number")
    raise InvalidValueError(f"a {name}, not a {_KINDS[kind]}", remedy)
