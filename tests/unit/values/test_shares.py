# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

from istio_ambient.values import shares


def test_one_owner_of_many_entries_leaves_the_others_their_share():
    many = {("aaa", port) for port in range(1, 17)}
    found = shares.in_turn({"aaa": many, "b": {("tempo", 1)}, "c": {("loki", 1), ("z", 1)}}, 16)
    assert {("tempo", 1), ("loki", 1), ("z", 1)} <= {*found}
    assert len(found) == 16
    assert found == sorted(found)


def test_what_several_owners_have_is_returned_once():
    a, b, c = ("a", 1), ("b", 1), ("c", 1)
    assert shares.in_turn({"one": {a, b}, "other": {a, c}}, 3) == [a, b, c]
    assert shares.in_turn({}, 3) == []
