# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The base of the charms' options: reading never raises, and an invalid option has its default."""

from typing import Annotated, Any, Literal

import ops
import pydantic
from istio_ambient import control_plane, manifests
from istio_ambient.values.config import CharmConfig
from istio_ambient.values.problems import InvalidValueError
from ops import testing

TAG = f"{manifests.VERSION}-mirror.1"


def _even(value: int) -> int:
    if value % 2:
        raise InvalidValueError(f"{value} is odd", "use an even number", "digit")
    return value


class Config(CharmConfig):
    size: Annotated[int, pydantic.AfterValidator(_even)] = 2
    mode_of_use: Literal["one", "two"] = "one"
    free: str = ""

    @pydantic.field_validator("free")
    @classmethod
    def _check_mode(cls, free: str, info: pydantic.ValidationInfo) -> str:
        if free and info.data.get("mode_of_use") == "two":
            raise InvalidValueError("not with two", "use one")
        return free


def read(**options: Any) -> Config:
    return Config.model_validate(options)


def test_valid_options_are_used_and_unknown_ones_are_ignored():
    config = read(size=4, mode_of_use="two", other=1)
    assert (config.size, config.mode_of_use) == (4, "two")
    assert (config.problems, config.invalid) == ((), frozenset())


def test_an_invalid_option_has_its_default_and_the_others_their_values():
    config = read(size=3, mode_of_use="three", free="text")
    assert (config.size, config.mode_of_use, config.free) == (2, "one", "text")
    assert config.invalid == {"size", "mode-of-use"}
    size, mode = map(str, config.problems)
    assert size == "config size digit: 3 is odd; use an even number"
    assert mode == (
        "config mode-of-use: 'three': input should be 'one' or 'two'; "
        "change it, or reset it: juju config <application> --reset mode-of-use"
    )


def test_a_rule_about_two_options_names_the_one_that_is_reset():
    config = read(mode_of_use="two", free="text")
    assert (config.mode_of_use, config.free, config.invalid) == ("two", "", {"free"})


def test_configs_with_other_problems_are_not_equal():
    assert read(size=3) != read()
    assert read(size=3) == read(size=3)


def test_problems_are_kept_in_a_copy_and_in_another_model():
    class Holder(pydantic.BaseModel):
        config: Config

    config = read(size=3)
    assert config.model_copy(update={"free": "x"}).invalid == {"size"}
    assert Holder(config=config).config.problems == config.problems


def test_load_config_of_ops_reads_it_with_secrets_by_their_id():
    class Charm(ops.CharmBase):
        def __init__(self, framework: ops.Framework):
            super().__init__(framework)
            framework.observe(self.on.config_changed, self._on_config_changed)

        def _on_config_changed(self, _: ops.ConfigChangedEvent) -> None:
            loaded.append(self.load_config(control_plane.Config))

    loaded: list[control_plane.Config] = []
    types = {"ca-secret": "secret", "hub": "string", "hardened-mode": "boolean", "tag": "string"}
    options = {name: {"type": kind} for name, kind in types.items()}
    context = testing.Context(Charm, meta={"name": "c"}, config={"options": options})
    secret = testing.Secret({"a": "b"})
    given = {"ca-secret": secret.id, "hub": "", "hardened-mode": True, "tag": TAG}
    state = testing.State(config=given, secrets={secret})
    context.run(context.on.config_changed(), state)
    (config,) = loaded
    assert (config.ca_secret, config.hardened_mode, config.tag) == (secret.id, True, TAG)
    assert config.invalid == {"hub"}
