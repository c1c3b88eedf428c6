# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The option `extra-access`: access for clients that are no application of the model.

Its entries are checked as those of databags are: an entry with one invalid member is left out as a
whole, since an empty list is *any* to Istio, and what it names stays closed.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
import pydantic

from istio_ambient import authorization
from istio_ambient.values import names, networks, urls, validation
from istio_ambient.values.config import InvalidEntriesError
from istio_ambient.values.hostnames import DnsLabel, is_dns_label, is_dns_subdomain
from istio_ambient.values.problem_codes import Code
from istio_ambient.values.problems import InvalidValueError
from istio_ambient.values.text import shown
from istio_ambient.values.validation import checked
from istio_ambient.values.yaml_text import entries as members_of_list

MAX_ENTRIES = 500
MAX_VALUES = 256
_FROM_REMEDY = (
    "write one of application, service-account, namespace, everyone or outside: {namespace: ci}"
)

_T = TypeVar("_T")
_Values = Annotated[
    tuple[_T, ...],
    pydantic.Field(max_length=MAX_VALUES, fail_fast=True),
    checked(bool, "an empty list", "leave it out for any value"),
]


def _application(text: str) -> bool:
    model, slash, app = text.rpartition("/")
    return names.is_application(app) and (not slash or is_dns_label(model))


def _account(text: str) -> bool:
    namespace, _, account = text.partition("/")
    return is_dns_label(namespace) and is_dns_subdomain(account)


def _outside(value: object) -> Literal[True] | tuple[str, ...]:
    if value is True:
        return True
    text = shown(value)
    found = cast(list[object], value) if isinstance(value, list) else []
    if not 0 < len(found) <= MAX_VALUES:
        remedy = "write networks: [203.0.113.0/24]; or true, for any address"
        raise InvalidValueError(f"{text} is no list of networks", remedy)
    return tuple(map(_network, found))


