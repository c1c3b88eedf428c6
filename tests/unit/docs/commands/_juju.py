# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Commands of Juju: what of them does not exist, in Juju's client or in our charms."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePath
from typing import Any

from tests.unit.docs.commands._charms import Charm, charms
from tests.unit.docs.commands._options import refused
from tests.unit.docs.commands._pages import ANY, Command
from tests.unit.docs.commands._understood import juju_options

PUBLIC = (
    "a name on Charmhub, where it belongs to another publisher's charm; use ./{}_<platform>.charm"
)


@dataclass(frozen=True)
class Arguments:
    """What follows the name of a command."""

    positional: list[str] = field(default_factory=list[str])
    values: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Values by option."""
    unknown: list[str] = field(default_factory=list[str])
    """Options that the command does not have."""


def arguments(words: Iterable[str], known: Collection[str]) -> Arguments:
    """Return the arguments of a command.

    Args:
        words: what follows the command.
        known: its options; one that takes a value ends in ``=``.
    """
    found = Arguments()
    rest = iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if not re.match(r"-[-\w]", word):
            found.positional.append(word)
        elif f"{name}=" in known:
            found.values.setdefault(name, []).append(value or next(rest, ANY))
        elif word in known:
            found.values.setdefault(word, []).append("")
        else:
            found.unknown.append(word)
    return found


def is_open(word: str) -> bool:
    """Return whether a word is for the reader or a shell to fill in."""
    return ANY in word or "$" in word


def applications(commands: Iterable[Command]) -> dict[str, Charm]:
    """Return the charms of a page's applications by name.

    Without a command that deploys them, applications have the names of our three charms.
    """
    found = {name: charm for name, charm in charms().items() if name.startswith("istio-")}
    for command in commands:
        if command.words[:2] == ("juju", "deploy"):
            positional = arguments(command.words[2:], juju_options()["deploy"]).positional
            charm = charms().get(charm_name(positional[0])) if positional else None
            if positional and charm:
                found[positional[-1] if len(positional) > 1 else charm.name] = charm
            elif positional:
                found.pop(positional[-1], None)
    return found


def charm_name(word: str) -> str:
    """Return the name of the charm that ``deploy`` is given: a name on Charmhub, or a file."""
    return PurePath(word).name.removesuffix(".charm").partition("_")[0]


def faults(command: Command, known: Mapping[str, Charm]) -> Iterator[str]:
    """Yield what is wrong with a command of Juju, and what there is instead.

    Args:
        command: begins with ``juju``.
        known: the charms of the page's applications, by name.
    """
    name, rest = command.words[1] if len(command.words) > 1 else "", command.words[2:]
    if name not in juju_options():
        if name and not is_open(name):
            yield f"juju has no command {name} in programs.yaml"
        return
    found = arguments(rest, juju_options()[name])
    yield from (f"juju {name} has no option {one} in programs.yaml" for one in found.unknown)
    if check := CHECKS.get(name):
        yield from check(found, known, command.is_whole)


def _of_options(charm: Charm, given: Iterable[str]) -> Iterator[str]:
    values: dict[str, str] = {}
    for word in given:
        key, has_value, value = word.partition("=")
        if is_open(key):
            continue
        if key not in charm.options:
            yield f"{charm.name} has no option {key}; {_instead(charm.options)}"
        elif has_value and not _is_of_type(value, charm.options[key]):
            yield f"{charm.name} {key}: {value!r} is no {charm.options[key]}"
        elif has_value and not is_open(value) and not value.startswith("@"):
            values[key] = value
    yield from refused(charm, values)


def _is_of_type(value: str, kind: str) -> bool:
    pattern = {"boolean": "(?i:true|false)", "int": "-?[0-9]+", "integer": "-?[0-9]+"}.get(kind)
    return is_open(value) or not pattern or bool(re.fullmatch(pattern, value))


def _instead(known: Iterable[str]) -> str:
    return f"there are {', '.join(sorted(known)) or 'none'}"


def _of_config(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    application, *given = found.positional or [""]
    if charm := known.get(application):
        reset = [key for keys in found.values.get("--reset", []) for key in keys.split(",")]
        yield from _of_options(charm, [*given, *reset])


def _of_run(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    is_unit = re.compile(r"[^=]+/(\d+|leader|…)").fullmatch
    units = [word for word in found.positional if is_unit(word)]
    rest = [word for word in found.positional if word not in units]
    if not units or not rest:
        if is_whole:
            yield "juju run needs a unit and an action"
        return
    action, *given = rest
    application = units[0].partition("/")[0]
    offered = [known[application]] if application in known else list(known.values())
    having = [charm for charm in offered if action in charm.actions]
    if is_open(action) or (application not in known and not is_open(application)):
        return
    if not having:
        names = (name for charm in offered for name in charm.actions)
        yield f"{application} has no action {action}; {_instead(set(names))}"
    for charm in having[:1]:
        yield from _of_parameters(action, charm.actions[action], given, is_whole)


def _of_parameters(
    action: str, definition: Mapping[str, Any], given: list[str], is_whole: bool
) -> Iterator[str]:
    parameters: Mapping[str, Any] = definition.get("params") or {}
    names: set[str] = set()
    for word in given:
        key, has_value, value = word.partition("=")
        name, has_inner, _ = key.partition(".")
        names.add(name)
        if is_open(name):
            continue
        if name not in parameters or not has_value:
            yield f"{action} has no parameter {name}; {_instead(parameters)}"
            continue
        schema: Mapping[str, Any] = {"type": "any"} if has_inner else parameters[name]
        allowed: list[str] = schema.get("enum", [])
        if not is_open(value) and allowed and value not in allowed:
            yield f"{action} {name}: {value!r} is none of {', '.join(allowed)}"
        elif not _is_of_type(value, schema["type"]):
            yield f"{action} {name}: {value!r} is no {schema['type']}"
    if is_whole:
        missing = set(definition.get("required", [])) - names
        yield from (f"{action} needs {name}" for name in sorted(missing))


def _of_integrate(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    if is_whole and len(found.positional) != 2:
        yield "two ends are needed"
    ends: list[tuple[Charm, str]] = []
    for word in found.positional:
        application, _, endpoint = word.partition(":")
        charm = known.get(application)
        if charm and endpoint and not is_open(endpoint) and endpoint not in charm.endpoints:
            yield f"{application} has no endpoint {endpoint}; {_instead(charm.endpoints)}"
        elif charm:
            ends.append((charm, endpoint))
    if len(ends) == 2 and not _are_compatible(*ends[0], *ends[1]):
        yield "no endpoint that one provides has the interface of one that the other requires"


def _are_compatible(one: Charm, endpoint: str, other: Charm, other_endpoint: str) -> bool:
    sides = ((one.provides, other.requires), (one.requires, other.provides))
    return any(
        interface == other_interface
        and endpoint in ("", name, ANY)
        and other_endpoint in ("", other_name, ANY)
        for ours, theirs in sides
        for name, interface in ours.items()
        for other_name, other_interface in theirs.items()
    )


def _of_deploy(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    word = (found.positional or [""])[0]
    charm = charms().get(charm_name(word))
    is_file = "/" in word
    if is_file:
        yield from _of_archive(word)
    if not charm:
        return
    if not is_file and is_whole:
        yield f"{word} is {PUBLIC.format(charm.name)}"
    if is_whole and "--trust" not in found.values:
        yield f"{charm.name} needs --trust"
    yield from _of_options(charm, (one for one in found.values.get("--config", []) if "=" in one))
    yield from _of_resources(charm, found, is_file and is_whole)


def _of_archive(path: str) -> Iterator[str]:
    """Yield what is wrong with the name of an archive; other people's have no platform in it."""
    name, has_platform, platform = PurePath(path).name.removesuffix(".charm").partition("_")
    if not has_platform or is_open(name):
        return
    if name not in charms():
        yield f"make pack makes no {path}; {_instead(charms())}"
    elif not is_open(platform) and not any(
        fnmatch(known.replace(":", "-"), platform) for known in charms()[name].platforms
    ):
        yield f"make pack makes {name} for {', '.join(charms()[name].platforms)}, not {platform}"


