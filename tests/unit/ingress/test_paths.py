# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""What needs authentication, against routes and policies evaluated in a second way."""

import itertools
import re

import hypothesis
import pytest
from hypothesis import strategies as st
from istio_ambient.ingress.authentication import _paths
from istio_ambient.ingress.authentication._paths import PathMatch
from istio_ambient.ingress.routing import PathType

HTTP, OTHER = ("HTTPRoute", "*"), ("HTTPRoute", "shop.example.com")
PORTS = (80, 8080)


def prefix(
    path: str, where: tuple[str, ...] = HTTP, restricted: bool = False, port: int = 80
) -> PathMatch:
    return PathMatch(path, where=where, restricted=restricted, port=port)


def exact(path: str, restricted: bool = False) -> PathMatch:
    return PathMatch(path, PathType.EXACT, where=HTTP, restricted=restricted)


def regex(path: str) -> PathMatch:
    return PathMatch(path, PathType.REGEX, where=HTTP)


def says(pattern: str, path: str) -> bool:
    """Compare as Istio's policies do (`pilot/pkg/security/authz/matcher/string.go`)."""
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return path == pattern


def needed(operations: list[_paths.Operation], path: str, port: int = 80) -> bool:
    """Return whether a rule with these operations matches a request."""

    def holds(operation: _paths.Operation) -> bool:
        wanted, unwanted = operation.get("paths"), operation.get("notPaths", ())
        inside = wanted is None or any(says(pattern, path) for pattern in wanted)
        at_port = str(port) in operation.get("ports", [str(port)])
        at_port = at_port and str(port) not in operation.get("notPorts", ())
        return at_port and inside and not any(says(pattern, path) for pattern in unwanted)

    return not operations or any(holds(operation) for operation in operations)


def still_closed(
    closed: list[PathMatch], opened: list[PathMatch]
) -> dict[PathMatch, PathMatch | None]:
    operations = _paths.authenticated(closed, opened)
    return dict(_paths.still_closed(operations, closed, opened))


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
    st.sampled_from(PORTS),
    st.sampled_from([HTTP, OTHER]),
    st.booleans(),
)
expressions = st.builds(
    PathMatch,
    st.sampled_from(["/a.*", "/a|/b", "/a?b", "/[ab]", "/a/b/c?", "/.*", "/ab", "(?i)/A"]),
    st.just(PathType.REGEX),
    st.just(False),
    st.sampled_from(PORTS),
    st.sampled_from([HTTP, OTHER]),
    st.booleans(),
)
routes = st.lists(st.tuples(matches | expressions, st.booleans()), max_size=8)
paths = st.one_of(
    segments.map(lambda text: f"/{text}"),
    st.text("ab/*{}", max_size=6).map(lambda text: f"/{text}"),
)


def divided(given: list[tuple[PathMatch, bool]]) -> tuple[list[PathMatch], list[PathMatch]]:
    """Return the matches of closed and of open routes."""
    closed = [match for match, authenticated in given if authenticated]
    return closed, [match for match, authenticated in given if not authenticated]


@hypothesis.settings(max_examples=500)
@hypothesis.given(routes, paths)
def test_whatever_a_closed_route_serves_needs_authentication(
    given: list[tuple[PathMatch, bool]], path: str
):
    operations = _paths.authenticated(*divided(given))
    places = [(port, where) for port in PORTS for where in (HTTP, OTHER)]
    # A restriction (method, header) may hold or not.
    for place, held in itertools.product(places, (True, False)):
        tried = [
            (match, authenticated)
            for match, authenticated in given
            if match.place == place and takes(match, path) and (held or not match.restricted)
        ]
        best = max((sort_key(match) for match, _ in tried), default=None)
        winners = [auth for match, auth in tried if sort_key(match) == best]
        if any(winners):
            assert needed(operations, path, place[0])
    assert needed(operations, path, 9999)


@hypothesis.settings(max_examples=500)
@hypothesis.given(routes, paths)
def test_what_is_reported_as_open_needs_no_authentication(
    given: list[tuple[PathMatch, bool]], path: str
):
    closed, opened = divided(given)
    operations = _paths.authenticated(closed, opened)
    reported = still_closed(closed, opened)
    for match in opened:
        takers = (other for other in closed if other.takes_precedence_over(match))
        if match not in reported and takes(match, path):
            assert not needed(operations, path, match.port) or any(
                takes(other, path) for other in takers
            )


@hypothesis.given(routes)
def test_one_reading_of_the_policy_closes_no_more_than_a_comparison_of_all_pairs(
    given: list[tuple[PathMatch, bool]],
):
    """Without what a policy cannot express, an open match is closed by an undecided one only."""
    given = [(match, auth) for match, auth in given if match.is_expressible()]
    closed, opened = divided(given)
    for match, reason in still_closed(closed, opened).items():
        assert reason is not None and reason.port == match.port
        assert any(
            not match.takes_precedence_over(other)
            and not other.takes_precedence_over(match)
            and any(overlap(a, b) for a in match.patterns() for b in other.patterns())
            for other in closed
            if other.port == match.port
        )


def overlap(a: str, b: str) -> bool:
    if a.endswith("*") and b.endswith("*"):
        return a[:-1].startswith(b[:-1]) or b[:-1].startswith(a[:-1])
    return says(a, b) or says(b, a)


@hypothesis.given(
    st.lists(st.tuples(st.sampled_from(["/", "/a", "/a/b", "/b", "/ab"]), st.booleans())), paths
)
def test_what_an_open_prefix_serves_needs_none(given: list[tuple[str, bool]], path: str):
    """Within one listener, and without two routes of one path, nothing is closed in vain."""
    chosen = {prefix(text): authenticated for text, authenticated in given}
    closed, opened = divided(list(chosen.items()))
    tried = [match for match in chosen if takes(match, path)]
    winner = max(tried, key=sort_key, default=None)
    open_for_all = winner is not None and not chosen[winner]
    assert needed(_paths.authenticated(closed, opened), path) is not open_for_all
    assert still_closed(closed, opened) == {}


