# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Ask every istiod what it and its proxies took, at its debug interface on port 15014.

The interface takes the token of a ServiceAccount in istiod's namespace. The token crosses the
cluster's network in plain text. A reader can get the account's identity in the mesh with it, so
the account is one without any rights, in Kubernetes and by policies, and the token lives for
ten minutes.
"""

import concurrent.futures
import datetime
import email.utils
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Sequence

import httpx2
import msgspec
from lightkube.resources.discovery_v1 import EndpointSlice

from istio_ambient import acceptance, kube, resources
from istio_ambient.acceptance import Finding, Report
from istio_ambient.cluster import istiod
from istio_ambient.values.problem_codes import Code

logger = logging.getLogger(__name__)

PORT = 15014
AUDIENCE = "istio-ca"
DEFAULT_ACCOUNT = "default"
"""For an istiod of another installer: it has no rights unless an operator gave it some."""
TIMEOUT = 2.0
"""Seconds for one istiod to answer."""
WAIT = kube.LOOKING_SECONDS
"""Seconds that a hook waits in total for what it wrote to arrive."""
FIRST_PAUSE, PAUSE = 0.3, 0.2
"""istiod collects changes for 0.1 s before it sends them (PILOT_DEBOUNCE_AFTER)."""
_MAX_BYTES = 16_000_000
"""Of an answer: a proxy takes about 1 kB."""
_MAX_ISTIODS = 16
_UNREADABLE = "its answer cannot be read"


class Istiods(msgspec.Struct, frozen=True):
    """Every istiod that serves, and the token that it takes."""

    addresses: tuple[str, ...]
    """Of the ready pods."""
    token: str
    ours: bool = True
    """Whether istio-k8s installed it."""
    now: datetime.datetime | None = None
    """The time by the API server's clock; None: unknown."""

    def ask(self, namespace: str = "") -> list[Report]:
        """Return what each istiod reports; an istiod that does not answer is a report too.

        Args:
            namespace: only of proxies in this namespace; empty: of all.
        """
        if not self.addresses:
            return []

        def ask(address: str) -> Report:
            return _ask(http, address, self.token, namespace)

        with (
            httpx2.Client(
                timeout=TIMEOUT,
                trust_env=False,
                # No certificates are read: the interface has no TLS.
                verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
                # What closes a connection that is kept would count as an istiod without an answer.
                limits=httpx2.Limits(max_keepalive_connections=0),
            ) as http,
            concurrent.futures.ThreadPoolExecutor(len(self.addresses)) as pool,
        ):
            return list(pool.map(ask, self.addresses))


def connect(client: kube.Client, namespace: str, *, ours: bool) -> Istiods:
    """Return the istiods of a namespace, in two requests.

    Args:
        client: creates the token, which is not kept.
        namespace: of istiod.
        ours: whether istio-k8s installed it, with the ServiceAccount for this.

    Raises:
        kube.RequestError: on any answer but success.
    """
    labels = {"kubernetes.io/service-name": istiod.SERVICE}
    slices = map(kube.manifest_of, kube.list_kind(client, EndpointSlice, labels, namespace) or ())
    addresses = sorted(set(_ready_addresses(slices)))[:_MAX_ISTIODS]
    token = _token(client, namespace, ours=ours) if addresses else kube.Token("")
    return Istiods(tuple(addresses), token.text, ours, token.made_at)


def connect_to_any(client: kube.Client) -> Istiods:
    """Return the istiods of the cluster, of any installer, in three requests.

    Raises:
        NoIstiodError: there is none, or several namespaces have one.
        kube.RequestError: on any answer but success.
    """
    found = istiod.find_deployment(client)
    return connect(client, found["metadata"]["namespace"], ours=istiod.is_ours(found))


def settled(
    ask: Callable[[], Sequence[Report]], *, wrote: bool, marker: str = ""
) -> Sequence[Report]:
    """Return the reports, once what a hook wrote has had time to arrive.

    Args:
        ask: returns the reports.
        wrote: whether the hook wrote something; else istiods are asked once.
        marker: of the MeshConfig that is waited for; empty: not waited for.
    """
    if wrote:
        reports = kube.read_until(
            ask,
            lambda found: not acceptance.needs_another_look(found, marker),
            seconds=WAIT,
            first_pause=FIRST_PAUSE,
            pause=PAUSE,
        )
    else:
        reports = ask()
    _log(reports)
    return reports


