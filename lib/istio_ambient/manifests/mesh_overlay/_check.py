# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The option `mesh-config`: the operator's overlay on MeshConfig, checked field by field.

istiod ignores fields that it does not know, and rejects the whole MeshConfig for one value that it
does not accept; both are reported here, before the overlay is applied. A field without a rule in
`_rules` is refused.
"""

import difflib
import functools
import json
import math
import pathlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import pydantic

from istio_ambient.acceptance import MARKER_PREFIX
from istio_ambient.values.problems import InvalidValueError, inside
from istio_ambient.values.text import shown
from istio_ambient.values.yaml_text import mapping

from .._mesh_config import EXT_AUTHZ_PREFIX, TRACING_PROVIDER
from . import _messages, _rules

OWNED_FIELDS: Mapping[str, str] = {
    "rootNamespace": "it is the model that the charm is deployed in",
    "configSources": "istiod would no longer read the policies in this cluster",
    "discoverySelectors": "policies of namespaces left out would not be enforced",
    "trustDomain": "it is the option trust-domain",
    "defaultConfig.discoveryAddress": "it is this istiod",
    "defaultConfig.proxyMetadata.ISTIO_META_ENABLE_HBONE": "ambient mode depends on it",
    "defaultConfig.proxyMetadata.ISTIO_DUAL_STACK": "it is the option dual-stack",
}
"""Fields that an overlay cannot set, and why.

Access depends on `discoverySelectors` too: applications join the mesh by labels of their pods, so
no label of a namespace shows which namespaces istiod must see.
"""

REPLACED_FIELDS: Mapping[str, str] = {
    "caCertificates": "use the option ca-secret",
    "certificates": "use cert-manager or another certificate authority",
    "enableEnvoyAccessLogService": "use an extension provider of kind envoyHttpAls",
    "defaultConfig.envoyAccessLogService": "use an extension provider of kind envoyHttpAls",
    "defaultConfig.zipkinAddress": "use an extension provider of kind zipkin",
    "defaultConfig.caCertificatesPem": "use the option ca-secret",
}
"""Fields without a rule for which there is something else, and what."""

WITHOUT_EFFECT = (
    "outboundTrafficPolicy",
    "inboundTrafficPolicy",
    "proxyListenPort",
    "proxyInboundListenPort",
    "proxyHttpPort",
    "defaultConfig.holdApplicationUntilProxyStarts",
)
"""Fields that istiod reads for sidecars only (istio/istio pilot/pkg/networking/core), or that only
the injection of sidecars reads."""

_FIELDS = pathlib.Path(__file__).parent / "mesh-config-fields.yaml"
_DURATION = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?s")
_NO_RULE = "has no rule, so the charm cannot check it"
_LIST_OF, _MAP_OF = "list of ", "map of "


class Message(pydantic.BaseModel, defer_build=True):
    """What one message of MeshConfig may hold."""

    fields: Mapping[str, str]
    """Field → type: a scalar, the name of a message or enumeration, `list of …` or `map of …`."""
    one_of: tuple[tuple[str, ...], ...] = ()
    """Groups of fields of which at most one may be set."""


class MeshConfigFields(pydantic.BaseModel, defer_build=True):
    """Messages and enumerations by their full names."""

    root: str
    """Name of the message that MeshConfig is."""
    messages: Mapping[str, Message]
    enums: Mapping[str, tuple[str, ...]]


@functools.cache
def mesh_config_fields() -> MeshConfigFields:
    """Return the fields of MeshConfig in the pinned Istio.

    The file is JSON below its first line, which names its source.
    """
    _, _, text = _FIELDS.read_text().partition("\n")
    return MeshConfigFields.model_validate(json.loads(text))


def parse_mesh_config(text: object) -> dict[str, Any]:
    """Return the overlay in MeshConfig's JSON form.

    Raises:
        InvalidValueError: the text is no YAML mapping; a field does not exist, has no rule, or is
            set by the charm; a value has another type, or may be refused by istiod or Envoy.
    """
    overlay = mapping(text)
    _check_message(mesh_config_fields().root, overlay, "")
    _check_providers(overlay.get("extensionProviders", []))
    _messages.check_default_providers(overlay, {TRACING_PROVIDER: "opentelemetry"})
    return overlay


def without_effect(overlay: Mapping[str, Any]) -> list[str]:
    """Return the fields of an overlay that change nothing in a mesh without sidecars."""
    return [path for path in WITHOUT_EFFECT if _has(overlay, path.split("."))]


def _has(members: object, path: Sequence[str]) -> bool:
    if not path:
        return True
    if not isinstance(members, Mapping):
        return False
    found = cast(Mapping[str, object], members)
    return path[0] in found and _has(found[path[0]], path[1:])


def _check_message(name: str, value: object, path: str) -> None:
    if not isinstance(value, Mapping):
        raise InvalidValueError(
            f"{shown(value)} is not a mapping", "write `field: value` lines", path
        )
    message, short = mesh_config_fields().messages[name], plain_name(name)
    members = cast(Mapping[str, object], value)
    for field, member in members.items():
        place = inside(path, field)
        if field not in message.fields:
            raise InvalidValueError("no such field", _similar(field, list(message.fields)), place)
        _check_owned(place)
        if field not in _rules.RULES.get(short, ()):
            remedy = REPLACED_FIELDS.get(place, "remove it")
            raise InvalidValueError(_NO_RULE, remedy, place)
        _check_value(message.fields[field], member, place, f"{short}.{field}")
    for choice in (*message.one_of, _messages.EXCLUSIVE.get(short, ())):
        chosen = [field for field in choice if field in members]
        if len(chosen) > 1:
            raise InvalidValueError(f"{' and '.join(chosen)} exclude each other", "keep one", path)
    _check_together(short, members, path)


def _check_together(name: str, members: Mapping[str, object], path: str) -> None:
    for field in _messages.REQUIRED.get(name, ()):
        if field not in members:
            raise InvalidValueError(f"has no {field}", "add it", path)
    choice = _messages.NOT_EMPTY.get(name, ())
    if choice and not any(field in members for field in choice):
        raise InvalidValueError(f"has none of {', '.join(choice)}", "add one", path)
    for check in _messages.CHECKS.get(name, ()):
        _at(path, check, members)


def _at(path: str, check: Callable[[Any], None], value: object) -> None:
    """Call a check of a value, and report what it raises at the value's place."""
    try:
        check(value)
    except InvalidValueError as error:
        place = inside(path, error.field) if error.field else path
        raise InvalidValueError(error.message, error.remedy, place) from None


