# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What an operator types: command lines of juju and kubectl, carried out on the lab's models."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from istio_ambient import resources
from lightkube.core.client import Client
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace

from tests.lab.juju import _model
from tests.lab.juju._endpoints import JujuError, Offer

_COMMAND = re.compile(
    r"printf %s '[^']*' \| kubectl apply -f -|(?:juju|kubectl) (?!edit)[a-z-]+ [^;()]*"
)
"""A command within the text of a remedy, up to the next one."""

_PLACEHOLDER = re.compile(r"([a-z0-9-]+):<endpoint>")


class Terminal:
    """Carries out command lines, and takes them back.

    Args:
        models: by name; the first is the current one.
        endpoints: what `<endpoint>` of an application stands for, which a person looks up; of "",
            that of all other applications.
    """

    def __init__(
        self,
        models: Mapping[str, "_model.Model"],
        client: Client,
        endpoints: Mapping[str, str] | None = None,
    ):
        self._models = dict(models)
        self._current = next(iter(models), "")
        # As untyped as lightkube's generic resources are.
        self._client: Any = client
        self._endpoints = endpoints or {}
        self._offers: dict[str, Offer] = {}
        self._undo: list[Callable[[], object]] = []

    def follow(self, remedy: str) -> int:
        """Carry out every command of a remedy; return how many there are."""
        commands = _COMMAND.findall(remedy)
        for command in commands:
            self.enter(command.strip())
        return len(commands)

    def enter(self, line: str) -> Any:
        """Carry out one command line; return what it prints, or None.

        Raises:
            JujuError: the command is none that the lab knows, or Juju refuses it.
        """
        words = shlex.split(_PLACEHOLDER.sub(self._endpoint_of, line))
        name = f"_{words[0]}_{words[1].replace('-', '_')}"
        if words[0] == "printf":
            return self._apply(json.loads(words[2]))
        carry_out = getattr(self, name, None)
        if carry_out is None:
            raise JujuError(f"the lab has no command {line}")
        return carry_out(*words[2:])

    def _endpoint_of(self, found: re.Match[str]) -> str:
        app = found[1]
        return f"{app}:{self._endpoints.get(app, self._endpoints.get('', ''))}"

    def undo(self) -> None:
        """Take back what was entered, the last first."""
        while self._undo:
            self._undo.pop()()
        for model in self._models.values():
            model.settle()

    def _chosen(self, words: tuple[str, ...]) -> tuple["_model.Model", tuple[str, ...]]:
        if words[0] == "-m":
            return self._models[words[1]], words[2:]
        return self._models[self._current], words

    def _juju_integrate(self, *words: str) -> None:
        model, (left, right) = self._chosen(words)
        other: str | Offer = self._offers[right] if "." in right else right
        model.integrate(left, other)
        self._undo.append(lambda: model.remove_relation(left, other))

    def _juju_offer(self, endpoint: str, name: str | None = None) -> None:
        model, _, offered = endpoint.partition(".")
        offer = self._models[model].offer(offered, name)
        self._offers[f"{model}.{offer.name}"] = offer

    def _juju_config(self, *words: str) -> None:
        model, (app, *options) = self._chosen(words)
        for option in options:
            key, _, value = option.partition("=")
            model.config(app, **{key: yaml.safe_load(value)})
            self._undo.append(lambda key=key: model.reset(app, key))

    def _juju_run(self, *words: str) -> Any:
        model, (unit, action, *typed) = self._chosen(words)
        return model.run(unit, action, *typed)

    def _juju_show_application(self, *words: str) -> None:
        model, apps = self._chosen(words)
        for app in apps:
            model.app(app)

    def _kubectl_delete(self, kind: str, name: str, _: str, namespace: str) -> None:
        assert kind.startswith("authorizationpolicies."), kind
        self._client.delete(resources.AuthorizationPolicy, name, namespace=namespace)

    def _kubectl_label(self, _: str, namespace: str, label: str) -> None:
        key, _, value = label.partition("=")

        def label_it(value: str | None) -> None:
            content = {"metadata": {"labels": {key: value}}}
            self._client.patch(Namespace, namespace, content)

        label_it(value)
        self._undo.append(lambda: label_it(None))

    def _apply(self, manifest: dict[str, Any]) -> None:
        meta, spec = manifest["metadata"], manifest["spec"]
        name, namespace = meta["name"], meta["namespace"]
        metadata = ObjectMeta(name=name, namespace=namespace)
        self._client.create(resources.AuthorizationPolicy(metadata=metadata, spec=spec))
        kind = resources.AuthorizationPolicy
        self._undo.append(lambda: self._client.delete(kind, name, namespace=namespace))
