# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The fields of a charm's facts, and which of them differ between two hooks.

A field is `<package>.<class>.<field>`: of the class of the facts, and of every struct and
pydantic model of the library that these hold. Values of the packages in `WHOLE` are compared as
they are.
"""

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
import pydantic

LIBRARY = "istio_ambient"
WHOLE = (f"{LIBRARY}.kube", f"{LIBRARY}.values")
"""Packages whose classes are not looked into: live objects; `Problem`, pods' resources."""


def fields_of(kind: type) -> set[str]:
    """Return the fields of a class, and of the classes that its fields may hold."""
    seen: set[type] = set()
    waiting = [kind]
    while waiting:
        current = waiting.pop()
        if current not in seen and _has_fields(current):
            seen.add(current)
            for annotation in _annotations(current).values():
                waiting += _classes(annotation)
    return {_label(each, name) for each in seen for name in _annotations(each)}


def changed(before: object, after: object) -> set[str]:
    """Return the fields that differ, each by itself: a value that is only in one changes none.

    Members of mappings are paired by their keys, those of sequences by their places, where there
    are as many in both.
    """
    return set(_changed(before, after))


def _changed(before: object, after: object) -> Iterator[str]:
    kind = type(before)
    if kind is not type(after) or not _has_fields(kind):
        for old, new in _pairs(before, after):
            yield from _changed(old, new)
        return
    for name in _annotations(kind):
        old, new = getattr(before, name), getattr(after, name)
        # Some fields take no part in the comparison of their class: hence the text.
        if old != new or repr(old) != repr(new):
            yield _label(kind, name)
        yield from _changed(old, new)


def _pairs(before: Any, after: Any) -> Iterator[tuple[object, object]]:
    """Yield the members that belong together; none where their number differs."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast(Mapping[Any, object], before), cast(Mapping[Any, object], after)
        if len(old) == len(new):
            yield from ((old[key], new[key]) for key in old if key in new)
            yield from zip(_without(old, new), _without(new, old), strict=True)
    elif _is_sequence(before) and _is_sequence(after):
        one, other = cast(Sequence[object], before), cast(Sequence[object], after)
        if len(one) == len(other):
            yield from zip(one, other, strict=True)


def _without(one: Mapping[Any, object], other: Mapping[Any, object]) -> list[object]:
    return [one[key] for key in sorted(one.keys() - other.keys(), key=repr)]


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _has_fields(kind: type) -> bool:
    if not kind.__module__.startswith(LIBRARY) or kind.__module__.startswith(WHOLE):
        return False
    return dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct | pydantic.BaseModel)


def _label(kind: type, field: str) -> str:
    package = kind.__module__.split(".")[1]
    return f"{package}.{kind.__name__}.{field}"


def _annotations(kind: type) -> Mapping[str, Any]:
    if issubclass(kind, pydantic.BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    hints = typing.get_type_hints(cast(Any, kind))
    if issubclass(kind, msgspec.Struct):
        return {name: hints[name] for name in kind.__struct_fields__}
    return {field.name: hints[field.name] for field in dataclasses.fields(cast(Any, kind))}


def _classes(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _classes(argument)
