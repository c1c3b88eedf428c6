# Copyright 2026 The Charmed Istio authors
# SPDX-License-Identifier: Apache-2.0

"""Values of the option `mesh-config`: ordinary ones, and those that are refused by field."""

ORDINARY: dict[str, str] = {
    "plain text leaves by the registry only": "outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
    "no access log": 'accessLogFile: ""',
    "access log as JSON": "accessLogEncoding: JSON",
    "a format of one's own": (
        'accessLogFormat: "[%START_TIME(%Y-%m-%dT%H:%M:%S.%3f%z)%] '
        '%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):9% %RESPONSE_CODE% 100%% %PROTOCOL%\\n"'
    ),
    "a JSON format of one's own": (
        "accessLogEncoding: JSON\naccessLogFormat: "
        '\'{"path": "%REQ(:PATH)%", "code": "%RESPONSE_CODE%", "n": [1, true]}\''
    ),
    "connections made faster": "connectTimeout: 2.5s",
    "protocol detection": "protocolDetectionTimeout: 0.1s",
    "no protocol detection": "protocolDetectionTimeout: 0s",
    "another trust domain accepted": "trustDomainAliases: [old.example.com, cluster.old]",
    "metrics not merged": "enablePrometheusMerge: false",
    "keepalive": "tcpKeepalive: {time: 300s, interval: 75s, probes: 9}",
    "HTTP/2 between proxies": "h2UpgradePolicy: UPGRADE",
    "paths normalized": "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}",
    "retries": (
        "defaultHttpRetryPolicy: {attempts: 3, perTryTimeout: 2s, backoff: 0.025s,"
        ' retryOn: "connect-failure,refused-stream,503"}'
    ),
    "no retries": "defaultHttpRetryPolicy: {attempts: 0}",
    "services shown to their own namespace": 'defaultServiceExportTo: ["."]',
    "TLS 1.3 in the mesh": "meshMTLS: {minProtocolVersion: TLSV1_3}",
    "ciphers in the mesh": (
        "meshMTLS: {cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-RSA-AES256-GCM-SHA384]}"
    ),
    "TLS of gateways": "tlsDefaults: {ecdhCurves: [X25519MLKEM768, P-256]}",
    "requests stay in their zone": (
        "localityLbSetting: {distribute: [{from: us-east/zone-a/*,"
        ' to: {"us-east/zone-a/*": 80, "us-east/zone-b/*": 20}}]}'
    ),
    "failover between regions": (
        "localityLbSetting: {enabled: true, failover: [{from: us-east, to: eu-west}]}"
    ),
    "failover by labels": "localityLbSetting: {failoverPriority: [app, version=v1]}",
    "zone-aware balancing": "zoneAwareLbSetting: {enabled: true, minClusterSize: 3}",
    "limits of connections": (
        "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: 1000, connectTimeout: 3s},"
        " http: {http1MaxPendingRequests: 100, idleTimeout: 60s,"
        " http2KeepAlive: {interval: 30s, timeout: 5s}}}}"
    ),
    "outlier detection": (
        "defaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, interval: 10s,"
        " baseEjectionTime: 30s, maxEjectionPercent: 50}}"
    ),
    "services of one cluster": (
        "serviceSettings: [{settings: {clusterLocal: true}, hosts: ['*.kube-system.svc']}]"
    ),
    "services of all clusters": (
        "serviceScopeConfigs: [{scope: GLOBAL, namespaceSelector: {matchExpressions:"
        " [{key: tier, operator: In, values: [shared]}]}}]"
    ),
    "proxies behind a load balancer": (
        "defaultConfig: {gatewayTopology: {numTrustedProxies: 2,"
        " forwardClientCertDetails: APPEND_FORWARD}}"
    ),
    "PROXY protocol": "defaultConfig: {gatewayTopology: {proxyProtocol: {}}}",
    "threads of proxies": "defaultConfig: {concurrency: 4}",
    "slow drains": "defaultConfig: {drainDuration: 60s, terminationDrainDuration: 30s}",
    "DNS proxy": (
        'defaultConfig: {proxyMetadata: {ISTIO_META_DNS_CAPTURE: "true",'
        ' ISTIO_META_DNS_AUTO_ALLOCATE: "true"}}'
    ),
    "sampling": "defaultConfig: {tracing: {sampling: 12.5}}",
    "tags of spans": (
        "defaultConfig: {tracing: {customTags: {site: {literal: {value: paris}},"
        " tenant: {header: {name: x-tenant, defaultValue: none}}}}}"
    ),
    "more statistics": (
        'defaultConfig: {proxyStatsMatcher: {inclusionRegexps: [".*outlier_detection.*",'
        ' ".*upstream_rq_retry.*"], inclusionPrefixes: [upstream_rq]}, extraStatTags: [host]}'
    ),
    "headers of proxies": (
        "defaultConfig: {proxyHeaders: {server: {disabled: true}, requestId: {disabled: false},"
        " envoyDebugHeaders: {disabled: true}, preserveHttp1HeaderCase: true}}"
    ),
    "timeouts of gateways": (
        "defaultConfig: {connectionSettings: {httpIdleTimeout: 300s, httpRequestTimeout: 60s,"
        " httpMaxConcurrentStreams: 100, http2InitialStreamWindowSize: 65535}}"
    ),
    "a limit of open connections": (
        'defaultConfig: {runtimeValues: {overload.global_downstream_max_connections: "50000"}}'
    ),
    "logs on standard error": (
        "extensionProviders: [{name: errors, envoyFileAccessLog: {path: /dev/stderr,"
        ' logFormat: {labels: {status: "%RESPONSE_CODE%"}}}}]\n'
        "defaultProviders: {accessLogging: [errors]}"
    ),
    "logs over OTLP": (
        "extensionProviders: [{name: otel-logs, envoyOtelAls:"
        " {service: otel.cos.svc.cluster.local,"
        ' port: 4317, logFormat: {text: "%RESPONSE_CODE%", labels: {path: "%REQ(:PATH)%"}}}}]'
    ),
    "spans over OTLP and HTTP": (
        "extensionProviders: [{name: otel-http, opentelemetry:"
        " {service: otel.cos.svc.cluster.local,"
        " port: 4318, http: {path: /v1/traces, timeout: 5s, headers: [{name: x-a, value: b}]}}}]\n"
        "defaultProviders: {tracing: [otel-http]}"
    ),
    "spans to Zipkin": (
        "extensionProviders: [{name: zipkin, zipkin: {service: zipkin.cos.svc.cluster.local,"
        " port: 9411, path: /api/v2/spans, maxTagLength: 128}}]\n"
        "defaultProviders: {tracing: [zipkin]}"
    ),
    "an authorizer of one's own": (
        "extensionProviders: [{name: opa, envoyExtAuthzGrpc: {service: opa.cos.svc.cluster.local,"
        ' port: 9191, timeout: 0.5s, statusOnError: "503",'
        " includeRequestBodyInCheck: {maxRequestBytes: 1024}}}]"
    ),
    "an authorizer over HTTP": (
        "extensionProviders: [{name: web, envoyExtAuthzHttp: {service: web.cos.svc.cluster.local,"
        " port: 80, pathPrefix: /check, includeRequestHeadersInCheck: [cookie, x-*],"
        ' includeAdditionalHeadersInCheck: {x-path: "%REQ(:PATH)%"}}}]'
    ),
}
"""What it is for → the overlay. Each of them is accepted, by istiod and by the proxies."""

