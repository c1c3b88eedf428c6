# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The reader of databags, with an interface of two models."""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from typing import Any, cast

import pydantic
import pytest
from istio_ambient import interfaces
from istio_ambient.interfaces import _reader
from istio_ambient.interfaces._reader import Databag, Reader
from istio_ambient.values import urls


class Backend(Databag):
    port: urls.Port
    tls: pydantic.StrictBool | None = None


class Service(Databag, extra="ignore"):
    backends: tuple[Backend, ...] = ()
    comment: pydantic.StrictStr = pydantic.Field(default="", alias="free-text")


def reader(**databag: Any) -> Reader:
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in databag.items()}
    return Reader(texts, app="web", endpoint="in")


def problems(found: Reader) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_valid_entries_stay_and_each_invalid_one_is_a_problem_with_its_place():
    found = reader(list=[{"port": 1}, {"port": "2"}, 3, {"port": 4}])
    entries = found.entries(Backend, found.members("list", 9), "list")
    assert {place: entry.port for place, entry in entries.items()} == {"list[0]": 1, "list[3]": 4}
    assert problems(found) == [
        "web:in list[1].port: not an integer; use an integer",
        "web:in list[2]: not an object; use an object, each of its keys once",
    ]


def test_an_unknown_key_is_refused_unless_it_is_null_or_the_model_ignores_it():
    found = reader(object={"backends": [{"port": 1, "later": None}], "note": "x"})
    service = found.object("object", Service)
    assert service == Service(backends=(Backend(port=1),))
    assert found.object("object", Backend) is None
    found = reader(object={"backends": [{"port": 1, "later": 0}]})
    assert found.object("object", Service) is None
    assert [problem.field for problem in found.problems] == ["object.backends[0].later"]


def test_members_beyond_the_limit_are_dropped_with_a_problem():
    found = reader(list=[1, 2, 3])
    assert found.members("list", 3) == [1, 2, 3]
    assert found.problems == []
    assert found.members("list", 2) == [1, 2]
    assert problems(found) == ["web:in list: 3 entries, of which 2 were read; send at most 2"]


def test_an_absent_or_null_list_is_empty():
    found = reader(null=None)
    assert (found.members("null", 1), found.members("absent", 1), found.problems) == ([], [], [])


def test_a_null_object_is_a_problem_unless_it_is_nullable():
    found = reader(null=None)
    assert found.object("null", Service, nullable=True) is None
    assert found.object("absent", Service) is None
    assert found.problems == []
    assert found.object("null", Service) is None
    assert [problem.field for problem in found.problems] == ["null"]


def test_a_databag_is_an_object_of_plain_and_json_keys():
    found = reader(port="80", tls="null", later="null")
    assert found.whole(Backend) == Backend(port=80)
    found = Reader({"free-text": "{", "unknown": "{"}, app="web", endpoint="in")
    assert found.whole(Service, plain=("free-text",)) == Service.model_validate({"free-text": "{"})
    assert found.problems == []
    assert found.whole(Service) is None
    assert problems(found) == ["web:in free-text: not JSON at character 1; send valid JSON"]


@pytest.mark.parametrize("text", ['{"port": 1, "port": 2}', '{"port": NaN}', '{"port": Infinity}'])
def test_only_the_entry_with_ambiguous_json_is_dropped(text: str):
    found = reader(list=f'[{text}, {{"port": 3}}]')
    assert list(found.entries(Backend, found.members("list", 9), "list")) == ["list[1]"]


@pytest.mark.parametrize("levels", [17, 20, 500, 900])
def test_only_the_entry_that_is_nested_too_deeply_is_dropped(levels: int):
    deep = "[" * levels + "]" * levels
    found = reader(list=f'[{{"port": 1, "zz": {deep}}}, {deep}, {{"port": 3}}]')
    assert list(found.entries(Backend, found.members("list", 9), "list")) == ["list[2]"]
    assert len(found.problems) == 2


def test_json_is_bounded():
    depth = _reader.MAX_DEPTH
    databag = {
        "limit": "[" * depth + "]" * depth,
        "deep": "[" * (depth + 1) + "]" * (depth + 1),
        "bottomless": "[" * 100_000,
    }
    found = _reader.Reader(databag, app="web", endpoint="ingress", read_by_library=True)
    assert found.value("limit")
    assert found.value("deep") is None
    assert found.value("bottomless") is None
    assert {(p.message, p.remedy) for p in found.problems} == {
        ("nested too deeply", "send fewer levels")
    }
    found = reader(long=" " * (_reader.MAX_LENGTH + 1))
    assert found.value("long") is None
    assert f"{_reader.MAX_LENGTH + 1} characters long" in problems(found)[0]


def models(base: type[Databag]) -> Iterator[type[Databag]]:
    """Yield the models of all interfaces, private ones too."""
    for model in base.__subclasses__():
        yield model
        yield from models(model)


def scalars(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a pydantic schema that validate one number, text or truth value."""
    if isinstance(schema, dict):
        members = cast(dict[str, Any], schema)
        if members.get("type") in ("str", "int", "float", "bool"):
            yield members
        # A validator of ours makes the dataclasses.
        within = members.values() if members.get("type") != "dataclass" else ()
        yield from (found for member in within for found in scalars(member))
    elif isinstance(schema, list):
        yield from (found for member in cast(list[Any], schema) for found in scalars(member))


def test_every_scalar_of_every_interface_is_strict():
    for module in pkgutil.iter_modules(interfaces.__path__):
        importlib.import_module(f"{interfaces.__name__}.{module.name}")
    found: dict[str, list[Any]] = {}
    for model in models(Databag):
        # It is built when it is first used.
        model.model_rebuild()
        found[model.__qualname__] = [*scalars(model.__pydantic_core_schema__)]
    assert found["MeshPolicy"] and found["JwtRule"]
    lax = {name for name, parts in found.items() if not all(part.get("strict") for part in parts)}
    assert lax == set()
