# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The model of a charm's options: read without raising, with a problem for each invalid one."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Self, cast

import msgspec
import pydantic
from pydantic_core import ErrorDetails

from istio_ambient.values import hostnames, validation
from istio_ambient.values.names import is_application
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError, Problem
from istio_ambient.values.text import shown

_KEY = "[key]"
"""What pydantic adds to the place of an error in the key of a mapping."""


class InvalidEntriesError(ValueError):
    """Some entries of an option that is a list are invalid, and the others are used.

    A validator raises it where an option with fewer entries is safer than its default.

    Args:
        valid: what the option's validator is given instead.
        errors: what is wrong, one for each invalid entry.
        code: of the problems.
    """

    def __init__(
        self,
        valid: object,
        errors: Iterable[InvalidValueError],
        code: Code = Code.INVALID_OPTION,
    ):
        super().__init__("some entries are invalid")
        self.valid = valid
        self.errors = tuple(errors)
        self.code = code


APPLICATION = "<application>"
"""In commands of remedies, until `CharmConfig.name_application` puts the name there."""


class CharmConfig(pydantic.BaseModel):
    """Base of the options of one charm: fields are named as the options, with underscores.

    `ops.CharmBase.load_config` makes instances of it. Fields have the defaults of
    `charmcraft.yaml`. An option whose value a validator refuses has its default, is named in
    `invalid`, and has a problem: the charm decides what that means for its objects.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="ignore", defer_build=True)

    _problems: tuple[Problem, ...] = pydantic.PrivateAttr(default=())
    _invalid: frozenset[str] = pydantic.PrivateAttr(default=frozenset())

    @property
    def problems(self) -> tuple[Problem, ...]:
        """A problem for each value, or entry of a value, that is not used."""
        return self._problems

    @property
    def invalid(self) -> frozenset[str]:
        """The options that have their default because their value is invalid."""
        return self._invalid

    def name_application(self, app: str) -> None:
        """Put the application's name into the commands of remedies."""
        self._problems = tuple(
            msgspec.structs.replace(each, remedy=each.remedy.replace(APPLICATION, app))
            for each in self._problems
        )

    @pydantic.model_validator(mode="wrap")
    @classmethod
    def _reset_invalid(
        cls, options: Any, handler: pydantic.ModelWrapValidatorHandler[Self]
    ) -> Self:
        try:
            return handler(options)
        except pydantic.ValidationError as error:
            faults = error.errors(include_url=False)
        valid: dict[str, object] = dict(options)
        problems: list[Problem] = []
        for fault in faults:
            name = str(fault["loc"][0])
            error = cast(Mapping[str, object], fault.get("ctx", {})).get("error")
            if isinstance(error, InvalidEntriesError):
                valid[name] = error.valid
                problems.extend(
                    problem_of_option(_option(name), each, error.code) for each in error.errors
                )
            else:
                valid.pop(name, None)
                problems.append(_problem(fault))
        config = handler(valid)
        config._problems = tuple(problems)
        config._invalid = frozenset(map(_option, options.keys() - valid.keys()))
        return config


def problem_of_option(
    option: str, error: InvalidValueError, code: Code = Code.INVALID_OPTION
) -> Problem:
    """Return the problem of an option whose value raised an error.

    Args:
        option: the option's name as in `charmcraft.yaml`.
        error: with the field in the option's value, for structured options.
        code: of the problem.
    """
    field = f"{option} {error.field}" if error.field else option
    return Problem(
        app="",
        endpoint="config",
        field=field,
        message=error.message,
        remedy=error.remedy,
        code=code,
    )


def _problem(fault: ErrorDetails) -> Problem:
    name, *place = fault["loc"]
    option = _option(str(name))
    fault["loc"] = tuple(part for part in place if part != _KEY)
    remedy = f"change it, or reset it: juju config {APPLICATION} --reset {option}"
    problem = validation.problem_of(
        fault,
        app="",
        endpoint="config",
        shows_value=True,
        remedy=remedy,
        code=Code.INVALID_OPTION,
    )
    return msgspec.structs.replace(problem, field=f"{option} {problem.field}".rstrip())


def _option(name: str) -> str:
    return name.replace("_", "-")


def parse_applications(names: object) -> object:
    """Return the names of a list with commas or whitespace between them, as a frozenset.

    A value that is not text is returned as it is, for pydantic to check.

    Raises:
        InvalidEntriesError: with the valid names, where a name is none that Juju gives to an
            application. These stay: an application that is no longer trusted would lose the
            access that it asked for, and with it what it had closed for others.
    """
    remedy = "use names of applications in this model, with commas or spaces between them"
    return _names(names, is_application, "no application", remedy)


def parse_namespaces(names: object) -> object:
    """Return the names of a list with commas or whitespace between them, as a frozenset.

    A value that is not text is returned as it is, for pydantic to check.

    Raises:
        InvalidEntriesError: with the valid names, where a name is none of a namespace.
    """
    remedy = "use names of namespaces, with commas or spaces between them"
    return _names(names, hostnames.is_dns_label, "no namespace", remedy)


def _names(names: object, is_valid: Callable[[str], bool], fault: str, remedy: str) -> object:
    if not isinstance(names, str):
        return names
    found = dict.fromkeys(name for name in re.split(r"[,\s]+", names) if name)
    valid = {name for name in found if is_valid(name)}
    if len(valid) < len(found):
        invalid = (f"{shown(name)} is {fault}" for name in found if name not in valid)
        errors = (InvalidValueError(message, remedy) for message in invalid)
        raise InvalidEntriesError(frozenset(valid), errors)
    return frozenset(valid)


Applications = Annotated[frozenset[str], pydantic.BeforeValidator(parse_applications)]
"""Type of an option that names applications; see `parse_applications`."""
Namespaces = Annotated[frozenset[str], pydantic.BeforeValidator(parse_namespaces)]
"""Type of an option that names namespaces; see `parse_namespaces`."""
