# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The hostnames that the gateway uses, as an annotation of the Gateway.

An option that cannot be read leaves the gateway as it is: its URLs, listeners and certificate.
"""

import json

import msgspec

from istio_ambient.values import decoded

HOSTNAMES = "charmed-istio/hostnames"
"""Annotation of our Gateway: a JSON object of the options, without those that are unset."""
_EXTERNAL, _LISTENER = "external_hostname", "listener-hostname"


class HostOptions(msgspec.Struct, frozen=True):
    """The options in use that hold a hostname."""

    external: str = ""
    """`external_hostname`; empty: unset."""
    listener: str | None = None
    """`listener-hostname`; None: unset; empty: any hostname."""

    def dump(self) -> str:
        """Return the annotation; empty where both options are unset."""
        used = {_EXTERNAL: self.external or None, _LISTENER: self.listener}
        content = {key: value for key, value in used.items() if value is not None}
        return json.dumps(content, sort_keys=True) if content else ""


NO_HOST_OPTIONS = HostOptions()


def parse_host_options(text: str) -> HostOptions:
    """Return the options of an annotation; what cannot be read of it counts as unset."""
    options = decoded.members(decoded.json_value(text))
    external, listener = options.get(_EXTERNAL), options.get(_LISTENER)
    return HostOptions(
        external if isinstance(external, str) else "",
        listener if isinstance(listener, str) else None,
    )
