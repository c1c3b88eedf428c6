# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""gateway_metadata: the published requirer library reads what we write."""

import ops
import pytest
from charmlibs.interfaces import gateway_metadata as published
from istio_ambient.interfaces import metadata
from ops import testing


class RequirerCharm(ops.CharmBase):
    """Reads the metadata as a consumer does."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.gateway = published.GatewayMetadataRequirer(self)


METADATA = {
    "namespace": "shop",
    "gateway_name": "gate",
    "deployment_name": "gate-istio",
    "service_account": "gate-istio",
}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (metadata.dump_gateway(**METADATA), published.GatewayMetadata(**METADATA)),
        ({}, None),
    ],
    ids=["there", "withdrawn"],
)
def test_the_published_requirer_reads_what_we_write(
    written: dict[str, str], read: published.GatewayMetadata | None
):
    relation = testing.Relation("gateway-metadata", remote_app_data=written)
    context = testing.Context(
        RequirerCharm,
        meta={
            "name": "requirer",
            "requires": {"gateway-metadata": {"interface": "gateway_metadata"}},
        },
    )
    with context(context.on.update_status(), testing.State(relations={relation})) as manager:
        assert manager.charm.gateway.get_metadata() == read
    assert written.keys() <= set(metadata.GATEWAY_KEYS)
