# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""References of container images, as far as the version of Istio follows from them."""

_VARIANTS = ("-distroless", "-debug")


def version_of(image: str) -> str:
    """Return the version by the tag of one of Istio's images; empty: it has no tag.

    Args:
        image: `docker.io/istio/proxyv2:<version>-distroless`, without or with a digest.
    """
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    for variant in _VARIANTS:
        tag = tag.removesuffix(variant)
    return tag