REFUSED: dict[str, str] = {
    # istiod refuses the whole MeshConfig.
    "connectTimeout: 0s": "connectTimeout",
    "connectTimeout: 3601s": "connectTimeout",
    "connectTimeout: 0.0005s": "connectTimeout",
    "proxyListenPort: 0": "proxyListenPort",
    "proxyListenPort: 65536": "proxyListenPort",
    "protocolDetectionTimeout: 0.00001s": "protocolDetectionTimeout",
    "trustDomainAliases: [spiffe://x]": "trustDomainAliases[0]",
    "trustDomainAliases: ['not a domain']": "trustDomainAliases[0]",
    "trustDomainAliases: [good.example, '']": "trustDomainAliases[1]",
    "defaultConfig: {drainDuration: 0.5s}": "defaultConfig.drainDuration",
    "defaultConfig: {drainDuration: 0s}": "defaultConfig.drainDuration",
    "defaultConfig: {statusPort: 99999}": "defaultConfig.statusPort",
    "defaultConfig: {proxyAdminPort: 0}": "defaultConfig.proxyAdminPort",
    "defaultConfig: {controlPlaneAuthPolicy: INHERIT}": "defaultConfig.controlPlaneAuthPolicy",
    "defaultConfig: {configPath: ''}": "defaultConfig.configPath",
    "defaultConfig: {serviceCluster: ''}": "defaultConfig.serviceCluster",
    "defaultConfig: {statsdUdpAddress: nowhere}": "defaultConfig.statsdUdpAddress",
    "defaultConfig: {privateKeyProvider: {}}": "defaultConfig.privateKeyProvider",
    "defaultConfig: {tracing: {zipkin: {address: a}}}": "defaultConfig.tracing.zipkin.address",
    "defaultConfig: {tracing: {zipkin: {}}}": "defaultConfig.tracing.zipkin",
    "defaultConfig: {tracing: {datadog: {address: 'a b:1'}}}": (
        "defaultConfig.tracing.datadog.address"
    ),
    "defaultConfig: {tracing: {lightstep: {address: a:1}}}": "defaultConfig.tracing.lightstep",
    "defaultConfig: {envoyMetricsService: {address: a}}": "defaultConfig.envoyMetricsService",
    "defaultConfig: {connectionSettings: {httpMaxConcurrentStreams: 0}}": (
        "defaultConfig.connectionSettings.httpMaxConcurrentStreams"
    ),
    "defaultConfig: {connectionSettings: {httpIdleTimeout: -1s}}": (
        "defaultConfig.connectionSettings.httpIdleTimeout"
    ),
    "localityLbSetting: {distribute: [{from: a, to: {a: 80, b: 10}}]}": (
        "localityLbSetting.distribute[0].to"
    ),
    "localityLbSetting: {distribute: [{from: a, to: {a: 0, b: 100}}]}": (
        "localityLbSetting.distribute[0].to.a"
    ),
    "localityLbSetting: {distribute: [{from: a, to: {a/b: 50, a/*: 50}}]}": (
        "localityLbSetting.distribute[0].to"
    ),
    "localityLbSetting: {distribute: [{from: a, to: {b: 100}}, {from: '*', to: {b: 100}}]}": (
        "localityLbSetting.distribute"
    ),
    "localityLbSetting: {distribute: [{from: a//b, to: {b: 100}}]}": (
        "localityLbSetting.distribute[0].from"
    ),
    "localityLbSetting: {failover: [{from: a, to: a}]}": "localityLbSetting.failover[0]",
    "localityLbSetting: {failover: [{from: a/b, to: c}]}": "localityLbSetting.failover[0].from",
    "localityLbSetting: {failover: [{from: a, to: b}], distribute: [{from: a, to: {b: 100}}]}": (
        "localityLbSetting"
    ),
    "zoneAwareLbSetting: {failoverPriority: [topology.kubernetes.io/zone]}": (
        "zoneAwareLbSetting.failoverPriority[0]"
    ),
    "serviceSettings: [{hosts: ['a b']}]": "serviceSettings[0].hosts[0]",
    "meshMTLS: {ecdhCurves: [P-256]}": "meshMTLS.ecdhCurves",
    "defaultTrafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}": (
        "defaultTrafficPolicy.connectionPool.tcp.maxConnections"
    ),
    "defaultTrafficPolicy: {connectionPool: {}}": "defaultTrafficPolicy.connectionPool",
    "defaultTrafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE,"
    " useClientProtocol: true}}}": ("defaultTrafficPolicy.connectionPool.http.useClientProtocol"),
    "defaultTrafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}": (
        "defaultTrafficPolicy.outlierDetection.maxEjectionPercent"
    ),
    "defaultTrafficPolicy: {outlierDetection: {interval: 0s}}": (
        "defaultTrafficPolicy.outlierDetection.interval"
    ),
    # A proxy refuses what istiod makes of it, or does not start with it.
    'accessLogFormat: "%NOPE%"': "accessLogFormat",
    'accessLogFormat: "100%"': "accessLogFormat",
    'accessLogFormat: "%REQ()%"': "accessLogFormat",
    'accessLogFormat: "%REQ(a?b?c)%"': "accessLogFormat",
    'accessLogFormat: "%PROTOCOL:5%"': "accessLogFormat",
    'accessLogEncoding: JSON\naccessLogFormat: "%PROTOCOL%"': "accessLogFormat",
    'accessLogEncoding: JSON\naccessLogFormat: \'{"a": {"b": "%NOPE%"}}\'': "accessLogFormat.a.b",
    "accessLogFile: /var/log/envoy.log": "accessLogFile",
    "protocolDetectionTimeout: -5s": "protocolDetectionTimeout",
    "meshMTLS: {cipherSuites: [bogus]}": "meshMTLS.cipherSuites[0]",
    "tlsDefaults: {ecdhCurves: [P-1]}": "tlsDefaults.ecdhCurves[0]",
    "dnsRefreshRate: 0s": "dnsRefreshRate",
    "defaultHttpRetryPolicy: {attempts: -1}": "defaultHttpRetryPolicy.attempts",
    "defaultHttpRetryPolicy: {attempts: 1, backoff: 0s}": "defaultHttpRetryPolicy.backoff",
    "defaultConfig: {tracing: {sampling: 101}}": "defaultConfig.tracing.sampling",
    "defaultConfig: {tracing: {customTags: {a: {}}}}": "defaultConfig.tracing.customTags.a",
    "defaultConfig: {tracing: {customTags: {a: {literal: {value: ''}}}}}": (
        "defaultConfig.tracing.customTags.a.literal.value"
    ),
    "defaultConfig: {proxyStatsMatcher: {inclusionRegexps: ['(']}}": (
        "defaultConfig.proxyStatsMatcher.inclusionRegexps[0]"
    ),
    "defaultConfig: {proxyMetadata: {XDS_ROOT_CA: /x}}": "defaultConfig.proxyMetadata.XDS_ROOT_CA",
    "defaultConfig: {image: {imageType: other}}": "defaultConfig.image.imageType",
    "defaultTrafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 1s}}}}": (
        "defaultTrafficPolicy.connectionPool.http.http2KeepAlive"
    ),
    "enableEnvoyAccessLogService: true": "enableEnvoyAccessLogService",
    "extensionProviders: [{name: a, opentelemetry: {service: b, port: 1, http: {path: /}}}]": (
        "extensionProviders[0].opentelemetry.http"
    ),
    "extensionProviders: [{name: a, opentelemetry: {service: b, port: 0}}]": (
        "extensionProviders[0].opentelemetry.port"
    ),
    "extensionProviders: [{name: a, zipkin: {port: 1}}]": "extensionProviders[0].zipkin",
    "extensionProviders: [{name: a}]": "extensionProviders[0]",
    "extensionProviders: [{name: prometheus, zipkin: {service: a, port: 1}}]": (
        "extensionProviders[0].name"
    ),
    "extensionProviders: [{name: a, envoyFileAccessLog: {logFormat: {text: '%X%'}}}]": (
        "extensionProviders[0].envoyFileAccessLog.logFormat.text"
    ),
    "extensionProviders: [{name: a, envoyExtAuthzHttp: {service: b, port: 1,"
    " includeRequestHeadersInCheck: ['*']}}]": (
        "extensionProviders[0].envoyExtAuthzHttp.includeRequestHeadersInCheck[0]"
    ),
    "extensionProviders: [{name: a, envoyExtAuthzHttp: {service: b, port: 1,"
    " statusOnError: '999'}}]": ("extensionProviders[0].envoyExtAuthzHttp.statusOnError"),
    "defaultProviders: {tracing: [missing]}": "defaultProviders.tracing[0]",
    "defaultProviders: {accessLogging: [prometheus]}": "defaultProviders.accessLogging[0]",
    # The mesh would not be what the charm's policies are about.
    "discoverySelectors: [{matchLabels: {a: b}}]": "discoverySelectors",
    "discoverySelectors: []": "discoverySelectors",
    "rootNamespace: other": "rootNamespace",
    "trustDomain: other": "trustDomain",
    "configSources: []": "configSources",
    "defaultConfig: {discoveryAddress: 'a:1'}": "defaultConfig.discoveryAddress",
    "ca: {address: 'a:1'}": "ca",
    "caCertificates: [{pem: x}]": "caCertificates",
}
"""Overlay → the field that the charm names."""