def test_without_open_routes_everything_needs_authentication():
    assert _paths.authenticated([prefix("/shop-a")], []) == []
    assert _paths.authenticated([], [regex("/x.*")]) == []


ELSEWHERE = {"notPorts": ["80"]}


def test_routes_that_do_not_overlap_make_one_list():
    operations = _paths.authenticated(
        [prefix("/shop-a")],
        [prefix("/shop-b"), exact("/health"), PathMatch("/pkg.Echo", below=True)],
    )
    assert operations == [
        ELSEWHERE,
        {"ports": ["80"], "notPaths": ["/health", "/pkg.Echo/*", "/shop-b", "/shop-b/*"]},
    ]


def test_an_open_root_does_not_open_what_others_closed():
    operations = _paths.authenticated([prefix("/shop-a")], [prefix("/")])
    assert operations == [
        ELSEWHERE,
        {"ports": ["80"], "notPaths": ["/*"]},
        {"ports": ["80"], "paths": ["/shop-a", "/shop-a/*"]},
    ]


def test_an_open_path_below_a_closed_one_stays_open():
    operations = _paths.authenticated([prefix("/a")], [prefix("/a/public"), prefix("/")])
    assert operations == [
        ELSEWHERE,
        {"ports": ["80"], "notPaths": ["/*"]},
        {
            "ports": ["80"],
            "paths": ["/a", "/a/*"],
            "notPaths": ["/a/public", "/a/public/*"],
        },
    ]


def test_a_closed_root_of_one_listener_closes_nothing_of_another_one():
    closed, opened = [prefix("/", port=3200)], [prefix("/login")]
    operations = _paths.authenticated(closed, opened)
    assert operations == [ELSEWHERE, {"ports": ["80"], "notPaths": ["/login", "/login/*"]}]
    assert still_closed(closed, opened) == {}
    assert needed(operations, "/login", 3200)
    assert not needed(operations, "/login", 80)


def test_an_open_root_of_one_listener_opens_nothing_of_another_one():
    operations = _paths.authenticated([prefix("/shop", port=8080)], [prefix("/")])
    assert operations == [ELSEWHERE, {"ports": ["80"], "notPaths": ["/*"]}]
    # Neither at the listener of the closed route, nor at a port for which there is no route.
    assert needed(operations, "/shop", 8080)
    assert needed(operations, "/x", 9999)


def test_listeners_with_the_same_paths_share_operations():
    closed = [prefix("/", port=port) for port in PORTS]
    opened = [prefix("/dex", port=port) for port in PORTS]
    assert _paths.authenticated(closed, opened) == [
        {"notPorts": ["80", "8080"]},
        {"ports": ["80", "8080"], "notPaths": ["/dex", "/dex/*"]},
        {"ports": ["80", "8080"], "paths": ["/*"], "notPaths": ["/dex", "/dex/*"]},
    ]


def test_an_exception_is_written_where_it_is_not_part_of_another_one():
    nested = ["/a/b", "/a/b/c", "/a/b/c/d", "/a/b/c/d/e"]
    closed = [prefix("/a"), prefix(nested[1]), prefix("/a/x"), prefix("/a/x/y")]
    opened = [prefix(nested[0]), prefix(nested[2]), prefix(nested[3])]
    assert _paths.authenticated(closed, opened)[2:] == [
        {"ports": ["80"], "paths": ["/a", "/a/*"], "notPaths": ["/a/b", "/a/b/*"]},
        {"ports": ["80"], "paths": ["/a/b/c", "/a/b/c/*"], "notPaths": ["/a/b/c/d", "/a/b/c/d/*"]},
    ]


def test_many_paths_make_several_operations():
    closed = [exact(f"/{n:04d}{'x' * 900}") for n in range(200)]
    *_, first, second, third = _paths.authenticated(closed, [prefix("/")])
    parts = [first, second, third]
    assert all(sum(map(len, each["paths"])) <= _paths.MAX_PATHS_SIZE for each in parts)
    assert [path for each in parts for path in each["paths"]] == [each.path for each in closed]


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
    assert still_closed([other], [opened]) == {opened: other}
    assert needed(_paths.authenticated([other], [opened]), "/a/b" if "b" in other.path else "/a")


@pytest.mark.parametrize("path", ["/a*", "/*", "/{*}", "/a{**}"])
def test_a_path_that_a_policy_would_read_otherwise_opens_nothing(path: str):
    assert _paths.authenticated([], [exact(path)]) == []
    assert still_closed([], [exact(path)]) == {exact(path): None}


def test_an_expression_is_open_where_all_paths_that_it_may_match_are():
    assert still_closed([], [regex("/a.*"), prefix("/")]) == {}
    assert still_closed([prefix("/ab")], [regex("/a.*"), prefix("/")]) == {}
    # Of another hostname: either may be the one that Istio prefers.
    closed = prefix("/ab", OTHER)
    reported = still_closed([closed], [regex("/a.*"), prefix("/")])
    assert reported == {regex("/a.*"): closed, prefix("/"): closed}


def test_a_closed_regular_expression_leaves_prefixes_alone():
    """Istio prefers them."""
    closed, opened = regex("/api/v[0-9]+/.*"), prefix("/api/v1/health")
    operations = _paths.authenticated([closed], [opened, prefix("/")])
    assert still_closed([closed], [opened]) == {}
    assert not needed(operations, "/api/v1/health")