def plain_name(name: str) -> str:
    """Return the name of a message without its package, as in Istio's reference."""
    return re.sub(r"^istio\.[a-z]+\.v[a-z0-9]+\.", "", name)


def _similar(field: str, known: Sequence[str]) -> str:
    lower = {name.lower(): name for name in known}
    plain = field.replace("_", "").replace("-", "").lower()
    close = difflib.get_close_matches(plain, lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lower[close[0]]}?"
    listed = ", ".join(sorted(known)[:8])
    return f"use one of {listed}" + (", …" if len(known) > 8 else "")


def _check_value(kind: str, value: object, path: str, field: str, key: str = "") -> None:
    """Raise for a value of another type, or one that the rule of its field refuses.

    Args:
        kind: the type, as the list of fields has it.
        value: what the overlay has.
        path: its place in the overlay.
        field: message and field, by which the rule is found.
        key: of a member of a mapping.
    """
    if kind.startswith((_LIST_OF, _MAP_OF)):
        _, _, member_kind = kind.partition(" of ")
        for name, member in _members(value, path, is_list=kind.startswith(_LIST_OF)):
            place, key = inside(path, name), str(name)
            if kind.startswith(_MAP_OF):
                _check_key(key, place, field)
            _check_value(member_kind, member, place, field, key)
        return
    known = mesh_config_fields()
    if kind in known.messages:
        _check_message(kind, value, path)
    elif kind in known.enums:
        if value not in known.enums[kind]:
            remedy = f"use {', '.join(known.enums[kind])}"
            raise InvalidValueError(f"{shown(value)} is not known", remedy, path)
    else:
        accepts, remedy = _SCALARS[kind]
        if not accepts(value):
            raise InvalidValueError(f"{shown(value)} is not allowed", remedy, path)
    message, _, name = field.rpartition(".")
    rule = _rules.ENTRIES.get(field, {}).get(key, _rules.RULES[message][name])
    _at(path, rule, value)


def _check_key(key: str, path: str, field: str) -> None:
    _check_owned(path)
    entries = _rules.ENTRIES.get(field)
    if entries is not None and key not in entries:
        raise InvalidValueError(_NO_RULE, _similar(key, list(entries)), path)
    if field in _rules.KEYS:
        _at(path, _rules.KEYS[field], key)


def _members(
    value: object, path: str, *, is_list: bool
) -> Iterable[tuple[int, object]] | Iterable[tuple[str, object]]:
    if is_list and isinstance(value, list):
        return enumerate(cast(list[object], value))
    if not is_list and isinstance(value, Mapping):
        return cast(Mapping[str, object], value).items()
    what, remedy = ("list", "- item") if is_list else ("mapping", "key: value")
    raise InvalidValueError(f"{shown(value)} is not a {what}", f"write `{remedy}` lines", path)


_Scalar: TypeAlias = tuple[Callable[[object], bool], str]
"""Whether a value is of the type, and the remedy for one that is not."""


def _integer(low: int, high: int) -> _Scalar:
    def accepts(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return accepts, f"use a whole number from {low} to {high}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


_SCALARS: Mapping[str, _Scalar] = {
    "int32": _integer(-(2**31), 2**31 - 1),
    "uint32": _integer(0, 2**32 - 1),
    "int64": _integer(-(2**63), 2**63 - 1),
    "uint64": _integer(0, 2**64 - 1),
    "string": (lambda value: isinstance(value, str), "use text; quote it"),
    "bytes": (lambda value: isinstance(value, str), "use base64"),
    "bool": (lambda value: isinstance(value, bool), "use true or false"),
    "number": (_is_number, "use a number"),
    "duration": (_is_duration, "use seconds, such as 10s or 0.5s"),
    "object": (lambda value: isinstance(value, Mapping), "write `key: value` lines"),
    "any": (lambda _: True, ""),
}


def _check_owned(path: str) -> None:
    if path in OWNED_FIELDS:
        reason = OWNED_FIELDS[path]
        raise InvalidValueError(f"is set by the charm: {reason}", "remove it", path)


def _check_providers(providers: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for index, provider in enumerate(providers):
        path = inside("extensionProviders", index)
        name, place = provider.get("name", ""), inside(path, "name")
        if not name:
            raise InvalidValueError("has no name", "give it one", path)
        if name in seen:
            raise InvalidValueError(f"{shown(name)} is given twice", "keep one", place)
        if name == TRACING_PROVIDER or name.startswith((EXT_AUTHZ_PREFIX, MARKER_PREFIX)):
            message = f"{shown(name)} is set by the charm: providers of relations are called so"
            raise InvalidValueError(message, "use another name", place)
        _at(path, _messages.check_kind, provider)
        seen.add(name)
