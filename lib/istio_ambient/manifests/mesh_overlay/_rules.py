# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Which fields of MeshConfig the charm passes on to istiod, and with which values.

istiod drops the whole of a MeshConfig for one value that it refuses, and Envoy a whole listener or
cluster. So a field has a rule here, or the charm refuses it. The rules are those of istiod
(istio/istio pkg/config/validation/agent) and of Envoy's protocol buffers, or narrower. The list of
fields has their types, which are checked before.
"""

from collections.abc import Mapping

from . import _log_formats
from . import _values as v

Fields = Mapping[str, v.Check]


def _any(names: str) -> Fields:
    """Return fields whose types say everything: booleans, enumerations, and messages."""
    return dict.fromkeys(names.split(), v.accept)


_PROVIDER = "MeshConfig.ExtensionProvider"
_HTTP_AUTHORIZER = f"{_PROVIDER}.EnvoyExternalAuthorizationHttpProvider"
_POOL = "ConnectionPoolSettings"
_OUTBOUND = {"service": v.SERVICE, "port": v.PORT}
_AUTHORIZER: Fields = {
    **_OUTBOUND,
    "clearRouteCache": v.accept,
    "failOpen": v.accept,
    "includeRequestBodyInCheck": v.accept,
    "statusOnError": v.ERROR_STATUS,
    "timeout": v.SOME_TIME,
}
_SWITCH: Fields = {"disabled": v.accept}
_ENABLED: Fields = {"enabled": v.accept}
_FAILOVER: Fields = {"from": v.REGION, "to": v.REGION}
_LOG_NAMES: Fields = {"logName": v.NAME, "filterStateObjectsToLog": v.NAME}

RULES: Mapping[str, Fields] = {
    "MeshConfig": {
        **_any(
            "accessLogEncoding accessLogFormat defaultConfig defaultHttpRetryPolicy "
            "defaultProviders defaultTrafficPolicy disableEnvoyListenerLog enableAutoMtls "
            "enablePrometheusMerge enableTracing extensionProviders h2UpgradePolicy "
            "inboundTrafficPolicy localityLbSetting meshMTLS outboundTrafficPolicy "
            "pathNormalization serviceScopeConfigs serviceSettings tcpKeepalive tlsDefaults "
            "verifyCertificateAtClient zoneAwareLbSetting"
        ),
        "accessLogFile": v.LOG_FILE,
        "connectTimeout": v.seconds("0.001", v.HOUR),
        "defaultDestinationRuleExportTo": v.EXPORT_TO,
        "defaultServiceExportTo": v.EXPORT_TO,
        "defaultVirtualServiceExportTo": v.EXPORT_TO,
        "dnsRefreshRate": v.seconds("1", v.HOUR),
        "hboneIdleTimeout": v.ANY_TIME,
        "inboundClusterStatName": v.STAT_NAME,
        "outboundClusterStatName": v.STAT_NAME,
        "protocolDetectionTimeout": v.ANY_TIME,
        "proxyHttpPort": v.PORT,
        "proxyInboundListenPort": v.PORT,
        "proxyListenPort": v.PORT,
        "trustDomainAliases": v.TRUST_DOMAIN,
    },
    "MeshConfig.DefaultProviders": dict.fromkeys(("accessLogging", "metrics", "tracing"), v.NAME),
    "MeshConfig.DefaultTrafficPolicy": {"connectionPool": v.accept, "outlierDetection": v.accept},
    "MeshConfig.InboundTrafficPolicy": {"mode": v.accept},
    "MeshConfig.OutboundTrafficPolicy": {"mode": v.one_of("REGISTRY_ONLY", "ALLOW_ANY")},
    "MeshConfig.ProxyPathNormalization": {"normalization": v.accept},
    "MeshConfig.ServiceScopeConfigs": {
        **_any("namespaceSelector scope servicesSelector"),
    },
    "LabelSelector": {"matchExpressions": v.accept, "matchLabels": v.LABEL_VALUE},
    "LabelSelectorRequirement": {
        "key": v.LABEL_KEY,
        "operator": v.one_of("In", "NotIn", "Exists", "DoesNotExist"),
        "values": v.LABEL_VALUE,
    },
    "MeshConfig.ServiceSettings": {"hosts": v.WILDCARD_DOMAIN, "settings": v.accept},
    "MeshConfig.ServiceSettings.Settings": {"clusterLocal": v.accept},
    "MeshConfig.TLSConfig": {
        **_any("minProtocolVersion"),
        "cipherSuites": v.CIPHER_SUITE,
        "ecdhCurves": v.CURVE,
    },
    # Extension providers.
    _PROVIDER: {
        **_any(
            "datadog envoyExtAuthzGrpc envoyExtAuthzHttp envoyFileAccessLog envoyHttpAls "
            "envoyOtelAls envoyTcpAls opentelemetry prometheus skywalking zipkin"
        ),
        "name": v.NAME,
    },
    f"{_PROVIDER}.DatadogTracingProvider": {**_OUTBOUND, "maxTagLength": v.whole(1, 65536)},
    f"{_PROVIDER}.EnvoyExternalAuthorizationGrpcProvider": _AUTHORIZER,
    _HTTP_AUTHORIZER: {
        **_AUTHORIZER,
        "headersToDownstreamOnAllow": v.HEADER_PATTERN,
        "headersToDownstreamOnDeny": v.HEADER_PATTERN,
        "headersToUpstreamOnAllow": v.HEADER_PATTERN,
        "includeAdditionalHeadersInCheck": _log_formats.check_text,
        "includeHeadersInCheck": v.HEADER_PATTERN,
        "includeRequestHeadersInCheck": v.HEADER_PATTERN,
        "pathPrefix": v.REQUEST_PATH,
    },
    f"{_PROVIDER}.EnvoyExternalAuthorizationRequestBody": {
        **_any("allowPartialMessage packAsBytes"),
        "maxRequestBytes": v.whole(1),
    },
    f"{_PROVIDER}.EnvoyFileAccessLogProvider": {
        **_any("logFormat omitEmptyValues"),
        "path": v.LOG_FILE,
    },
    f"{_PROVIDER}.EnvoyFileAccessLogProvider.LogFormat": {
        "labels": _log_formats.check_labels,
        "text": _log_formats.check_text,
    },
    f"{_PROVIDER}.EnvoyHttpGrpcV3LogProvider": {
        **_OUTBOUND,
        **_LOG_NAMES,
        "additionalRequestHeadersToLog": v.HEADER,
        "additionalResponseHeadersToLog": v.HEADER,
        "additionalResponseTrailersToLog": v.HEADER,
    },
    f"{_PROVIDER}.EnvoyTcpGrpcV3LogProvider": {**_OUTBOUND, **_LOG_NAMES},
    f"{_PROVIDER}.EnvoyOpenTelemetryLogProvider": {
        **_any("logFormat"),
        **_OUTBOUND,
        "logName": v.NAME,
    },
    f"{_PROVIDER}.EnvoyOpenTelemetryLogProvider.LogFormat": {
        "labels": _log_formats.check_labels,
        "text": _log_formats.check_text,
    },
    f"{_PROVIDER}.GrpcService": {"initialMetadata": v.accept, "timeout": v.SOME_TIME},
    f"{_PROVIDER}.HttpHeader": {"name": v.HEADER, "value": v.HEADER_VALUE},
    f"{_PROVIDER}.HttpService": {
        **_any("headers"),
        "path": v.REQUEST_PATH,
        "timeout": v.SOME_TIME,
    },
    f"{_PROVIDER}.OpenTelemetryTracingProvider": {
        **_any("grpc http resourceDetectors serviceAttributeEnrichment"),
        **_OUTBOUND,
        "maxTagLength": v.whole(1, 65536),
    },
    f"{_PROVIDER}.PrometheusMetricsProvider": {},
    f"{_PROVIDER}.ResourceDetectors": {"environment": v.accept},
    f"{_PROVIDER}.ResourceDetectors.EnvironmentResourceDetector": {},
    f"{_PROVIDER}.SkyWalkingTracingProvider": _OUTBOUND,
    f"{_PROVIDER}.ZipkinTracingProvider": {
        **_any("enable64bitTraceId headers traceContextOption"),
        **_OUTBOUND,
        "maxTagLength": v.whole(1, 65536),
        "path": v.REQUEST_PATH,
        "timeout": v.SOME_TIME,
    },
    # The proxies of gateways and waypoints.
    "ProxyConfig": {
        **_any(
            "connectionSettings gatewayTopology holdApplicationUntilProxyStarts image "
            "proxyHeaders proxyMetadata proxyStatsMatcher runtimeValues statsCompression tracing "
            "tracingServiceName"
        ),
        "concurrency": v.whole(0, 1024),
        "drainDuration": v.seconds("1", v.DAY, step="1"),
        "extraStatTags": v.STAT_TAG,
        "terminationDrainDuration": v.seconds("0", v.DAY, step="1"),
    },
    "ProxyConfig.ConnectionSettings": {
        **_any(
            "httpHeadersWithUnderscoresAction httpMergeSlashes httpPathWithEscapedSlashesAction "
            "profile"
        ),
        "clusterPerConnectionBufferLimitBytes": v.whole(1024),
        "http2InitialConnectionWindowSize": v.whole(65535),
        "http2InitialStreamWindowSize": v.whole(65535),
        "httpDrainTimeout": v.ANY_TIME,
        "httpIdleTimeout": v.ANY_TIME,
        "httpMaxConcurrentStreams": v.whole(1),
        "httpMaxConnectionDuration": v.ANY_TIME,
        "httpMaxStreamDuration": v.ANY_TIME,
        "httpRequestHeadersTimeout": v.ANY_TIME,
        "httpRequestTimeout": v.ANY_TIME,
        "httpStreamIdleTimeout": v.ANY_TIME,
        "listenerPerConnectionBufferLimitBytes": v.whole(1024),
    },
    "ProxyConfig.ProxyHeaders": {
        **_any(
            "attemptCount envoyDebugHeaders forwardedClientCert metadataExchangeHeaders "
            "preserveHttp1HeaderCase requestId server setCurrentClientCertDetails xForwardedHost "
            "xForwardedPort"
        ),
    },
    "ProxyConfig.ProxyHeaders.AttemptCount": _SWITCH,
    "ProxyConfig.ProxyHeaders.EnvoyDebugHeaders": _SWITCH,
    "ProxyConfig.ProxyHeaders.MetadataExchangeHeaders": {"mode": v.accept},
    "ProxyConfig.ProxyHeaders.RequestId": _SWITCH,
    "ProxyConfig.ProxyHeaders.Server": {"disabled": v.accept, "value": v.HEADER_VALUE},
    "ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails": dict.fromkeys(
        ("cert", "chain", "dns", "subject", "uri"), v.accept
    ),
    "ProxyConfig.ProxyHeaders.XForwardedHost": _ENABLED,
    "ProxyConfig.ProxyHeaders.XForwardedPort": _ENABLED,
    "ProxyConfig.ProxyStatsMatcher": {
        "inclusionPrefixes": v.STAT_PART,
        "inclusionRegexps": v.STAT_EXPRESSION,
        "inclusionSuffixes": v.STAT_PART,
    },
    "ProxyImage": {"imageType": v.one_of("distroless", "debug", "default")},
    "Topology": {
        **_any("forwardClientCertDetails proxyProtocol"),
        "numTrustedProxies": v.whole(0, 100),
    },
    "Topology.ProxyProtocolConfiguration": {},
    "Tracing": {
        **_any("customTags datadog enableIstioTags zipkin"),
        "maxPathTagLength": v.whole(1, 65536),
        "sampling": v.whole(0, 100),
    },
    "Tracing.CustomTag": {"environment": v.accept, "header": v.accept, "literal": v.accept},
    "Tracing.Datadog": {"address": v.HOST_PORT},
    "Tracing.Environment": {"defaultValue": v.HEADER_VALUE, "name": v.STAT_TAG},
    "Tracing.Literal": {"value": v.HEADER_VALUE},
    "Tracing.RequestHeader": {"defaultValue": v.HEADER_VALUE, "name": v.HEADER},
    "Tracing.Zipkin": {"address": v.HOST_PORT},
    # Load balancing and connections.
    "ConnectionPoolSettings": {"http": v.accept, "tcp": v.accept},
    f"{_POOL}.HTTPSettings": {
        **_any("h2UpgradePolicy http2KeepAlive useClientProtocol"),
        "http1MaxPendingRequests": v.COUNT,
        "http2MaxRequests": v.COUNT,
        "idleTimeout": v.SOME_TIME,
        "maxConcurrentStreams": v.COUNT,
        "maxRequestsPerConnection": v.COUNT,
        "maxRetries": v.COUNT,
    },
    f"{_POOL}.HTTPSettings.ConnectionKeepalive": {"interval": v.SOME_TIME, "timeout": v.SOME_TIME},
    f"{_POOL}.TCPSettings": {
        **_any("tcpKeepalive"),
        "connectTimeout": v.seconds("0.001", v.HOUR),
        "idleTimeout": v.ANY_TIME,
        "maxConnectionDuration": v.SOME_TIME,
        "maxConnections": v.COUNT,
    },
    f"{_POOL}.TCPSettings.TcpKeepalive": {
        "interval": v.seconds("1", "32767", step="1"),
        "probes": v.whole(1, 127),
        "time": v.seconds("1", "32767", step="1"),
    },
    "HTTPRetry": {
        **_any("retryIgnorePreviousHosts retryRemoteLocalities"),
        "attempts": v.whole(0, 100),
        "backoff": v.SOME_TIME,
        "perTryTimeout": v.SOME_TIME,
        "retryOn": v.RETRY_ON,
    },
    "LocalityLoadBalancerSetting": {
        **_any("distribute enabled failover"),
        "failoverPriority": v.PRIORITY_LABEL,
    },
    "LocalityLoadBalancerSetting.Distribute": {"from": v.LOCALITY, "to": v.whole(1, 100)},
    "LocalityLoadBalancerSetting.Failover": _FAILOVER,
    "OutlierDetection": {
        **_any("splitExternalLocalOriginErrors"),
        "baseEjectionTime": v.SOME_TIME,
        "consecutive5xxErrors": v.COUNT,
        "consecutiveGatewayErrors": v.COUNT,
        "consecutiveLocalOriginFailures": v.COUNT,
        "interval": v.SOME_TIME,
        "maxEjectionPercent": v.whole(0, 100),
        "minHealthPercent": v.whole(0, 100),
    },
    "ZoneAwareLoadBalancerSetting": {
        **_any("enabled failover"),
        "failoverPriority": v.PRIORITY_LABEL,
        "minClusterSize": v.COUNT,
    },
    "ZoneAwareLoadBalancerSetting.Failover": _FAILOVER,
}
"""Message → field → the check of its value, or of each member of a list or mapping."""

KEYS: Mapping[str, v.Check] = {
    f"{_HTTP_AUTHORIZER}.includeAdditionalHeadersInCheck": v.HEADER,
    "LabelSelector.matchLabels": v.LABEL_KEY,
    "LocalityLoadBalancerSetting.Distribute.to": v.LOCALITY,
    "Tracing.customTags": v.NAME,
}
"""Field that is a mapping → the check of its keys."""

ENTRIES: Mapping[str, Fields] = {
    "ProxyConfig.proxyMetadata": {
        **dict.fromkeys(
            (
                "DNS_FORWARD_PARALLEL",
                "ENVOY_SKIP_DEPRECATED_LOGS",
                "EXIT_ON_ZERO_ACTIVE_CONNECTIONS",
                "ISTIO_META_DNS_AUTO_ALLOCATE",
                "ISTIO_META_DNS_CAPTURE",
                "ISTIO_META_ENABLE_DNS_SERVER",
                "ISTIO_META_ENABLE_SELF_DISCOVERY",
                "ISTIO_META_INBOUND_LISTENER_EXACT_BALANCE",
                "ISTIO_META_OUTBOUND_LISTENER_EXACT_BALANCE",
            ),
            v.TRUE_OR_FALSE,
        ),
        **dict.fromkeys(
            (
                "DNS_FORWARD_TIMEOUT",
                "ISTIO_META_IDLE_TIMEOUT",
                "MINIMUM_DRAIN_DURATION",
                "SECRET_TTL",
                "WASM_HTTP_REQUEST_TIMEOUT",
                "WASM_MODULE_EXPIRY",
                "WASM_PURGE_INTERVAL",
            ),
            v.DURATION_TEXT,
        ),
        "ISTIO_META_HTTP10": v.one_of("1"),
    },
    "ProxyConfig.runtimeValues": {"overload.global_downstream_max_connections": v.NUMBER_TEXT},
}
"""Field that is a mapping with keys of its own → key → the check of its value."""
