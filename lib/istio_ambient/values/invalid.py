# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What is wrong with the value of an option."""


class OptionError(ValueError):
    """A value cannot be used.

    Args:
        message: what is wrong; holds the value, unless that is secret.
        remedy: what is allowed, as an instruction.
        field: where in the value, for values that have an inside: `requests.cpu`, `[1].key`.
    """

    def __init__(self, message: str, remedy: str, field: str = ""):
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field


def shown(value: object, limit: int = 60) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def inside(path: str, key: str | int) -> str:
    """Return the path of something below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key