def of_gateway(
    client: kube.Client,
    live: kube.Live,
    mesh: istiod.Istiod | istiod.NoIstiodError,
    workload: acceptance.Workload,
    contents: Iterable[tuple[str, object]],
    *,
    wrote: bool,
) -> list[Finding]:
    """Return what istiod and the pods of a gateway do not take of what its charm wrote.

    Args:
        client: sends two requests, and two more where routes seem not to be looked at.
        live: our objects after this hook's writes.
        mesh: the istiod of the cluster.
        workload: the pods of the waypoint or ingress gateway.
        contents: applications, and what each brought into the gateway's configuration.
        wrote: whether the hook wrote something.
    """
    if isinstance(mesh, istiod.NoIstiodError):
        return [*policies(live), mesh.readiness(live.since)]
    try:
        istiods = connect(client, mesh.namespace, ours=mesh.ours)
    except kube.RequestError as error:
        return [*policies(live), unknown(error, live.identity)]
    found = policies(live, istiods)
    reports = settled(lambda: istiods.ask(workload.namespace), wrote=wrote)
    if reports and not istiods.ours and all(report.fault for report in reports):
        # The debug interface of another installer's istiod may be closed to us, for good.
        return found
    if not reports:
        reason = "it has no ready pod, so changes have no effect"
        found.append(
            kube.Readiness(acceptance.ISTIOD, ready=False, reason=reason, code=Code.ISTIOD_SILENT)
        )
    found += acceptance.istiod_findings(reports)
    if any(not report.fault for report in reports):
        found += routes(client, live, istiods)
    custom = live.manifests(resources.AuthorizationPolicy)
    found += acceptance.provider_findings(custom, reports)
    # Texts are looked for in the words of a proxy: mostly there are none.
    texts = acceptance.texts(contents) if acceptance.refusals(reports) else {}
    return [*found, *acceptance.proxy_findings(reports, workload, texts)]


def policies(live: kube.Live, istiods: Istiods | None = None) -> list[Finding]:
    """Return which of our policies istiod does not take, or the API server does not delete.

    Args:
        live: our objects.
        istiods: that serve; None: unknown.
    """
    guards = (resources.AuthorizationPolicy, resources.RequestAuthentication)
    manifests = [policy for kind in guards for policy in live.manifests(kind)]
    known = istiods.now if istiods else None
    # An older istiod of another installer judges no policy at all.
    judged = istiods is None or istiods.ours or acceptance.has_conditions(manifests)
    now = known or datetime.datetime.now(datetime.UTC)
    return list(acceptance.policy_findings(manifests, now, judged=judged))


def routes(client: kube.Client, live: kube.Live, istiods: Istiods) -> list[Finding]:
    """Return whether istiod has not looked at some of our routes.

    Args:
        client: reads the routes again where some seem so: since this hook read or wrote them,
            istiod may have looked at them.
        live: our objects.
        istiods: that serve.
    """
    kinds = (resources.HTTPRoute, resources.GRPCRoute)

    def unseen(live: kube.Live) -> list[Finding]:
        manifests = [route for kind in kinds for route in live.manifests(kind)]
        # The status of routes can be turned off in an istiod of another installer.
        judged = istiods.ours or acceptance.has_seen_any(manifests)
        now = istiods.now if judged else None
        return list(acceptance.route_findings(manifests, now)) if now else []

    found = unseen(live)
    try:
        return found and unseen(kube.read_live(client, live.identity, kinds))
    except kube.RequestError as error:
        # What else is known of policies and proxies is not lost with it.
        return [unknown(error, live.identity)]


def unknown(error: kube.RequestError, identity: kube.Identity) -> kube.Readiness:
    """Return the finding that istiod could not be asked, since the API server did not help."""
    fault = kube.fault_of(error, identity)
    return kube.Readiness(
        acceptance.ISTIOD, ready=False, reason=fault.text, code=Code.ISTIOD_SILENT
    )


