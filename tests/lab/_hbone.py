# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""HBONE as a client: certificates from istiod's CA, HTTP/2 CONNECT over mutual TLS."""

import contextlib
import socket
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

import grpc
import h2.config
import h2.connection
import h2.events
import h2.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.lab import _namespaces

PORT = 15008
TRUST_DOMAIN = "cluster.local"

_CREATE_CERTIFICATE = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
_CERTIFICATE_LIFETIME = 3600


class CertificateError(RuntimeError):
    """istiod's CA issued no certificate."""


class RefusedError(Exception):
    """A CONNECT was answered with a status other than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"CONNECT: {status}")
        self.status = status


def client_context(
    namespace: str, account: str, token: str, istiod: str, authority: str, root: str
) -> ssl.SSLContext:
    """Return a TLS context with a certificate of istiod's CA for a ServiceAccount.

    Args:
        namespace: Namespace of the ServiceAccount.
        account: Name of the ServiceAccount.
        token: A token of the ServiceAccount for the audience `istio-ca`.
        istiod: `address:port` of the CA.
        authority: Host name in the CA's own certificate.
        root: The mesh's root certificate, PEM.

    Raises:
        CertificateError: The CA refuses, or does not answer.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    identity = f"spiffe://{TRUST_DOMAIN}/ns/{namespace}/sa/{account}"
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    chain = _sign(request, token, istiod, authority, root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A server has a SPIFFE identity instead of a host name.
    context.check_hostname = False
    context.load_verify_locations(cadata=root)
    context.set_alpn_protocols(["h2"])
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write("".join(chain).encode())
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _sign(
    request: x509.CertificateSigningRequest, token: str, istiod: str, authority: str, root: str
) -> list[str]:
    # IstioCertificateRequest: csr = 1 (string), validity_duration = 3 (int64).
    # IstioCertificateResponse: cert_chain = 1.
    message = _field(1, request.public_bytes(serialization.Encoding.PEM))
    message += bytes([3 << 3]) + _varint(_CERTIFICATE_LIFETIME)
    credentials = grpc.ssl_channel_credentials(root.encode())
    options = [("grpc.ssl_target_name_override", authority)]
    with grpc.secure_channel(istiod, credentials, options=options) as channel:
        connected: Any = channel
        call = connected.unary_unary(_CREATE_CERTIFICATE)
        try:
            answer: bytes = call(
                message, metadata=[("authorization", f"Bearer {token}")], timeout=5
            )
        except grpc.RpcError as error:
            raise CertificateError(str(error)) from error
    return [content.decode() for content in _strings(answer)]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _strings(message: bytes) -> Iterator[bytes]:
    """Return the fields of a message that has only strings."""
    position = 0
    while position < len(message):
        position += 1
        length = shift = 0
        while True:
            byte = message[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield message[position : position + length]
        position += length


class Connection:
    """HTTP/2 over mutual TLS to a waypoint or pod; one CONNECT stream after the other.

    Args:
        address: Address of the waypoint or pod.
        context: Made by `client_context`.
        timeout: Seconds for each step.
        source_ip: The source address, one of this machine; None: as routed.
        network: The network namespace to connect from; None: the node's.

    Raises:
        OSError: No connection, or no TLS.
    """

    def __init__(
        self,
        address: str,
        context: ssl.SSLContext,
        timeout: float,
        source_ip: str | None = None,
        network: str | None = None,
    ) -> None:
        origin = (source_ip, 0) if source_ip else None

        def connected() -> socket.socket:
            return socket.create_connection((address, PORT), timeout, origin)

        plain = _namespaces.socket_in(network, connected) if network else connected()
        try:
            self._socket = context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        config = h2.config.H2Configuration(client_side=True)
        self.http2 = h2.connection.H2Connection(config)
        self.http2.initiate_connection()
        self.closed = False
        self._streams: dict[int, Tunnel] = {}

    def tunnel(self, authority: str) -> "Tunnel":
        """Open a stream to `address:port`.

        Raises:
            RefusedError: The answer to CONNECT is not 200.
            OSError: The connection was closed.
        """
        stream = self.http2.get_next_available_stream_id()
        tunnel = self._streams[stream] = Tunnel(self, stream)
        try:
            tunnel.connect(authority)
        except BaseException:
            tunnel.close()
            raise
        return tunnel

    def forget(self, stream: int) -> None:
        """Drop a stream, and reset it where the peer has not closed it."""
        self._streams.pop(stream, None)
        if not self.closed:
            with contextlib.suppress(h2.exceptions.ProtocolError, OSError):
                self.http2.reset_stream(stream)
                self.flush()

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        self._socket.close()

    def flush(self) -> None:
        """Send the data that HTTP/2 has queued."""
        try:
            self._socket.sendall(self.http2.data_to_send())
        except OSError:
            self.closed = True
            raise

    def pump(self) -> None:
        """Receive once, and pass the events to their tunnels."""
        data = self._socket.recv(65535)
        self.closed = self.closed or not data
        events = self.http2.receive_data(data) if data else []
        for event in events:
            if isinstance(event, h2.events.ConnectionTerminated):
                self.closed = True
            stream: int | None = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.DataReceived):
                self.http2.acknowledge_received_data(
                    event.flow_controlled_length or 0, stream or 0
                )
            if stream in self._streams:
                self._streams[stream].take(event)
        if self.closed:
            for tunnel in self._streams.values():
                tunnel.ended = True
        else:
            self.flush()


class Tunnel:
    """One CONNECT stream; made by `Connection.tunnel`."""

    def __init__(self, connection: Connection, stream: int) -> None:
        self._connection = connection
        self._stream = stream
        self._received = bytearray()
        self._status: int | None = None
        self.ended = False

    def connect(self, authority: str) -> None:
        """Send CONNECT for `address:port`; see `Connection.tunnel`."""
        headers = [(":method", "CONNECT"), (":authority", authority)]
        self._connection.http2.send_headers(self._stream, headers)
        self._connection.flush()
        while self._status is None:
            if self.ended:
                raise ConnectionResetError("the CONNECT stream was reset")
            self._connection.pump()
        if self._status != 200:
            raise RefusedError(self._status)

    def send(self, data: bytes) -> None:
        """Send bytes through the tunnel."""
        http2 = self._connection.http2
        size = http2.max_outbound_frame_size
        for start in range(0, len(data), size):
            part = data[start : start + size]
            while http2.local_flow_control_window(self._stream) < len(part):
                if self.ended:
                    raise ConnectionResetError("the CONNECT stream was closed")
                self._connection.pump()
            try:
                http2.send_data(self._stream, part)
            except h2.exceptions.ProtocolError as error:
                raise ConnectionResetError(str(error)) from error
            self._connection.flush()

    def receive(self) -> bytes:
        """Return received bytes; empty at the end of the stream."""
        while not self._received and not self.ended:
            self._connection.pump()
        data = bytes(self._received)
        self._received.clear()
        return data

    def close(self) -> None:
        """Close the stream; the connection stays open."""
        self._connection.forget(self._stream)

    def take(self, event: h2.events.Event) -> None:
        """Accept an event of this stream."""
        if isinstance(event, h2.events.ResponseReceived):
            self._status = int(dict(event.headers or [])[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            self._received += event.data or b""
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            self.ended = True
