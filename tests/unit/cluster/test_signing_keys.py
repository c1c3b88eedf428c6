# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Keys are fetched from real servers on loopback; names and forbidden addresses are the tests'."""

import contextlib
import io
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from istio_ambient.cluster import checked_http, istiod, signing_keys
from istio_ambient.ingress import KeySource, SigningKeys
from istio_ambient.values import jwks, networks, urls

from tests.authorities import Authority
from tests.unit.cluster.test_istiod import deployment
from tests.unit.whole_charm.fake_cluster import FakeCluster

GOOD = jwks.UNUSABLE.encode()
HERE, FORBIDDEN = "127.0.0.1", "127.0.0.66"
ISSUER = "http://issuer.test"
OK = "HTTP/1.1 200 OK\r\n"
Conversation = Callable[[socket.socket], None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; a look-up takes its addresses away."""
    found: dict[str, list[str]] = {}

    def resolve(host: str, port: int, *_: object, **__: object) -> list[Any]:
        addresses = [host] if host[0].isdigit() else found.get(host, [])
        if not addresses:
            raise socket.gaierror
        kind = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        return [(*kind, (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    is_forbidden = networks.is_forbidden

    def judge(address: networks.Address) -> bool:
        """Take loopback for the Internet, but for one address."""
        text = str(address)
        return text == FORBIDDEN or (is_forbidden(address) and not text.startswith("127."))

    monkeypatch.setattr(networks, "is_forbidden", judge)
    found["issuer.test"] = [HERE]
    return found


@contextlib.contextmanager
def serving(conversation: Conversation, address: str = HERE) -> Generator[int]:
    """Serve every connection with a function, on a free port that is returned."""
    listening = socket.create_server((address, 0))
    over = threading.Event()

    def converse(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            conversation(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set():
                connection, _ = listening.accept()
                threading.Thread(target=converse, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Conversation:
    """Return a conversation of one answer."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return reply("\r\n".join(lines).encode() + body)


def reply(raw: bytes) -> Conversation:
    def converse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return converse


def by_path(answers: dict[str, Conversation]) -> Conversation:
    def converse(connection: socket.socket) -> None:
        path = connection.recv(65536, socket.MSG_PEEK).split()[1].decode()
        answers[path](connection)

    return converse


def drip(start: bytes) -> Conversation:
    """Return a conversation whose answer never ends, a byte at a time."""

    def converse(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(start)
        pause = threading.Event()
        while not pause.wait(0.02):
            connection.sendall(b"a")

    return converse


def source(port: int, path: str = "/keys") -> KeySource:
    return KeySource(ISSUER, f"{ISSUER}:{port}{path}")


def fetched(
    *sources: KeySource,
    cluster: signing_keys.ClusterFacts = signing_keys.ClusterFacts(),  # noqa: B008
    seconds: float = 5,
) -> list[SigningKeys]:
    found = signing_keys.fetch(sources, cluster, seconds)
    assert list(found) == list(sources)
    return list(found.values())


def test_good_keys(names: dict[str, list[str]]):
    with serving(answer(GOOD)) as port:
        assert fetched(source(port)) == [SigningKeys(jwks.UNUSABLE)]


@pytest.mark.parametrize(
    ("conversation", "fault", "transient"),
    [
        (answer(b"<!doctype html>We are back soon"), "answered HTML", False),
        (answer(b'{"keys":[]}'), "answered without a usable key", False),
        (answer(b'{"keys":[],"x":"\xff\xfe"}'), "answered something that is not JSON", False),
        (answer(b"a" * 10_000_000), "answered more than 64 KiB", False),
        (
            reply(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 70_000
            ),
            "answered more than 64 KiB",
            False,
        ),
        (answer(b"", "404 Not Found"), "answered 404", False),
        (answer(b"", "503 Service Unavailable"), "answered 503", True),
        (answer(b"", "302 Found"), "redirects without end", False),
        (answer(b"", "302 Found", "location: /keys"), "redirects without end", False),
        (
            answer(b"", "302 Found", "location: http://169.254.169.254/latest"),
            "leads to a forbidden address",
            False,
        ),
        (answer(b"", "302 Found", "location: http://["), "leads to an invalid URL", False),
        (
            answer(b"", "302 Found", "location: file:///etc/passwd"),
            "leads to a forbidden address",
            False,
        ),
        (
            answer(b"", "307 Temporary", f"location: http://{FORBIDDEN}/keys"),
            "leads to a forbidden address",
            False,
        ),
        (reply(b"SSH-2.0-x\r\n"), "no answer (BadStatusLine)", True),
        (reply(b""), "no answer (RemoteDisconnected)", True),
        (
            reply(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na"),
            "answered something that is not JSON",
            False,
        ),
    ],
)
def test_what_is_no_key_set_is_reported(
    names: dict[str, list[str]], conversation: Conversation, fault: str, transient: bool
):
    with serving(conversation) as port:
        assert fetched(source(port)) == [SigningKeys(fault=fault, transient=transient)]


def test_a_redirect_is_followed(names: dict[str, list[str]]):
    moved = answer(b"", "301 Moved", "location: /new")
    with serving(by_path({"/keys": moved, "/new": answer(GOOD)})) as port:
        assert fetched(source(port)) == [SigningKeys(jwks.UNUSABLE)]


def test_encryption_does_not_end_on_the_way():
    one = checked_http.Fetch(ssl.create_default_context(), 0)
    assert one.next_url("https://a.test/x", "/y") == "https://a.test/y"
    for url in ("http://a.test/y", "http:y", "ftp://a.test"):
        with pytest.raises(checked_http.FetchError, match="from https to http"):
            one.next_url("https://a.test/x", url)


def test_a_name_is_looked_up_once_and_all_of_its_addresses_count(names: dict[str, list[str]]):
    with serving(answer(GOOD)) as port:
        for addresses in ([HERE, FORBIDDEN], [FORBIDDEN], [FORBIDDEN, HERE]):
            names["issuer.test"] = addresses
            assert fetched(source(port)) == [SigningKeys(fault="leads to a forbidden address")]


def test_a_server_of_names_that_changes_its_answer_gains_nothing(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def changing(host: str, *arguments: Any, **more: Any) -> Any:
        if host == "issuer.test":
            asked.append(host)
            names[host] = [HERE] if len(asked) == 1 else [FORBIDDEN]
        return resolve(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with serving(answer(GOOD)) as port:
        assert fetched(source(port)) == [SigningKeys(jwks.UNUSABLE)]
    assert len(asked) == 1


def test_the_next_address_is_tried(names: dict[str, list[str]]):
    names["issuer.test"] = ["127.0.0.2", HERE]
    with serving(answer(GOOD)) as port:
        assert fetched(source(port)) == [SigningKeys(jwks.UNUSABLE)]


def test_the_clusters_own_control_plane_is_no_source(names: dict[str, list[str]]):
    cluster = signing_keys.ClusterFacts(frozenset({ipaddress.ip_address(HERE)}))
    with serving(answer(GOOD)) as port:
        found = fetched(source(port), cluster=cluster)
    assert found == [SigningKeys(fault="leads to a forbidden address")]


def test_a_server_that_is_not_there(names: dict[str, list[str]]):
    gone = KeySource(ISSUER, "http://gone.test/keys")
    with socket.socket() as silent:
        silent.bind((HERE, 0))
        refused, unknown = fetched(source(silent.getsockname()[1]), gone)
    assert refused == SigningKeys(fault="no answer (ConnectionRefusedError)", transient=True)
    assert unknown == SigningKeys(fault="has a name without an address", transient=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"]
)
def test_eight_slow_servers_cost_one_deadline_and_their_own_keys(
    names: dict[str, list[str]], start: bytes
):
    with serving(by_path({"/slow": drip(start), "/keys": answer(GOOD)})) as port:
        slow = [KeySource(f"{ISSUER}/{n}", f"{ISSUER}:{port}/slow") for n in range(8)]
        *late, good = fetched(*slow, source(port), seconds=1)
    assert good == SigningKeys(jwks.UNUSABLE)
    assert late == 8 * [SigningKeys(fault="did not answer in time", transient=True)]


def test_a_server_of_names_that_never_answers(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
):
    never = threading.Event()

    def wait(*_: object, **__: object) -> list[object]:
        never.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    (found,) = fetched(source(80), seconds=0.1)
    never.set()
    assert found == SigningKeys(fault="did not answer in time", transient=True)


def discovery(jwks_uri: object) -> Conversation:
    return by_path(
        {
            "/realm/.well-known/openid-configuration": answer(
                json.dumps({"jwks_uri": jwks_uri}).encode()
            ),
            "/keys": answer(GOOD),
        }
    )


@pytest.mark.parametrize(
    ("jwks_uri", "found"),
    [
        ("/keys", SigningKeys(jwks.UNUSABLE)),
        ("http://169.254.169.254/keys", SigningKeys(fault="leads to a forbidden address")),
        (f"http://{FORBIDDEN}/keys", SigningKeys(fault="leads to a forbidden address")),
        ("http://[::1]/keys", SigningKeys(fault="leads to a forbidden address")),
        ("//[", SigningKeys(fault="leads to an invalid URL")),
        (1, SigningKeys(fault="names no jwks_uri in its OpenID configuration")),
    ],
)
def test_discovery(names: dict[str, list[str]], jwks_uri: object, found: SigningKeys):
    with serving(discovery(jwks_uri)) as port:
        assert fetched(KeySource(f"{ISSUER}:{port}/realm/")) == [found]


class CannedSocket:
    """What `http.client` uses of a socket; the answer is there before the request."""

    def __init__(self, raw: bytes):
        self._raw = raw

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(cast(Any, io.BytesIO(self._raw)))

    def ignore(self, *_: object) -> None:
        """Accept everything, and change nothing."""

    sendall = settimeout = close = ignore


class Answering(checked_http.Fetch):
    """Gets the same bytes from every server."""

    def __init__(self, raw: bytes):
        super().__init__(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), float("inf"))
        self._raw = raw

    def _connected(self, url: urls.Url) -> socket.socket:
        return cast(socket.socket, CannedSocket(self._raw))

    def _left(self) -> float:
        return 1.0


LINES = st.one_of(
    st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"")),
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 302 Found", b"HTTP/1.0 307", b"HTTP/1.1 100"]),
)
URLS = st.tuples(
    st.sampled_from(["", "//", "https:", "https://", "https://issuer.test", "https://["]),
    st.text("[]:/@%.?#\\ a1v\xe9\u2100\ud800", max_size=12),
).map("".join)
LOCATIONS = URLS.map(lambda url: b"location: " + url.encode("utf-8", "surrogatepass"))
HEADERS = st.one_of(
    LINES,
    LOCATIONS,
    st.binary(max_size=20).map(lambda value: b"content-length: " + value.replace(b"\n", b"")),
    st.sampled_from([b"transfer-encoding: chunked", b"content-length: -1", b" folded"]),
)
TEXTS = st.one_of(st.text(max_size=8), st.sampled_from(["EC", "RSA", "OKP", "P-256", "Ed25519"]))
VALUES = st.one_of(TEXTS, st.none(), st.integers(), st.floats(), st.lists(TEXTS, max_size=2))
MEMBERS = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"]
SETS = st.fixed_dictionaries(
    {"keys": st.lists(st.dictionaries(st.sampled_from(MEMBERS), VALUES), max_size=3)}
)
DISCOVERIES = st.fixed_dictionaries({"jwks_uri": st.one_of(URLS, VALUES)})
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"[" * 60_000, b"1" * 5_000, b"5\r\nhello\r\n0\r\n\r\n", b"f" * 20 + b"\r\n"]
    ),
    st.one_of(SETS, DISCOVERIES).map(lambda found: json.dumps(found).encode()),
)


