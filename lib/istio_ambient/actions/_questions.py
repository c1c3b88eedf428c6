# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The request that `explain` is asked about: its parameters, or a URL in place of some of them."""

import dataclasses

from istio_ambient.actions import _reading
from istio_ambient.explain import names


@dataclasses.dataclass(frozen=True)
class Question:
    """A request as an operator describes it; None: any value."""

    source: str
    """In any spelling of `names.read`."""
    target: str
    """As `source`."""
    port: int | None = None
    method: str | None = None
    path: str | None = None
    host: str | None = None


def question(params: _reading.Params) -> Question:
    """Return the request that the parameters describe; a parameter precedes the URL's part.

    Raises:
        ParameterError: a parameter is missing or invalid.
        UnknownNameError: `url` is no URL.
    """
    source = _reading.required(params, "source", "application")
    given = Question(
        source=source,
        target=_reading.text_of(params, "target"),
        port=_reading.port(params),
        method=_reading.text_of(params, "method").upper() or None,
        path=_path(params),
        host=_reading.text_of(params, "host") or None,
    )
    text = _reading.text_of(params, "url")
    if not text:
        _reading.required(params, "target", "application")
        return given
    url = names.read_url(text)
    return dataclasses.replace(
        given,
        target=given.target or url.target,
        port=given.port or url.port,
        path=given.path or url.path,
        host=given.host or url.host,
    )


def _path(params: _reading.Params) -> str | None:
    path = _reading.text_of(params, "path")
    if path and not path.startswith("/"):
        raise _reading.ParameterError("path: begin it with /")
    return path or None
