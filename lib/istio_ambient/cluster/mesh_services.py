# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Read the facts that decide about access requests: two requests for any number of these."""

from lightkube.resources.core_v1 import Namespace, Service

from istio_ambient import authorization, kube


def read(client: kube.Client, model: str, *, cross_model: bool) -> authorization.Cluster:
    """Return the Services and namespaces of our model, or of all models.

    Args:
        client: may list both in all namespaces.
        model: our own, which is the namespace too.
        cross_model: whether an application of another model is a requester.

    Raises:
        kube.RequestError: on any answer but success or 404.
    """
    fields = None if cross_model else {"metadata.name": model}
    services, namespaces = kube.read_together(
        lambda: kube.list_kind(client, Service, namespace=None if cross_model else model),
        lambda: kube.list_kind(client, Namespace, fields=fields),
    )
    return authorization.cluster(services or (), namespaces or ())
