# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The one way to read a databag: bounded JSON, models, and a problem for each invalid part.

An interface is its models, which derive from `Databag`, and a parser that asks a `Reader` for
them.
"""

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar, cast

import pydantic

from istio_ambient.values import validation
from istio_ambient.values.problems import InvalidValueError, Problem, inside

MAX_LENGTH = 4 * 1024 * 1024
"""Characters of one databag value that are decoded."""
MAX_DEPTH = 16
"""Levels of lists and objects that every JSON reader can handle; interfaces have a few."""
MAX_PROBLEMS = 50
"""Places of one databag whose problems are reported, and one more that says that others follow."""


class Databag(pydantic.BaseModel):
    """An object in a databag. Scalars of the models are strict: `"80"` is not a port.

    A key that the model does not have may be a restriction, so it invalidates the object, unless
    it is null: a later release of a library dumps its new optional fields as null. A model whose
    keys restrict nothing says `extra="ignore"`.

    A model is built when it is first read: a hook reads few of them.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _without_unknown_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        members, known = cast(dict[str, Any], data), _keys_of(cls)
        if members.keys() <= known:
            return members
        return {key: value for key, value in members.items() if value is not None or key in known}


@functools.cache
def _keys_of(model: type[Databag]) -> frozenset[str]:
    """Return the keys of an object that a model reads."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


_M = TypeVar("_M", bound=Databag)


class Reader:
    """Reads the databag of one application and collects its problems; no method raises.

    Args:
        databag: what the other side of a relation wrote: keys and texts.
        app: the application that wrote it, for the problems.
        endpoint: our endpoint that it arrived over, for the problems.
        read_by_library: whether the published library reads the databag as well, which raises on
            deep nesting: the whole key is then invalid.
    """

    def __init__(
        self,
        databag: Mapping[str, str],
        *,
        app: str,
        endpoint: str,
        read_by_library: bool = False,
    ):
        self._databag = databag
        self._read_by_library = read_by_library
        self._app, self._endpoint = app, endpoint
        self.problems: list[Problem] = []
        self._found = 0

    def report(self, field: str, error: pydantic.ValidationError | InvalidValueError) -> None:
        """Add the problems of a place in the databag."""
        self._found += 1
        if self._found > MAX_PROBLEMS + 1:
            return
        if self._found > MAX_PROBLEMS:
            error = InvalidValueError("there are more problems from here on", "correct the others")
        self.problems += validation.problems_of(
            error, app=self._app, endpoint=self._endpoint, field=field
        )

    def value(self, key: str) -> Any:
        """Return the decoded value of a key; None: absent, null, or a problem was added."""
        try:
            value = decode(self._databag.get(key, "null"))
            if not _is_deeper(value, MAX_DEPTH):
                return value
            if self._read_by_library:
                raise _too_deep()
            return _limited(value, MAX_DEPTH)
        except InvalidValueError as error:
            self.report(key, error)
            return None

    def members(self, key: str, limit: int) -> list[Any]:
        """Return the first `limit` members of a list; empty where the key is absent or null."""
        value = self.value(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.report(key, InvalidValueError("not a list", "send a JSON list"))
            return []
        members = cast(list[Any], value)
        if len(members) > limit:
            message = f"{len(members)} entries, of which {limit} were read"
            self.report(key, InvalidValueError(message, f"send at most {limit}"))
        return members[:limit]

    def entry(self, model: type[_M], data: object, field: str) -> _M | None:
        """Return decoded data as a model; None where any part of it is invalid.

        Args:
            model: the model.
            data: the decoded data.
            field: its place in the databag, for the problems: `policies[2]`; empty: the databag.
        """
        try:
            return model.model_validate(data)
        except pydantic.ValidationError as error:
            self.report(field, error)
            return None

    def entries(self, model: type[_M], data: Iterable[object], field: str) -> dict[str, _M]:
        """Return the valid entries of decoded data by their place: `http_routes[2]`."""
        places = ((inside(field, number), each) for number, each in enumerate(data))
        found = ((place, self.entry(model, each, place)) for place, each in places)
        return {place: entry for place, entry in found if entry is not None}

    def object(self, key: str, model: type[_M], *, nullable: bool = False) -> _M | None:
        """Return the object that a key holds; None: absent, or invalid.

        Args:
            key: the key.
            model: the model of the object.
            nullable: whether null is the same as an absent key, and no problem.
        """
        found = self._found
        value = self.value(key)
        is_absent = key not in self._databag or (nullable and value is None)
        return None if is_absent or self._found > found else self.entry(model, value, key)

    def whole(self, model: type[_M], plain: Collection[str] = ()) -> _M | None:
        """Return the databag as a model of its keys; None where any of them is invalid.

        Args:
            model: the model; a key that holds null has its default.
            plain: keys that hold a plain text; the others hold JSON.
        """
        found, known = len(self.problems), _keys_of(model)
        content: dict[str, Any] = {}
        for key, text in sorted(self._databag.items()):
            value = self.value(key) if key in known and key not in plain else text
            # The text of an unknown key need not be JSON.
            if value is not None and (key in known or text.strip() != "null"):
                content[key] = value
        return None if self._found > found else self.entry(model, content, "")


class _Ambiguous:
    """Decoded data that JSON readers do not agree on, or cannot all read. No model accepts it."""

    def __init__(self, _: object):
        pass


def decode(text: str) -> Any:
    """Return the value of a JSON text (RFC 8259).

    An object that names a key twice, and `NaN` or `Infinity`, become a value that no model
    accepts, so only the entry that holds it is dropped: one reader would see a restriction that
    another reader does not.

    Raises:
        InvalidValueError: the text is not JSON, too long, or nested too deeply to be read at all.
    """
    if len(text) > MAX_LENGTH:
        message = f"{len(text)} characters long"
        raise InvalidValueError(message, f"send at most {MAX_LENGTH} characters")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        # The message has the position only: the text around it may be a secret.
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise InvalidValueError(f"not JSON{where}", "send valid JSON") from None


def _too_deep() -> InvalidValueError:
    return InvalidValueError("nested too deeply", "send fewer levels")


_NESTED = (dict, list)


def _is_deeper(value: Any, levels: int) -> bool:
    """Return whether decoded data is nested more deeply than this."""
    level: list[Any] = [value]
    for _ in range(levels + 1):
        level = [each for each in level if isinstance(each, _NESTED)]
        if not level:
            return False
        level = [
            member
            for each in level
            for member in cast(Iterable[Any], each.values() if isinstance(each, dict) else each)
        ]
    return True


def _limited(value: Any, levels: int) -> Any:
    """Return decoded data in which no model accepts what is nested more deeply than this."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return _Ambiguous(cast(object, value))
    if isinstance(value, list):
        return [_limited(each, levels - 1) for each in cast(list[Any], value)]
    members = cast(dict[str, Any], value).items()
    return {key: _limited(each, levels - 1) for key, each in members}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Ambiguous:
    result = dict(pairs)
    return result if len(result) == len(pairs) else _Ambiguous(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_Ambiguous)
