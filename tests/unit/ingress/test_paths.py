# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What needs authentication, against routes and policies evaluated in a second way."""

import re

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.ingress.authentication import _paths
from istio_ambient.ingress.authentication._paths import PathMatch
from istio_ambient.ingress.routing import PathType

HTTP, OTHER = ("http-80", "HTTPRoute"), ("http-8080", "HTTPRoute")


def prefix(path: str, where: tuple[str, ...] = HTTP, restricted: bool = False) -> PathMatch:
    return PathMatch(path, where=where, restricted=restricted)


def exact(path: str, restricted: bool = False) -> PathMatch:
    return PathMatch(path, PathType.EXACT, where=HTTP, restricted=restricted)


def regex(path: str) -> PathMatch:
    return PathMatch(path, PathType.REGEX, where=HTTP)


def says(pattern: str, path: str) -> bool:
    """Compare as Istio's policies do (`pilot/pkg/security/authz/matcher/string.go`)."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def needed(operations: list[_paths.Operation], path: str) -> bool:
    """Return whether a rule with these operations matches a request."""

    def holds(operation: _paths.Operation) -> bool:
        wanted, unwanted = operation.get("paths"), operation.get("notPaths", ())
        inside = wanted is None or any(says(pattern, path) for pattern in wanted)
        return inside and not any(says(pattern, path) for pattern in unwanted)

    return not operations or any(holds(operation) for operation in operations)


def takes(match: PathMatch, path: str) -> bool:
    """Compare as a route does."""
    stem = match.path.rstrip("/")
    if match.path_type is PathType.EXACT:
        return path == match.path
    if match.path_type is PathType.REGEX:
        return re.fullmatch(match.path, path) is not None
    return (path == stem and not match.below) or path.startswith(f"{stem}/")


def sort_key(match: PathMatch) -> tuple[int, int, bool]:
    """Sort as istiod does, the one that is tried first at the end."""
    rank = {PathType.EXACT: 3, PathType.PREFIX: 2, PathType.REGEX: 1}[match.path_type]
    return rank, len(match.path), match.restricted


segments = st.sampled_from(["", "a", "ab", "b", "a/b", "a/b/c", "b/a", "ab/c", "a*", "{*}", "a/*"])
matches = st.builds(
    PathMatch,
    st.one_of(
        segments.map(lambda text: f"/{text}"),
        st.sampled_from(["/a.*", "/a|/b", "/a?b", "/[ab]", "/a/b/c?", "/.*"]),
    ),
    st.sampled_from([PathType.EXACT, PathType.PREFIX]),
    st.booleans(),
    st.sampled_from([HTTP, OTHER]),
    st.booleans(),
)
expressions = st.builds(
    PathMatch,
    st.sampled_from(["/a.*", "/a|/b", "/a?b", "/[ab]", "/a/b/c?", "/.*", "/ab", "(?i)/A"]),
    st.just(PathType.REGEX),
    st.just(False),
    st.sampled_from([HTTP, OTHER]),
    st.booleans(),
)
routes = st.lists(st.tuples(matches | expressions, st.booleans()), max_size=6)
paths = st.one_of(
    segments.map(lambda text: f"/{text}"),
    st.text("ab/*{}", max_size=6).map(lambda text: f"/{text}"),
)


@hypothesis.given(routes, paths)
def test_whatever_a_closed_route_serves_needs_authentication(
    given: list[tuple[PathMatch, bool]], path: str
):
    closed = [match for match, authenticated in given if authenticated]
    opened = [match for match, authenticated in given if not authenticated]
    operations = _paths.authenticated(closed, opened)
    for where in (HTTP, OTHER):
        # A restriction (method, header) may hold or not.
        for held in (True, False):
            tried = [
                (match, authenticated)
                for match, authenticated in given
                if match.where == where and takes(match, path) and (held or not match.restricted)
            ]
            best = max((sort_key(match) for match, _ in tried), default=None)
            winners = [auth for match, auth in tried if sort_key(match) == best]
            if any(winners):
                assert needed(operations, path)


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(["/", "/a", "/a/b", "/b", "/ab"]), st.booleans())), paths
)
def test_what_an_open_prefix_serves_needs_none(given: list[tuple[str, bool]], path: str):
    """Within one listener, and without two routes of one path, nothing is closed in vain."""
    chosen = {prefix(text): authenticated for text, authenticated in given}
    closed = [match for match, authenticated in chosen.items() if authenticated]
    opened = [match for match, authenticated in chosen.items() if not authenticated]
    tried = [match for match in chosen if takes(match, path)]
    winner = max(tried, key=sort_key, default=None)
    open_for_all = winner is not None and not chosen[winner]
    assert needed(_paths.authenticated(closed, opened), path) is not open_for_all
    assert list(_paths.still_closed(closed, opened)) == []


def test_without_open_routes_everything_needs_authentication():
    assert _paths.authenticated([prefix("/shop-a")], []) == []
    assert _paths.authenticated([], [regex("/x.*")]) == []


def test_routes_that_do_not_overlap_make_one_list():
    operations = _paths.authenticated(
        [prefix("/shop-a")],
        [prefix("/shop-b"), exact("/health"), PathMatch("/pkg.Echo", below=True)],
    )
    assert operations == [
        {"notPaths": ["/health", "/pkg.Echo/*", "/shop-b", "/shop-b/*"]},
    ]


def test_an_open_root_does_not_open_what_others_closed():
    operations = _paths.authenticated([prefix("/shop-a")], [prefix("/")])
    assert operations == [{"notPaths": ["/*"]}, {"paths": ["/shop-a", "/shop-a/*"]}]


def test_an_open_path_below_a_closed_one_stays_open():
    operations = _paths.authenticated([prefix("/a")], [prefix("/a/public"), prefix("/")])
    assert operations == [
        {"notPaths": ["/*", "/a/public", "/a/public/*"]},
        {"paths": ["/a", "/a/*"], "notPaths": ["/a/public", "/a/public/*"]},
    ]


@pytest.mark.parametrize(
    ("opened", "other"),
    [
        (prefix("/a", OTHER), prefix("/a/b")),
        (prefix("/a/b", OTHER), prefix("/a")),
        (prefix("/a/b", restricted=True), prefix("/a")),
        (prefix("/a"), prefix("/a/b", restricted=True)),
        (exact("/a"), exact("/a", restricted=True)),
    ],
)
def test_an_undecided_path_stays_closed_and_is_reported(opened: PathMatch, other: PathMatch):
    assert list(_paths.still_closed([other], [opened])) == [(opened, other)]
    assert needed(_paths.authenticated([other], [opened]), "/a/b" if "b" in other.path else "/a")


@pytest.mark.parametrize("path", ["/a*", "/*", "/{*}", "/a{**}"])
def test_a_path_that_a_policy_would_read_otherwise_opens_nothing(path: str):
    assert _paths.authenticated([], [exact(path)]) == []
    assert list(_paths.still_closed([], [exact(path)])) == [(exact(path), None)]


def test_a_closed_regular_expression_leaves_prefixes_alone():
    """Istio prefers them."""
    closed, opened = regex("/api/v[0-9]+/.*"), prefix("/api/v1/health")
    operations = _paths.authenticated([closed], [opened, prefix("/")])
    assert list(_paths.still_closed([closed], [opened])) == []
    assert not needed(operations, "/api/v1/health")
