# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Whom the gateway asks before it lets a request to an authenticated route through."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ForwardAuth:
    """What is known of the external authorizer."""

    wanted: bool = False
    """The forward-auth endpoint is related."""
    provider_name: str = ""
    """What the control plane calls the authorizer; empty while it has not said so."""
    missing: str = ""
    """What has to be there before it can be asked; empty: nothing that is known of."""

    @property
    def pending(self) -> bool:
        """Whether requests cannot be authorized yet: nothing is served meanwhile."""
        return self.wanted and (bool(self.missing) or not self.provider_name)
