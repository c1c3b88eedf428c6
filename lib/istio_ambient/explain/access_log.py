# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Lines of the access logs of Envoy and ztunnel, read as what they record. Pure.

Envoy's are read in Istio's default formats, text and JSON (istio/istio,
`pilot/pkg/model/telemetry_logging.go`, `EnvoyTextLogFormat` and `EnvoyJSONLogFormatIstio`),
ztunnel's in both of its formats (istio/ztunnel, `src/proxy/metrics.rs` and `src/telemetry.rs`).
Clients choose paths, hosts, agents and any other header: the text format is read from both ends,
so that nothing that a client quotes can pass for an address or a status. What is neither an
address nor a name of Kubernetes, where one is due, is not recorded: these become part of commands.
"""

import dataclasses
import datetime
import enum
import ipaddress
import re
from collections.abc import Mapping

from istio_ambient.authorization import evaluator
from istio_ambient.values import decoded, text
from istio_ambient.values.hostnames import is_dns_subdomain

MAX_LINE = 16_384
"""Characters of a line; a longer one is not read."""

_PREFIX = re.compile(
    r"^(?:\[pod/[^\]\s]{1,512}\]\s+)?(?:\d{4}-\d\d-\d\dT[0-9:.]{8,20}Z? (?=[\[{]))?"
)
"""What `kubectl logs --prefix --timestamps` writes before a line."""
_PLACE = r'(?:-|[0-9.]{7,15}(?::\d+)?|\[[0-9a-fA-F:.]{2,45}\](?::\d+)?|envoy:[^ "]*)'
"""An address of a connection; `envoy://…` is within the proxy."""
_ENVOY_HEAD = re.compile(
    r'\[(?P<start_time>[^\]\s]*)\] "(?P<method>[^ ]+) (?P<path>[^ ]+) (?P<protocol>[^ ]+)" '
    r"(?P<response_code>\d{1,3}|-) (?P<response_flags>\S+) (?P<response_code_details>\S+) "
    r"(?P<connection_termination_details>\S+) "
    r'"(?P<upstream_transport_failure_reason>[^"]*)" [\d-]+ [\d-]+ [\d-]+ [\d-]+ '
)
_ENVOY_TAIL = re.compile(
    r'"(?P<authority>[^"]*)" "(?P<upstream_host>[^"]*)" (?P<upstream_cluster>[^ "]+) '
    rf"(?P<upstream_local_address>{_PLACE}) (?P<downstream_local_address>{_PLACE}) "
    rf"(?P<downstream_remote_address>{_PLACE}) "
    r'(?P<requested_server_name>[^ "]+) (?P<route_name>[^ "]+)$'
)
_NOT_FORWARDED = re.compile(r'"-" "[^"]*" "[^"]*" ')
"""X-Forwarded-For, agent and id of a request without the first; clients may write quotes."""
_ZTUNNEL = re.compile(
    r"(?P<time>\S+)\t\w+\taccess\t(?P<message>connection [a-z]+)\t(?P<fields>.*)$"
)
_FIELD = re.compile(r'(?<![a-z_.])([a-z_.]{1,64})=(?:"((?:[^"\\]|\\.)*)"|(\S+))')
_ESCAPED = re.compile(r"\\(.)")
_MATCHED = re.compile(
    r"rbac_access_denied_matched_policy\[(?:none|ns\[([^\]]*)\]-policy\[([^\]]*)\]-rule\[(\d+)\])\]"
)
_REJECTED = re.compile(r"explicitly denied by: ([^/\s]+)/(\S+)")
_STRICT = "istio_converted_static_strict"
"""Name of the policy that istiod makes for ztunnel of PeerAuthentications with mode STRICT."""
_CLUSTER = re.compile(r"(?:inbound-vip|outbound)\|(\d*)\|[^|]*\|([^.|]+)\.([^.|]+)\.svc\b")


class Recorder(enum.StrEnum):
    """The program that wrote a line."""

    ENVOY = "Envoy"
    ZTUNNEL = "ztunnel"


class Cause(enum.StrEnum):
    """Why a request was refused, as the proxy recorded it."""

    LACK_OF_ALLOW = "no ALLOW policy matched"
    DENY = "a DENY policy matched"
    PLAIN_TEXT = "plain text, where mutual TLS is required"
    JWT = "its token was refused"
    AUTHORIZER = "the external authorizer refused it"
    AUTHORIZER_FAILED = "the external authorizer could not be asked"
    POLICY_CHANGED = "a changed policy closed the connection"
    AT_THE_POD = "ztunnel in front of the pod refused the proxy"
    ELSEWHERE = "the proxy at the other end refused it"
    """ztunnel at the source records this; the proxy at the other end records why."""


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a request was refused, as the proxy recorded it."""

    cause: Cause
    policy: evaluator.PolicyRef | None = None
    """The policy and rule that the proxy named."""
    detail: str = ""
    """The proxy's own words about a token: `Jwt_is_expired`."""

    def __str__(self) -> str:
        policy = f" ({self.policy})" if self.policy else ""
        detail = f": {self.detail.replace('_', ' ')}" if self.detail else ""
        return text.printable(f"{self.cause}{policy}{detail}")


