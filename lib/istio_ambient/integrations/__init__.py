# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Relations and secrets as a charm sees them: what needs ops, between databags and builders.

The format of a databag is in `interfaces`; decisions are made by the builders (`beacon`,
`ingress`, `control_plane`). The modules here turn databags into what the builders take, with the
requester that Juju verified.
"""
