# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""HBONE as a client: certificates from istiod's CA, HTTP/2 CONNECT over mutual TLS."""

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

PORT = 15008
TRUST_DOMAIN = "cluster.local"

_CREATE_CERTIFICATE = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
_CERTIFICATE_LIFETIME = 3600


class CertificateError(RuntimeError):
    """istiod's CA gave no certificate."""


class RefusedError(Exception):
    """A CONNECT was answered with another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"CONNECT: {status}")
        self.status = status


def client_context(
    namespace: str, account: str, token: str, istiod: str, authority: str, root: str
) -> ssl.SSLContext:
    """Get a certificate for a ServiceAccount and make a TLS context of it.

    Args:
        namespace: Of the ServiceAccount.
        account: Its name.
        token: One of its tokens, for the audience `istio-ca`.
        istiod: `address:port` of the CA.
        authority: Host name in the CA's own certificate.
        root: The mesh's root certificate, PEM.

    Raises:
        CertificateError: The CA refuses, or is not there.
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
    # A server is known by a SPIFFE identity, not by a host name.
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
    """The fields of a message that has only strings."""
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


class Tunnel:
    """One CONNECT stream over a connection of its own.

    Args:
        address: Of the waypoint or pod.
        context: From `client_context`.
        authority: `address:port` that is asked for.
        timeout: Seconds for each step.

    Raises:
        RefusedError: The answer to CONNECT is not 200.
        OSError: No connection, no TLS, or it was closed.
    """

    def __init__(
        self, address: str, context: ssl.SSLContext, authority: str, timeout: float
    ) -> None:
        plain = socket.create_connection((address, PORT), timeout=timeout)
        try:
            self._socket = context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        try:
            self._connect(authority)
        except BaseException:
            self._socket.close()
            raise

    def _connect(self, authority: str) -> None:
        config = h2.config.H2Configuration(client_side=True)
        self._connection = h2.connection.H2Connection(config)
        self._connection.initiate_connection()
        self._stream = self._connection.get_next_available_stream_id()
        self._connection.send_headers(
            self._stream, [(":method", "CONNECT"), (":authority", authority)]
        )
        self._flush()
        self._received = bytearray()
        self._ended = False
        self._status: int | None = None
        while self._status is None:
            if self._ended:
                raise ConnectionResetError("the CONNECT stream was reset")
            self._pump()
        if self._status != 200:
            raise RefusedError(self._status)

    def send(self, data: bytes) -> None:
        """Send bytes to the other end."""
        size = self._connection.max_outbound_frame_size
        for start in range(0, len(data), size):
            part = data[start : start + size]
            while self._connection.local_flow_control_window(self._stream) < len(part):
                if self._ended:
                    raise ConnectionResetError("the CONNECT stream was closed")
                self._pump()
            try:
                self._connection.send_data(self._stream, part)
            except h2.exceptions.ProtocolError as error:
                raise ConnectionResetError(str(error)) from error
            self._flush()

    def receive(self) -> bytes:
        """Bytes from the other end; empty at the end."""
        while not self._received and not self._ended:
            self._pump()
        data = bytes(self._received)
        self._received.clear()
        return data

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(self._connection.data_to_send())

    def _pump(self) -> None:
        data = self._socket.recv(65535)
        if not data:
            self._ended = True
            return
        for event in self._connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                headers = dict(event.headers or [])
                self._status = int(headers[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                self._received += event.data or b""
                self._connection.acknowledge_received_data(
                    event.flow_controlled_length or 0, self._stream
                )
            elif isinstance(
                event,
                h2.events.StreamEnded | h2.events.StreamReset | h2.events.ConnectionTerminated,
            ):
                self._ended = True
        self._flush()
