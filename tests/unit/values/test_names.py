# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0
"""Names fit Kubernetes' limits, and no two inputs share one."""

from canonical_service_mesh.utils import charm_kubernetes_label  # pyright: ignore
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.charm import observability
from istio_ambient.values.names import model_app_name, name_with_hash

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,80}[a-z0-9])?", fullmatch=True)


@given(NAMES, NAMES)
def test_model_and_app_are_joined_as_the_public_charms_do(model: str, app: str):
    ours = model_app_name(model, app, separator="-")
    assert ours == charm_kubernetes_label(model_name=model, app_name=app, separator="-")
    assert len(ours) <= 63


@given(NAMES, NAMES)
def test_the_telemetry_label_is_the_one_that_operators_know(model: str, app: str):
    expected = charm_kubernetes_label(
        model_name=model, app_name=app, prefix="charms.canonical.com/", suffix=".telemetry"
    )
    assert observability.telemetry_label(model, app) == {expected: "aggregated"}


@given(st.lists(NAMES, unique=True, max_size=5), st.integers(20, 63))
def test_shortened_names_stay_distinct(names: list[str], limit: int):
    cut = [name_with_hash(name, limit) for name in names]
    assert len(set(cut)) == len(names)
    assert all(len(name) <= limit for name in cut)