def _ready_addresses(slices: Iterable[kube.Manifest]) -> Iterable[str]:
    for each in slices:
        for endpoint in kube.items(each, "endpoints"):
            if kube.section(endpoint, "conditions").get("ready"):
                yield from endpoint.get("addresses", [])[:1]


def _token(client: kube.Client, namespace: str, *, ours: bool) -> kube.Token:
    account = resources.ACCEPTANCE_ACCOUNT if ours else DEFAULT_ACCOUNT
    try:
        return kube.request_token(client, account, namespace, AUDIENCE)
    except kube.RequestError as error:
        # Installed by an earlier version of istio-k8s, which has no such account.
        if not ours or not error.is_absence:
            raise
    return kube.request_token(client, DEFAULT_ACCOUNT, namespace, AUDIENCE)


def _ask(http: httpx2.Client, address: str, token: str, namespace: str) -> Report:
    mesh = get(http, address, "mesh", token)
    if mesh.status == 403:
        return Report(address, is_foreign=True)
    if mesh.status != 200:
        return Report(address, fault=mesh.fault)
    config = acceptance.read_mesh_config(mesh.text)
    if config is None:
        return Report(address, fault=_UNREADABLE)
    report = Report(address, now=mesh.now, mesh_config=config)
    status = get(http, address, f"syncz?namespace={namespace}", token)
    found = acceptance.read_proxies(status.text) if status.status == 200 else None
    if found is None:
        fault = status.fault if status.status != 200 else _UNREADABLE
        return msgspec.structs.replace(report, fault=fault)
    return msgspec.structs.replace(report, now=status.now, proxies=found)


class Answer(msgspec.Struct, frozen=True):
    """What one request to an istiod led to."""

    status: int = 0
    """0: there was no answer."""
    text: str = ""
    now: datetime.datetime | None = None

    @property
    def fault(self) -> str:
        """What is wrong, as a status says it."""
        return f"answers with HTTP {self.status}" if self.status else "does not answer"


def get(http: httpx2.Client, address: str, path: str, token: str) -> Answer:
    """Send one request to an istiod; any failure is an answer with status 0.

    Args:
        http: sends it.
        address: of its pod.
        path: below `/debug/`.
        token: of a ServiceAccount in its namespace.
    """
    host = f"[{address}]" if ":" in address else address
    headers = {"Authorization": f"Bearer {token}"}
    try:
        url = f"http://{host}:{PORT}/debug/{path}"
        with http.stream("GET", url, headers=headers) as answer:
            text = _bounded(answer)
            now = _date(answer.headers.get("Date", ""))
            return Answer() if text is None else Answer(answer.status_code, text, now)
    # ValueError: an address that is no name to IDNA, or a token that is no header.
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        logger.info("istiod %s: %r", address, error)
        return Answer()


def _bounded(answer: httpx2.Response) -> str | None:
    """Return the body; None where it is larger, or takes longer, than it may."""
    parts: list[bytes] = []
    end = time.monotonic() + 2 * TIMEOUT
    for part in answer.iter_bytes():
        parts.append(part)
        if sum(map(len, parts)) > _MAX_BYTES or time.monotonic() > end:
            return None
    return b"".join(parts).decode(errors="replace")


def _date(text: str) -> datetime.datetime | None:
    """Return the time of a header; None for what is none, or has no time zone (`-0000`)."""
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return None if found.tzinfo is None else found


def _log(reports: Iterable[Report]) -> None:
    """Log the words of proxies as they are; a status has room for their beginning only."""
    for report in reports:
        if report.fault or report.is_foreign:
            logger.warning("istiod %s: %s", report.address, report.fault or "uses another root")
        for proxy in report.proxies:
            for each in proxy.acknowledgements:
                if each.error:
                    what = f"{proxy.type} {proxy.name}.{proxy.namespace}"
                    logger.warning("%s refuses %s: %r", what, each.kind, each.error[:4000])