@dataclasses.dataclass(frozen=True)
class LoggedRequest:
    """What a line records. Texts are as the proxy wrote them; empty: not recorded."""

    recorder: Recorder
    time: datetime.datetime | None = None
    method: str = ""
    path: str = ""
    """With the query."""
    host: str = ""
    status: int | None = None
    """Of the response; None: no response of HTTP."""
    source_ip: str = ""
    is_forwarded: bool = False
    """Whether the request had X-Forwarded-For. A waypoint takes the address out of it (Envoy's
    `use_remote_address` is false there, istio/istio `listener_waypoint.go`): whoever sends the
    request chooses the address."""
    source_identity: str = ""
    """`<namespace>/<service account>`; ztunnel alone records it."""
    destination_ip: str = ""
    """The address that the client connected to: of a Service, a pod, or the gateway."""
    port: int | None = None
    """Of that address."""
    service: tuple[str, str, int | None] | None = None
    """Namespace, name and port of the Service that the proxy chose."""
    pod: tuple[str, str] | None = None
    """Namespace and name of the workload that ztunnel guards."""
    is_inbound: bool = True
    """Whether the proxy is at the target; False: ztunnel at the source."""
    is_tunnel: bool = False
    """Whether it is a connection of a waypoint to a pod, for a request that has its own line."""
    refusal: Refusal | None = None
    """None: the proxy let it pass."""


def parse(line: str) -> LoggedRequest | None:
    """Return what a line of an access log records; None: it is no such line.

    Args:
        line: of any length and content; a prefix of `kubectl logs` is left out.
    """
    line = line.strip(" \t\r\n")
    if not 0 < len(line) <= MAX_LINE:
        return None
    line = _PREFIX.sub("", line, count=1)
    if line.startswith("{"):
        return _of_json(line)
    if found := _ZTUNNEL.match(line):
        fields = {name: _unquoted(quoted, bare) for name, quoted, bare in _fields(found["fields"])}
        return _of_ztunnel({**fields, "time": found["time"]})
    head, tail = _ENVOY_HEAD.match(line), _ENVOY_TAIL.search(line)
    if head and tail and head.end() <= tail.start():
        between = line[head.end() : tail.start()]
        is_forwarded = not _NOT_FORWARDED.fullmatch(between)
        return _of_envoy({**head.groupdict(), **tail.groupdict()}, is_forwarded=is_forwarded)
    return None


def _fields(content: str) -> list[tuple[str, str, str]]:
    return _FIELD.findall(content)


def _unquoted(quoted: str, bare: str) -> str:
    return _ESCAPED.sub(r"\1", quoted) if quoted else bare


def _of_json(line: str) -> LoggedRequest | None:
    fields = decoded.members(decoded.json_value(line))
    texts = {name: _text(value) for name, value in fields.items()}
    if texts.get("scope") == "access" and texts.get("message", "").startswith("connection "):
        return _of_ztunnel(texts)
    if {"start_time", "response_code", "downstream_remote_address"} <= texts.keys():
        return _of_envoy(texts, is_forwarded=texts.get("x_forwarded_for") not in ("", "-"))
    return None


def _text(value: object) -> str:
    """Return a value of JSON as the text formats have it."""
    if isinstance(value, bool) or value is None:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


