# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The switch that calls are sent through: it records what they hand on, and cuts one wire."""

import dataclasses
import datetime
import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
import pydantic

LIBRARY = ("istio_ambient", "charm_of_")
"""How the names of modules begin whose classes and functions are ours."""
_ENGINE = "istio_ambient.kube"
"""Package whose values hold whole clusters."""


@dataclasses.dataclass(frozen=True, order=True)
class Wire:
    """One argument of one call."""

    call: int
    """The call's number, see `_calls.CALLS`."""
    name: str
    """The parameter's."""


class CutError(BaseException):
    """A wire cannot be cut; no handler of other errors takes this for a failure of the charm."""


class _State:
    """There is one in a process."""

    cut: Wire | None = None
    recorded: dict[Wire, set[str]] | None = None
    callees: typing.ClassVar[dict[int, Any]] = {}


def cut(wire: Wire | None) -> None:
    """Cut this wire from now on; None: none."""
    _State.cut = wire


def record() -> dict[Wire, set[str]]:
    """Record from now on, in what is returned, which values wires carry, as text."""
    _State.recorded = {}
    return _State.recorded


def callee_of(number: int) -> Any:
    """Return what the call of this number has called; None: it was not reached."""
    return _State.callees.get(number)


def call(number: int, callee: Any, /, *arguments: Any, **keywords: Any) -> Any:
    """Call what the call of this number calls."""
    if _State.recorded is not None:
        _State.callees[number] = callee
        for name, value in handed_on(callee, arguments, keywords).items():
            _State.recorded.setdefault(Wire(number, name), set()).add(_text(value))
    wire = _State.cut
    if wire is not None and wire.call == number:
        try:
            arguments, keywords = _without(wire.name, callee, arguments, keywords)
        except Exception as error:
            raise CutError(wire, callee) from error
    return callee(*arguments, **keywords)


def _text(value: Any, depth: int = 3) -> str:
    """Return what tells values apart, as far as that takes no time: objects by their type."""
    if value is None or isinstance(value, str | int | enum.Enum | datetime.datetime):
        return repr(value)
    if isinstance(value, frozenset | set):
        return repr(sorted(map(repr, cast(set[Any], value))))
    if depth and isinstance(value, tuple | list):
        return repr([_text(each, depth - 1) for each in cast(list[Any], value)[:8]])
    if depth and isinstance(value, dict):
        items = list(cast(dict[Any, Any], value).items())[:8]
        return repr([(repr(key), _text(each, depth - 1)) for key, each in items])
    kind = cast(Any, type(value))
    if depth and is_model(kind) and not kind.__module__.startswith(_ENGINE):
        return repr([_text(each, depth - 1) for each in _members(value).values()])
    return kind.__name__


_COPIES = (dataclasses.replace, msgspec.structs.replace)


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    return cast(dict[str, Any], vars(value))


def handed_on(
    callee: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return the wires of a call: name → value."""
    if callee in _COPIES:
        return keywords
    if _is_model_copy(callee):
        return cast(Mapping[str, Any], keywords.get("update") or {})
    if is_model(callee):
        return {**_placed(callee, arguments), **keywords}
    return keywords if _is_function(callee) else {}


def _placed(model: Any, arguments: Sequence[Any]) -> dict[str, Any]:
    """Return positional arguments by the names of their parameters."""
    return dict(zip(inspect.signature(model).parameters, arguments, strict=False))


def is_model(callee: Any) -> bool:
    """Return whether this is a struct, a dataclass or a pydantic model of the library."""
    if not isinstance(callee, type) or not callee.__module__.startswith(LIBRARY):
        return False
    return dataclasses.is_dataclass(callee) or issubclass(
        callee, msgspec.Struct | pydantic.BaseModel
    )


def _is_model_copy(callee: Any) -> bool:
    owner = getattr(callee, "__self__", None)
    return isinstance(owner, pydantic.BaseModel) and callee.__name__ == "model_copy"


def _is_function(callee: Any) -> bool:
    kinds = types.FunctionType | types.MethodType
    return isinstance(callee, kinds) and callee.__module__.startswith(LIBRARY)


def _without(
    name: str, callee: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of a call with one wire cut."""
    if _is_model_copy(callee):
        update = {key: value for key, value in keywords["update"].items() if key != name}
        return arguments, {**keywords, "update": update}
    if is_model(callee):
        keywords = {**_placed(callee, arguments), **keywords}
        arguments = ()
    rest = {key: value for key, value in keywords.items() if key != name}
    if callee in _COPIES or not _is_required(callee, name):
        return arguments, rest
    return arguments, {**rest, name: left_by_cut(callee, name)}


def _is_required(callee: Any, name: str) -> bool:
    fields = _pydantic_fields(callee)
    if name in fields:
        return fields[name].is_required()
    return inspect.signature(callee).parameters[name].default is inspect.Parameter.empty


def left_by_cut(callee: Any, name: str) -> Any:
    """Return the value of a parameter whose wire is cut.

    Raises:
        LookupError: that depends on the call.
    """
    if not is_model(callee) and not _is_function(callee):
        raise LookupError(name)
    fields = _pydantic_fields(callee)
    if _is_required(callee, name):
        hint = fields[name].annotation if fields else typing.get_type_hints(callee)[name]
        return empty(hint)
    if fields:
        return fields[name].get_default(call_default_factory=True)
    factory = _factories(callee).get(name)
    if factory is not None:
        return factory()
    return inspect.signature(callee).parameters[name].default


def _factories(callee: Any) -> Mapping[str, Callable[[], Any]]:
    """Return what makes the default of a struct's or dataclass's field, where something does."""
    fields: Any = getattr(callee, "__dataclass_fields__", {}).values()
    if isinstance(callee, type) and issubclass(callee, msgspec.Struct):
        fields = msgspec.structs.fields(callee)
    none = (msgspec.NODEFAULT, dataclasses.MISSING)
    return {each.name: each.default_factory for each in fields if each.default_factory not in none}


def _pydantic_fields(callee: Any) -> Mapping[str, Any]:
    """Return the fields of a pydantic model by the names that its constructor takes."""
    if not isinstance(callee, type) or not issubclass(callee, pydantic.BaseModel):
        return {}
    return {field.alias or name: field for name, field in callee.model_fields.items()}


def empty(annotation: Any) -> Any:
    """Return the emptiest value of a type: None where it may be, else one that is false."""
    origin, choices = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return choices[0]
    if origin is typing.Annotated:
        return empty(choices[0])
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in choices else empty(choices[0])
    kind: Any = origin or annotation
    if not isinstance(kind, type):
        return None
    if issubclass(kind, enum.Enum):
        return next(iter(kind))
    if is_model(kind):
        return _empty_model(kind)
    if issubclass(kind, str | int | tuple | list | dict | frozenset | set):
        return cast(Any, kind)()
    if issubclass(kind, Mapping):
        return {}
    return () if issubclass(kind, Iterable) else None


def _empty_model(model: Any) -> Any:
    """Return a model with nothing in it but what it has to have, valid or not."""
    if fields := _pydantic_fields(model):
        required = {name: each for name, each in fields.items() if each.is_required()}
        return model.model_construct(
            **{name: empty(each.annotation) for name, each in required.items()}
        )
    hints = typing.get_type_hints(model)
    parameters = inspect.signature(model).parameters.items()
    required = [name for name, each in parameters if each.default is inspect.Parameter.empty]
    return model(**{name: empty(hints[name]) for name in required})
