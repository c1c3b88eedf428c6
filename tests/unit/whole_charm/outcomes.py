# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What a hook leads to, and how a case names places in it.

A place is `<section>: <path>`, or a section alone. Sections:

```
<Kind> <namespace>/<name>   an object in the cluster
access to <target>          the policy for `Service shop/details` or `pods shop/<labels>`
app databag <relation>      what the application wrote, by the scenario's name of the relation
unit databag <relation>     likewise the unit
status                      `<status>: <message>` of the unit; of a problem, whole: place, what
                            is wrong, remedy
codes                       of all problems that the status is made of
plan                        Pebble's plan of the container
certificate                 of a TLS Secret in the cluster, see `authority.certificate_in`
version                     the workload's version
action                      results of the action
log                         lines of the log
requests                    `<verb> <Kind> <name>` of each request that changes the cluster
reads                       of each other request: see `FakeCluster.reads`
```

A path is written as in `spec.listeners[0].hostname`. In brackets stands a key with dots in it, a
number, or the `name` of a member of a list. Text is read as YAML where the path goes on below it.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast

import yaml


class _Mark:
    """Stands for what is, or is not, at a place, whatever it is."""

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return self._name


ABSENT, PRESENT = _Mark("ABSENT"), _Mark("PRESENT")
"""There is nothing at the place; there is something."""

_TOKEN = re.compile(r"([^.\[\]]+)|\[([^\]]+)\]")


class Has:
    """A text, or the text of a value, that holds all of these."""

    def __init__(self, *texts: str):
        self.texts = texts

    def fits(self, text: str) -> bool:
        """Return whether a text is such a one."""
        return all(each in text for each in self.texts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.texts}"


class Lacks(Has):
    """A text, or the text of a value, that holds none of these."""

    def fits(self, text: str) -> bool:
        """Return whether a text is such a one."""
        return not any(each in text for each in self.texts)


class Matches(Has):
    """A text in which a pattern is found, and all of these texts."""

    def __init__(self, pattern: str, *texts: str):
        super().__init__(*texts)
        self._pattern = re.compile(pattern)

    def fits(self, text: str) -> bool:
        """Return whether a text is such a one."""
        return self._pattern.search(text) is not None and super().fits(text)

    def __repr__(self) -> str:
        return f"Matches({self._pattern.pattern!r}, {self.texts})"


# How a status is worded is left open, but not which parts it has.


def blocked(place: str, *texts: str) -> Has:
    """Return the status that names a problem: where it is, what is wrong, and what to do.

    Args:
        place: `<application>:<endpoint> <field>`, as far as there is one.
        texts: what is mentioned.
    """
    return _problem("blocked", place, *texts)


def pending(place: str, *texts: str) -> Has:
    """Return the status that names a problem which holds up only the application that has it."""
    return _problem("waiting", place, *texts)


def warning(place: str, *texts: str) -> Has:
    """Return the status that names a problem in spite of which everything works."""
    return Matches(rf"^active: {re.escape(place)}: [^;]+; \S", *texts)


def _problem(status: str, place: str, *texts: str) -> Has:
    return Matches(rf"^{status}: {re.escape(place)}: [^;]+; \S", *texts)


def waiting(what: str, *texts: str) -> Has:
    """Return the status that says what is waited for, and why it is not there."""
    return Matches(rf"^waiting: {re.escape(what)}: [^;\s]", *texts)


def late(what: str, *texts: str) -> Has:
    """Return the status that says for what the wait is too long, and why it is not there."""
    return Matches(rf"^blocked: {re.escape(what)}: not ready for more than .*: \S", *texts)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a hook leads to."""

    sections: Mapping[str, Any]
    facts: object = None
    """What the desired objects were built from; None where the hook did not come to that."""
    message: str = ""
    """Of the unit's status, as it is shown."""
    remedy: str = ""
    """Of the problem that the status is about."""
    warnings: tuple[str, ...] = ()
    """Lines of the log that are warnings and errors."""

    def at(self, place: str) -> Any:
        """Return what is at a place, or `ABSENT`."""
        section, _, path = place.partition(": ")
        value = self.sections.get(section, ABSENT)
        for key, bracketed in _TOKEN.findall(path):
            value = _below(value, key or bracketed)
        return value

    def mismatches(self, expected: Mapping[str, Any]) -> list[str]:
        """Return the places at which there is something else than expected, with what is there."""
        return [
            f"{place} is {self.at(place)!r}, not {value!r}"
            for place, value in expected.items()
            if not _fits(self.at(place), value)
        ]


def _below(value: Any, key: str) -> Any:
    if isinstance(value, str):
        value = yaml.safe_load(value)
    if isinstance(value, Mapping):
        return cast(Mapping[str, Any], value).get(key, ABSENT)
    if not isinstance(value, list):
        return ABSENT
    members = cast(list[Any], value)
    if key.isdigit():
        return members[int(key)] if int(key) < len(members) else ABSENT
    named = (cast(Mapping[str, Any], each) for each in members if isinstance(each, Mapping))
    return next((each for each in named if each.get("name") == key), ABSENT)


def _fits(found: Any, expected: Any) -> bool:
    if expected is PRESENT:
        return found is not ABSENT
    if isinstance(expected, Has):
        return expected.fits(found if isinstance(found, str) else repr(found))
    return found is expected or found == expected
