# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The request that `explain` is asked about: its parameters, or a URL in place of some of them."""

import msgspec

from istio_ambient.charm import parameters
from istio_ambient.explain import names


class Question(msgspec.Struct, frozen=True):
    """A request as an operator describes it; None: any value."""

    source: str
    """In any spelling of `names.read`."""
    target: str
    """As `source`."""
    port: int | None = None
    method: str | None = None
    path: str | None = None
    host: str | None = None


def question(params: parameters.Params) -> Question:
    """Return the request that the parameters describe; a parameter precedes the URL's part.

    Raises:
        ParameterError: a parameter is missing or invalid.
        UnknownNameError: `url` is no URL.
    """
    source = parameters.required(params, "source", "application")
    given = Question(
        source=source,
        target=parameters.text_of(params, "target"),
        port=parameters.port(params),
        method=parameters.text_of(params, "method").upper() or None,
        path=_path(params),
        host=parameters.text_of(params, "host") or None,
    )
    text = parameters.text_of(params, "url")
    if not text:
        parameters.required(params, "target", "application")
        return given
    url = names.read_url(text)
    return msgspec.structs.replace(
        given,
        target=given.target or url.target,
        port=given.port or url.port,
        path=given.path or url.path,
        host=given.host or url.host,
    )


def _path(params: parameters.Params) -> str | None:
    path = parameters.text_of(params, "path")
    if path and not path.startswith("/"):
        raise parameters.ParameterError("path: begin it with /")
    return path or None