def _of_envoy(fields: Mapping[str, str], *, is_forwarded: bool) -> LoggedRequest:
    def field(name: str) -> str:
        value = fields.get(name) or ""
        return "" if value == "-" else value

    local = field("downstream_local_address")
    destination, port = _address(local)
    cluster = field("upstream_cluster")
    service = _CLUSTER.match(cluster)
    if service and not (is_dns_subdomain(service[2]) and is_dns_subdomain(service[3])):
        service = None
    status = _number(field("response_code"))
    return LoggedRequest(
        Recorder.ENVOY,
        time=_time(field("start_time")),
        method=field("method"),
        path=field("path"),
        host=field("authority") if field("method") else "",
        status=status or None,
        source_ip=_address(field("downstream_remote_address"))[0],
        is_forwarded=is_forwarded,
        destination_ip=destination,
        port=port,
        service=(service[3], service[2], _number(service[1])) if service else None,
        is_tunnel=cluster == "connect_originate" or local.startswith("envoy:"),
        refusal=_envoy_refusal(
            status or 0,
            field("response_code_details"),
            field("connection_termination_details"),
            f"{field('upstream_transport_failure_reason')} {field('response_flags')}",
        ),
    )


def _envoy_refusal(status: int, details: str, termination: str, failure: str) -> Refusal | None:
    matched = _MATCHED.search(details) or _MATCHED.search(termination)
    if matched and matched[1] is None:
        return Refusal(Cause.LACK_OF_ALLOW)
    if matched:
        return Refusal(Cause.DENY, _policy(matched[1], matched[2], int(matched[3][:9])))
    if status < 400 and "tunnel_response:4" not in failure:
        # A redirect of the authorizer to its login is part of a login.
        return None
    if details.startswith("jwt_authn_access_denied"):
        return Refusal(Cause.JWT, detail=details.partition("{")[2].rstrip("}"))
    if details.startswith("ext_authz_error"):
        return Refusal(Cause.AUTHORIZER_FAILED)
    if details.startswith("ext_authz") or "UAEX" in failure:
        return Refusal(Cause.AUTHORIZER)
    if "tunnel_response:401" in failure or "tunnel_response:401" in details:
        return Refusal(Cause.AT_THE_POD)
    return None


def _policy(namespace: str, name: str, rule: int | None = None) -> evaluator.PolicyRef | None:
    if not (is_dns_subdomain(namespace) and is_dns_subdomain(name)):
        return None
    return evaluator.PolicyRef(namespace, name, rule, action="DENY")


def _of_ztunnel(fields: Mapping[str, str]) -> LoggedRequest:
    destination, port = _address(fields.get("dst.hbone_addr") or fields.get("dst.addr", ""))
    pod = fields.get("dst.namespace", ""), fields.get("dst.workload", "")
    host = fields.get("dst.service", "").split(".")
    is_service = host[2:3] == ["svc"] and all(map(is_dns_subdomain, host[:2]))
    identity = evaluator.short(fields.get("src.identity", "").removeprefix("spiffe://"))
    is_inbound = fields.get("direction") != "outbound"
    return LoggedRequest(
        Recorder.ZTUNNEL,
        time=_time(fields.get("time", "")),
        source_ip=_address(fields.get("src.addr", ""))[0],
        source_identity=identity if _is_identity(identity) else "",
        destination_ip=destination,
        port=port,
        service=(host[1], host[0], None) if is_service else None,
        pod=pod if all(map(is_dns_subdomain, pod)) else None,
        is_inbound=is_inbound,
        refusal=_ztunnel_refusal(fields.get("error", ""), is_inbound=is_inbound),
    )


def _ztunnel_refusal(error: str, *, is_inbound: bool) -> Refusal | None:
    if "policy rejection" in error:
        named = _REJECTED.search(error)
        if named and named[2] == _STRICT:
            return Refusal(Cause.PLAIN_TEXT)
        if named:
            return Refusal(Cause.DENY, _policy(named[1], named[2]))
        return Refusal(Cause.LACK_OF_ALLOW)
    if "policy change" in error:
        return Refusal(Cause.POLICY_CHANGED)
    if not is_inbound and re.search(r"\b(401|403)\b", error):
        return Refusal(Cause.ELSEWHERE)
    return None


def _is_identity(text: str) -> bool:
    namespace, slash, account = text.partition("/")
    return bool(slash) and is_dns_subdomain(namespace) and is_dns_subdomain(account)


def _address(value: str) -> tuple[str, int | None]:
    """Return IP address and port of `10.0.0.1:80` or `[fd00::1]:80`; empty: it is none."""
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or (":" in host and "]" not in host):
        return _ip(value), None
    return _ip(host), _number(port)


def _ip(text: str) -> str:
    # Python takes any text behind `%` for a zone.
    try:
        return "" if "%" in text else str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return ""


def _number(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 5 else None


def _time(value: str) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(value)
    except ValueError:
        return None
    try:
        return found.astimezone(datetime.UTC) if found.tzinfo else None
    except (OverflowError, ValueError):
        return None