@given(status=LINES, headers=st.lists(HEADERS, max_size=3), body=BODIES)
def test_whatever_a_server_answers_is_a_fault_or_keys(
    status: bytes, headers: list[bytes], body: bytes
):
    raw = b"\r\n".join([status, *headers, b"", body])
    for source in (KeySource("https://issuer.test"), KeySource(ISSUER, "https://issuer.test/k")):
        found = signing_keys.keys_of(source, Answering(raw))
        assert found.jwks or found.fault


@given(url=URLS)
def test_whatever_url_a_server_names_is_one_or_a_fault(url: str):
    one = Answering(b"")
    with contextlib.suppress(checked_http.FetchError):
        assert urls.split(one.next_url("https://issuer.test/keys", url))


def test_private_keys_are_reported(names: dict[str, list[str]]):
    keys = json.loads(GOOD)["keys"]
    body = json.dumps({"keys": [*keys, {"kty": "oct", "k": "c2VjcmV0"}]}).encode()
    with serving(answer(body)) as port:
        fault = "publishes private keys, which are left out"
        assert fetched(source(port)) == [SigningKeys(jwks.UNUSABLE, fault)]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("private")


@pytest.fixture
def server_context(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    key = Authority.make("key")
    name = x509.DNSName("issuer.test")
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), False)
    request = builder.sign(key.key, hashes.SHA256())
    certificate, private = tmp_path / "certificate", tmp_path / "key"
    certificate.write_text(authority.sign(request.public_bytes(Encoding.PEM).decode()))
    private.write_text(key.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context


def test_a_private_authority_is_trusted_where_the_cluster_has_it(
    names: dict[str, list[str]], authority: Authority, server_context: ssl.SSLContext
):
    def converse(connection: socket.socket) -> None:
        with server_context.wrap_socket(connection, server_side=True) as wrapped:
            answer(GOOD)(wrapped)

    names["other.test"] = [HERE]
    cluster = signing_keys.ClusterFacts(authorities=authority.pem)
    untrusted = SigningKeys(fault="has a certificate that is not trusted")
    with serving(converse) as port:
        url = f"https://issuer.test:{port}/keys"
        assert fetched(KeySource(ISSUER, url), cluster=cluster) == [SigningKeys(jwks.UNUSABLE)]
        assert fetched(KeySource(ISSUER, url)) == [untrusted]
        # The name is that of the URL, though the connection goes to an address.
        other = KeySource(ISSUER, url.replace("issuer", "other"))
        assert fetched(other, cluster=cluster) == [untrusted]


def _service(namespace: str, name: str, address: str) -> Iterator[dict[str, Any]]:
    metadata = {"name": name, "namespace": namespace}
    spec = {"clusterIP": address, "clusterIPs": [address, "fd00::10"], "ports": [{"port": 443}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**metadata, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [f"192.0.2.{len(name)}"]}],
    }


def test_facts_of_the_cluster(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    bundle: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": signing_keys.CA_CONFIG_MAP, "namespace": "mesh"},
        "data": {"extra.pem": "PEM"},
    }
    stranger = {**bundle, "metadata": {**bundle["metadata"], "namespace": "shop"}}
    found: dict[str, Any] = {"apiVersion": "apps/v1", "kind": "Deployment", **deployment("mesh")}
    found["spec"]["selector"] = {}
    objects: list[Any] = [
        found,
        bundle,
        stranger,
        *_service("default", "kubernetes", "10.96.0.1"),
        *_service("mesh", "istiod", "10.96.0.2"),
        *_service("shop", "kubernetes", "10.96.0.3"),
    ]
    cluster: Any = FakeCluster(objects, "1.34", ())
    facts = signing_keys.read_cluster(cluster, istiod.look(cluster))
    assert facts.authorities == "PEM"
    expected = {"10.0.0.1", "10.96.0.1", "10.96.0.2", "fd00::10", "192.0.2.10", "192.0.2.6"}
    assert set(map(str, facts.forbidden)) == expected
    without: Any = FakeCluster([], "1.34", ())
    assert signing_keys.read_cluster(without, istiod.look(without)).authorities == ""
