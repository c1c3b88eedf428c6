# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""GET a URL that an application chose: checked addresses, a deadline, a bounded answer.

A name is resolved once, every address is checked, and the connection goes to a checked address, so
that a server of names cannot answer differently the second time. No proxy is used: a proxy would
resolve the name again.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Collection, Iterator
from urllib import parse

from istio_ambient.values import networks, urls
from istio_ambient.values.problems import InvalidValueError

MAX_BODY = 64 * 1024
"""Bytes of an answer."""
MAX_REDIRECTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "connection": "close"}
_BUSY = 429


class FetchError(Exception):
    """A URL could not be fetched; the message says what the server did, in a few words."""

    def __init__(self, message: str, *, transient: bool = False):
        super().__init__(message)
        self.transient = transient
        """Whether a later attempt may succeed without a change."""


class Fetch:
    """The GETs of one thread until a deadline; another thread may abort them."""

    def __init__(
        self,
        context: ssl.SSLContext,
        deadline: float,
        forbidden: Collection[networks.Address] = (),
    ):
        self._context = context
        self._deadline = deadline
        """Of time.monotonic()."""
        self._forbidden = frozenset(forbidden)
        self._socket: socket.socket | None = None

    def get(self, url: str) -> bytes:
        """Return the body of a successful answer; redirects are followed.

        Raises:
            FetchError: there is none.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._answer(url)
            if isinstance(answer, bytes):
                return answer
            url = self.next_url(url, answer)
        raise FetchError("redirects without end")

    def next_url(self, url: str, reference: str) -> str:
        """Return the URL that the answer from another URL names.

        Raises:
            FetchError: it is none, or forbidden: encryption would end, or as `urls.fetched` says.
        """
        try:
            following = parse.urljoin(url, reference)
        except ValueError as error:
            raise FetchError("leads to an invalid URL") from error
        if url.startswith("https:") and not following.startswith("https:"):
            raise FetchError("leads from https to http")
        try:
            return urls.fetched(following)
        except InvalidValueError as error:
            raise FetchError("leads to a forbidden address") from error

    def abort(self) -> None:
        """End the request that another thread is waiting in."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It is closed already.
                return

    def _answer(self, url: str) -> bytes | str:
        """Return the body, or where a redirect leads."""
        try:
            return self._exchange(urls.split(url))
        except FetchError:
            raise
        except InvalidValueError as error:
            raise FetchError(error.message) from error
        except ssl.SSLCertVerificationError as error:
            raise FetchError("has a certificate that is not trusted") from error
        except TimeoutError as error:
            raise FetchError("did not answer in time", transient=True) from error
        except socket.gaierror as error:
            raise FetchError("has a name without an address", transient=True) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(f"no answer ({type(error).__name__})", transient=True) from error

    def _exchange(self, url: urls.Url) -> bytes | str:
        self._socket = self._connected(url)
        try:
            connection = http.client.HTTPConnection(url.host, url.port, timeout=self._left())
            connection.sock = self._socket
            target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
            connection.request("GET", target, headers=_host(url) | _HEADERS)
            response = connection.getresponse()
            if response.status in _REDIRECTS:
                return response.getheader("location", "")
            if response.status != http.HTTPStatus.OK:
                code = response.status
                raise FetchError(f"answered {code}", transient=code >= 500 or code == _BUSY)
            return self._body(response, self._socket)
        finally:
            self._socket.close()

    def _body(self, response: http.client.HTTPResponse, connection: socket.socket) -> bytes:
        body = b""
        while True:
            connection.settimeout(self._left())
            part = response.read1(MAX_BODY)
            body += part
            if len(body) > MAX_BODY:
                raise FetchError(f"answered more than {MAX_BODY // 1024} KiB")
            if not part:
                return body

    def _connected(self, url: urls.Url) -> socket.socket:
        failure: OSError = socket.gaierror()
        for address in self._addresses(url):
            try:
                connection = socket.create_connection((str(address), url.port), self._left())
            except OSError as error:
                failure = error
                continue
            # For `abort`, while TLS is being set up.
            self._socket = connection
            if not url.base.startswith("https:"):
                return connection
            try:
                return self._context.wrap_socket(connection, server_hostname=url.host)
            except (OSError, ValueError):
                connection.close()
                raise
        raise failure

    def _addresses(self, url: urls.Url) -> list[networks.Address]:
        """Return what a host resolves to, if all of it may be connected to."""
        found = list(dict.fromkeys(_resolved(url.host, url.port)))
        if any(networks.is_forbidden(each) or each in self._forbidden for each in found):
            raise FetchError("leads to a forbidden address")
        return found

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _host(url: urls.Url) -> dict[str, str]:
    return {"host": url.base.partition("://")[2]}


def _resolved(host: str, port: int) -> Iterator[networks.Address]:
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        # A zone follows the address of a link.
        yield ipaddress.ip_address(str(address[0]).partition("%")[0])
