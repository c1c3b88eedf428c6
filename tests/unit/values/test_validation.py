# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Errors of pydantic become problems with place, message and remedy."""

from typing import Annotated

import pydantic
import pytest
from istio_ambient.values import hostnames, urls, validation
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem


def _selector(value: str) -> str:
    raise InvalidValueError("no key of a label", "use [prefix/]name", f"{value}.key")


class Inner(pydantic.BaseModel):
    name: hostnames.DnsLabel = "a"
    ports: list[urls.Port] = []


class Model(pydantic.BaseModel):
    inner: Inner = Inner()
    selector: Annotated[str, pydantic.AfterValidator(_selector)] = ""
    level: int = pydantic.Field(default=1, ge=1)


def errors_of(data: object) -> pydantic.ValidationError:
    with pytest.raises(pydantic.ValidationError) as caught:
        Model.model_validate(data)
    return caught.value


def problems_of(data: object, field: str = "") -> list[Problem]:
    return validation.problems_of(errors_of(data), app="a", endpoint="e", field=field)


def test_the_place_is_that_in_the_model_below_the_place_of_the_entry():
    data = {"inner": {"ports": [80, 0]}}
    for field, place in (("", "inner.ports[1]"), ("rules[2]", "rules[2].inner.ports[1]")):
        (problem,) = problems_of(data, field=field)
        assert (problem.app, problem.endpoint, problem.field) == ("a", "e", place)
        assert (problem.message, problem.remedy) == ("not a port", "use a port from 1 to 65535")


def test_the_place_inside_a_value_is_appended():
    assert problems_of({"selector": "x"})[0].field == "selector.x.key"
    assert problems_of({"selector": "[1]"})[0].field == "selector[1].key"
    error = InvalidValueError("m", "r", "x")
    (problem,) = validation.problems_of(error, app="a", endpoint="e", field="f")
    assert problem == Problem(
        app="a", endpoint="e", field="f.x", message="m", remedy="r", code=Code.INVALID_ENTRY
    )


def test_only_messages_about_options_quote_values():
    data = {"inner": {"ports": ["s3cret"]}}
    (hidden,) = problems_of(data)
    (detail,) = errors_of(data).errors()
    shown = validation.problem_of(detail, app="", endpoint="config", shows_value=True)
    assert (hidden.message, hidden.remedy) == ("not an integer", "use an integer")
    assert (shown.field, shown.message) == ("inner.ports[0]", "'s3cret': not an integer")


def test_a_kind_of_error_without_remedy_has_that_of_the_caller():
    (detail,) = errors_of({"level": 0}).errors()
    problem = validation.problem_of(detail, app="", endpoint="config", remedy="reset it")
    assert (problem.field, problem.remedy) == ("level", "reset it")


def test_one_entry_has_a_few_problems_at_most():
    data = {"inner": {"ports": [0] * 10}}
    assert len(problems_of(data)) == validation.MAX_PROBLEMS