def _of_resources(charm: Charm, found: Arguments, has_none: bool) -> Iterator[str]:
    """Yield wrong resources.

    Args:
        charm: the charm that they are for.
        found: the arguments of ``deploy`` or ``refresh``.
        has_none: whether the charm comes from a file, so that all resources have to be given.
    """
    pairs = (word.partition("=") for word in found.values.get("--resource", []))
    given = {name: image for name, _, image in pairs}
    for name, image in given.items():
        upstream = charm.resources.get(name)
        if upstream is None and not is_open(name):
            yield f"{charm.name} has no resource {name}; {_instead(charm.resources)}"
        elif upstream and not _is_image_like(image, upstream):
            yield f"{charm.name} {name}: {image} is not the image of charmcraft.yaml, {upstream}"
    if has_none and not any(is_open(name) for name in given):
        missing = sorted(set(charm.resources) - set(given))
        yield from (f"a file brings no image: --resource {name}=… is missing" for name in missing)


def _is_image_like(image: str, upstream: str) -> bool:
    """Return whether an image may be meant: the same on a mirror, or in a file."""
    is_file = image.endswith((".yaml", ".json"))
    return is_open(image) or is_file or PurePath(image).name == PurePath(upstream).name


def _of_refresh(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    application = (found.positional or [""])[0]
    charm = known.get(application)
    for path in found.values.get("--path", []):
        named = charms().get(charm_name(path))
        yield from _of_archive(path)
        if charm and not is_open(path) and named != charm:
            yield f"{application} is a {charm.name}, and {path} another charm"
    if charm:
        is_from_store = not found.values.keys() & {"--path", "--switch"}
        if is_whole and is_from_store:
            yield f"{application} is refreshed from {PUBLIC.format(charm.name)}, with --path"
        yield from _of_resources(charm, found, has_none=False)


def _of_offer(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    application, _, names = (found.positional or [""])[0].rpartition(".")[2].partition(":")
    if charm := known.get(application):
        unknown = [name for name in names.split(",") if name and name not in charm.endpoints]
        for name in unknown:
            yield f"{application} has no endpoint {name}; {_instead(charm.endpoints)}"
    if is_whole and not names:
        yield "juju offer needs the endpoints: <application>:<endpoint>"


def _of_attach(found: Arguments, known: Mapping[str, Charm], is_whole: bool) -> Iterator[str]:
    application, *resources = found.positional or [""]
    if charm := known.get(application):
        given = Arguments(values={"--resource": resources})
        yield from _of_resources(charm, given, has_none=False)


CHECKS = {
    "attach-resource": _of_attach,
    "config": _of_config,
    "deploy": _of_deploy,
    "integrate": _of_integrate,
    "offer": _of_offer,
    "refresh": _of_refresh,
    "remove-relation": _of_integrate,
    "run": _of_run,
}
