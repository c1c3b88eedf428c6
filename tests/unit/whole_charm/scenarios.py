# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What surrounds a charm, as plain data, and cases that change one thing of it.

A scenario is a mapping with these keys:

```
charm, app, model, uuid   folder of the charm; its application, its model and that model's UUID
leader, units             whether the unit is the leader; how many units are planned
config                    option → value
relations                 name of our choice → {endpoint, app, app_data, unit_data, model_uuid}
objects                   "<Kind> <namespace>/<name>" → the object without what its key says
secrets                   id of a Juju secret → its content
servers                   URL → {jwks, fault, transient}: what comes of fetching keys there
kubernetes, missing       version of the API server; kinds that it does not serve
event                     "update-status", {hook, relation: its number}, or {action, params}
earlier                   a patch of this scenario: a hook that has run before
meanwhile                 a patch of the objects, between the two hooks
```

Databags may hold any value: what is not text is written as JSON. See `authority` for what else a
relation with a certificate authority has. Scenarios are changed by JSON merge patches (RFC 7386):
mappings merge, `None` removes, anything else replaces. So do `earlier` and `meanwhile`, which are
patches themselves.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, cast

Scenario = dict[str, Any]
Patch = Mapping[str, Any]

EMPTY: Scenario = {
    "charm": "",
    "app": "",
    "model": "shop",
    "uuid": "11111111-1111-4111-8111-111111111111",
    "leader": True,
    "units": 1,
    "config": {},
    "relations": {},
    "objects": {},
    "secrets": {},
    "servers": {},
    "kubernetes": "1.34",
    "missing": [],
    "event": "update-status",
    "earlier": None,
    "meanwhile": {},
}
"""What a scenario is like where it does not say."""

_WHOLE = ("earlier", "meanwhile")


@dataclasses.dataclass(frozen=True)
class Case:
    """One change of a scenario, and what the charm does because of it."""

    change: Patch
    """What is different."""
    expect: Mapping[str, Any]
    """Place in the outcome → what is there with the change, and is not without; see `outcomes`."""
    given: Patch = dataclasses.field(default_factory=dict[str, Any])
    """What is so with the change and without."""
    same: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any])
    """Place in the outcome → what is there with the change and without."""


@dataclasses.dataclass(frozen=True)
class Option:
    """A value of one option, and what the charm does because of it: nothing else is changed."""

    value: bool | int | str
    expect: Mapping[str, Any]
    given: Patch = dataclasses.field(default_factory=dict[str, Any])

    def case(self, name: str) -> Case:
        """Return the case for the option of that name."""
        return Case({"config": {name: self.value}}, self.expect, self.given)


@dataclasses.dataclass(frozen=True)
class Suite:
    """The cases of one charm."""

    base: Scenario
    """What all of them change."""
    options: Mapping[str, Option]
    """By the option's name in charmcraft.yaml."""
    facts: Mapping[str, Case]
    """Changed databags, objects, units and the like, by a name in words."""
    constant: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Fields of the facts that nothing outside of the charm changes, and why."""

    @property
    def charm(self) -> str:
        """The charm's folder."""
        return self.base["charm"]

    @property
    def cases(self) -> dict[str, Case]:
        """All cases by name."""
        options = {name: option.case(name) for name, option in self.options.items()}
        return {**options, **self.facts}


def patched(scenario: Patch, *patches: Patch) -> Scenario:
    """Return a scenario with patches applied, the last one on top; nothing is changed in place."""
    result = dict(scenario)
    for patch in patches:
        whole = {key: patch[key] for key in _WHOLE if key in patch}
        rest = {key: value for key, value in patch.items() if key not in whole}
        result = {**cast(Scenario, merged(result, rest)), **whole}
    return result


def merged(target: Any, patch: Any) -> Any:
    """Return a value with a JSON merge patch applied (RFC 7386)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(cast(Scenario, target)) if isinstance(target, Mapping) else {}
    for key, value in cast(Patch, patch).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