def _network(value: object) -> str:
    found = networks.network(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidValueError(f"{shown(value)} is no network", "use one such as 203.0.113.0/24")
    return found


_Application = Annotated[
    pydantic.StrictStr,
    checked(_application, "no application", "use <application>, or <model>/<application>"),
]
_ServiceAccount = Annotated[
    pydantic.StrictStr,
    checked(_account, "no service account", "use <namespace>/<service account>"),
]


class _Strict(pydantic.BaseModel):
    """A mapping of which every key is known: another one may be meant as a restriction."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Clients(_Strict):
    """The member `from`: exactly one kind of clients."""

    application: _Application | None = None
    service_account: _ServiceAccount | None = pydantic.Field(None, alias="service-account")
    namespace: DnsLabel | None = None
    everyone: Literal[True] | None = None
    outside: Annotated[
        Literal[True] | tuple[str, ...] | None, pydantic.PlainValidator(_outside)
    ] = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _check_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise InvalidValueError(f"{shown(value)} is no mapping", _FROM_REMEDY)
        return cast(dict[str, Any], value)

    @pydantic.model_validator(mode="after")
    def _one_kind(self) -> "Clients":
        if len(self.model_fields_set) != 1:
            raise InvalidValueError("not exactly one kind of clients", _FROM_REMEDY)
        return self

    @property
    def is_unrestricted(self) -> bool:
        """Whether they are any clients, or any of those outside the mesh."""
        if self.outside is None or self.outside is True:
            return bool(self.everyone or self.outside)
        return networks.has_every_address(self.outside)

    @property
    def pass_waypoint(self) -> bool:
        """Whether the waypoint sees all of them, so that methods and paths can be checked."""
        return not (self.everyone or self.outside)

    def source(self, model: str) -> authorization.Source:
        """Return the source of the rules that allow them.

        Args:
            model: of applications that are named without one.
        """
        if self.namespace:
            return authorization.Source.of_namespace(self.namespace)
        if self.everyone:
            return authorization.Source.everyone()
        if self.outside:
            found = () if self.outside is True else self.outside
            return authorization.Source.outside(found)
        named = self.service_account or self.application or ""
        namespace, _, account = named.rpartition("/")
        return authorization.Source(namespace or model, account)


class Entry(_Strict):
    """One element of the option."""

    clients: Clients = pydantic.Field(alias="from")
    to: Annotated[
        pydantic.StrictStr,
        checked(names.is_application, "no application", "name an application of this model"),
    ]
    ports: _Values[urls.Port] = ()
    """Of the application's Services; a port that none of them has is one of its pods."""
    methods: _Values[urls.Method] = ()
    paths: _Values[urls.PolicyPath] = ()
    confirm: pydantic.StrictBool = False

    @pydantic.model_validator(mode="after")
    def _check_together(self) -> "Entry":
        if self.is_http and not self.clients.pass_waypoint:
            raise InvalidValueError(
                "methods and paths are read by the waypoint, which clients outside bypass",
                "leave methods and paths out, or name namespaces",
            )
        if self.clients.is_unrestricted and not self.confirm:
            raise InvalidValueError(
                f"would open {self.to} to every client that reaches it",
                "if that is meant, add confirm: true",
            )
        return self

    @property
    def is_http(self) -> bool:
        """Whether it restricts by more than ports, which only the waypoint can."""
        return bool(self.methods or self.paths)


class ExtraAccess(msgspec.Struct, frozen=True):
    """The entries of the option."""

    entries: tuple[tuple[int, Entry], ...] = ()
    """The valid ones, with their index in the list."""
    unread: tuple[str | None, ...] = ()
    """The application of each entry that was left out; None: it is not known either."""


UNREADABLE = ExtraAccess(unread=(None,))


def parse(text: object) -> object:
    """Return the entries of the option's YAML; a value that is no text is returned as it is.

    Raises:
        InvalidEntriesError: with the valid entries, and one error for each invalid member.
    """
    if not isinstance(text, str):
        return text
    try:
        listed = members_of_list(text)
    except InvalidValueError as error:
        raise InvalidEntriesError(UNREADABLE, [error], Code.INVALID_EXTRA_ACCESS) from None
    entries: list[tuple[int, Entry]] = []
    unread: list[str | None] = []
    errors: list[InvalidValueError] = []
    for number, each in enumerate(listed[:MAX_ENTRIES]):
        if isinstance(each, InvalidValueError):
            errors.append(each)
            unread.append(None)
            continue
        try:
            entries.append((number, Entry.model_validate(each)))
        except pydantic.ValidationError as error:
            errors += _errors(error, number)
            unread.append(_named(each))
    if len(listed) > MAX_ENTRIES:
        unread.append(None)
        message = f"{len(listed)} entries, of which {MAX_ENTRIES} are read"
        errors.append(InvalidValueError(message, f"use at most {MAX_ENTRIES}"))
    found = ExtraAccess(tuple(entries), tuple(unread))
    if errors:
        raise InvalidEntriesError(found, errors, Code.INVALID_EXTRA_ACCESS)
    return found


def _errors(error: pydantic.ValidationError, number: int) -> Iterator[InvalidValueError]:
    """Yield what is wrong with one entry, with the place in the list."""
    for detail in error.errors(include_url=False)[: validation.MAX_PROBLEMS]:
        problem = validation.problem_of(
            detail,
            app="",
            endpoint="",
            field=f"[{number}]",
            shows_value=detail["type"] not in ("missing", "extra_forbidden"),
            remedy="see the reference of extra-access",
        )
        yield InvalidValueError(problem.message, problem.remedy, problem.field)


def _named(entry: object) -> str | None:
    """Return the application of an invalid entry; None: it names none."""
    found = cast(dict[str, Any], entry).get("to") if isinstance(entry, dict) else None
    return found if isinstance(found, str) and names.is_application(found) else None


ExtraAccessOption = Annotated[pydantic.InstanceOf[ExtraAccess], pydantic.BeforeValidator(parse)]
"""Type of the option."""
