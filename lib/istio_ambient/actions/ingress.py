# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""The actions of istio-ingress-k8s about routes, which read and change nothing."""

import ipaddress
from typing import Any

from istio_ambient import charm, ingress, kube, resources
from istio_ambient.actions import _denials, _policies, _reading
from istio_ambient.authorization import evaluator
from istio_ambient.charm import parameters
from istio_ambient.cluster import proxy_logs
from istio_ambient.explain import judgements
from istio_ambient.ingress.reports import ingress_trace, lookup, route_list
from istio_ambient.values import tables

_ROUTES = (resources.HTTPRoute, resources.GRPCRoute)


class NoGatewayError(LookupError):
    """The Gateway does not exist yet."""


class IngressActions(_reading.ReadingActions[ingress.Facts]):
    """Answers `check`, `get-proxied-endpoints`, and the lists: denials, policies, routes."""

    EXPECTED = (NoGatewayError, lookup.UrlError)

    def __init__(self, of: charm.ReconcilingCharm[ingress.Facts]):
        super().__init__(
            of,
            {
                "list-denials": self._list_denials,
                "list-policies": self._list_policies,
                "list-routes": self._list_routes,
                "get-proxied-endpoints": self._get_proxied_endpoints,
                "check": self._check,
            },
        )

    def _list_denials(self, params: parameters.Params) -> _reading.Results:
        model, app = self.charm.model.name, self.charm.app.name
        _, snapshot = self.read()
        _, facts = self.charm.look()
        evaluation = evaluator.Evaluator(snapshot)
        judge = judgements.GatewayJudge(evaluation, facts)
        proxies = proxy_logs.proxies(snapshot, model, app, ztunnel=False)
        return _denials.list_denials(
            self.charm.client, params, proxies, judge, evaluation.topology, model
        )

    def _list_policies(self, params: parameters.Params) -> _reading.Results:
        app = self.charm.app.name
        return _policies.list_policies(self.charm, params, {app: ingress.workload_name(app)})

    def _list_routes(self, params: parameters.Params) -> _reading.Results:
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        found, entries = self._routes()
        unserved = route_list.unserved(found)
        foreign = route_list.foreign_entries(found)
        if form == parameters.JSON:
            return {
                **tables.fitted("routes", entries, _reading.as_json),
                **tables.fitted("foreign-routes", foreign, _reading.as_json),
                **tables.fitted("not-served", unserved, _reading.problems_as_json),
            }
        results: _reading.Results = {"gateway": found.hosts.url or "no address yet"}
        results |= tables.fitted("routes", entries, route_list.table)
        if foreign:
            results |= tables.fitted("foreign-routes", foreign, route_list.foreign_table)
        if unserved:
            results |= tables.fitted("not-served", unserved, route_list.unserved_table)
        return results

    def _get_proxied_endpoints(self, _: parameters.Params) -> _reading.Results:
        urls = route_list.proxied_endpoints(*self._routes())
        return {"proxied-endpoints": tables.as_json(urls)}

    def _routes(self) -> tuple[ingress.Ingress, list[route_list.Entry]]:
        live, facts = self.charm.look()
        found = ingress.resolve(facts)
        return found, route_list.entries(found, live)

    def _check(self, params: parameters.Params) -> _reading.Results:
        form = parameters.choice(params, "format", (parameters.TABLE, parameters.JSON))
        request = lookup.ClientRequest.of_url(
            parameters.required(params, "url", "URL"),
            parameters.text_of(params, "method") or "GET",
            _headers(params.get("headers")),
        )
        source_ip = _address(parameters.text_of(params, "source-ip"))
        model, app = self.charm.model.name, self.charm.app.name
        _, snapshot = self.read()
        name = {"namespace": model, "name": app}
        gateways = [g for g in snapshot.gateways if name.items() <= g["metadata"].items()]
        if not gateways:
            raise NoGatewayError(f"there is no Gateway {model}/{app} yet: see juju status {app}")
        routes = [
            kube.manifest_of(route)
            for kind in _ROUTES
            for route in kube.list_kind(self.charm.client, kind) or ()
        ]
        found = ingress_trace.ingress_trace(request, source_ip, gateways[0], routes, snapshot)
        results: _reading.Results = {"verdict": found.verdict}
        if form == parameters.JSON:
            data = _reading.whole(tables.as_json(ingress_trace.data(found)))
            return {**results, parameters.JSON: data}
        return {**results, "way": ingress_trace.text(found)}


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError as error:
        raise parameters.ParameterError("source-ip: use an IP address") from error


def _headers(given: Any) -> dict[str, str]:
    """Return the headers of a request: `{"x-tenant": "blue"}`.

    Juju parses values as YAML, so that `x-tenant: blue` arrives as an object.
    """
    found: dict[str, str] = {}
    for name, value in dict(given or {}).items():
        # A boolean or a float is not what was typed: `yes` arrives as true, 1.10 as 1.1.
        if not isinstance(value, str | int) or isinstance(value, bool):
            remedy = f"headers='{name}: \"<value>\"'"
            raise parameters.ParameterError(f"headers: {name} is not text; quote it: {remedy}")
        found[str(name).strip().lower()] = str(value).strip()
    return found
