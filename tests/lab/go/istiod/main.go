// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command istiod is istiod for a data plane of stock Envoy.
//
// Istio's own build of Envoy has a few extensions that the public build lacks, and Envoy rejects a whole listener for
// one extension that it does not know. None of them takes part in a decision about a request: peer metadata feeds
// metrics, and a hashable string differs from a plain one only in how connection pools are keyed. They are replaced
// before istiod builds its first listener; everything else is istiod as released.
package main

import (
	"fmt"
	"os"

	filterstate "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	httpfilterstate "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcm "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	netfilterstate "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/set_filter_state/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pilot/pkg/xds/filters"
)

// doNothing takes the place of an HTTP filter, under its name: CORS without a policy lets everything through.
func doNothing(filter **hcm.HttpFilter) {
	*filter = &hcm.HttpFilter{Name: (*filter).Name, ConfigType: filters.Cors.ConfigType}
}

// useStringFactory makes filter state values plain strings.
func useStringFactory(values []*filterstate.FilterStateValue) {
	for _, value := range values {
		if value.FactoryKey == "istio.hashable_string" {
			value.FactoryKey = "envoy.string"
		}
	}
}

// rewrite decodes a filter's configuration into config, lets change edit it, and encodes it again.
func rewrite(packed *anypb.Any, config proto.Message, change func()) {
	if err := packed.UnmarshalTo(config); err != nil {
		panic(fmt.Errorf("istiod's filter is not what this program was written for: %w", err))
	}
	change()
	if err := packed.MarshalFrom(config); err != nil {
		panic(err)
	}
}

func fitStockEnvoy() {
	doNothing(&filters.WaypointDownstreamMetadataFilter)
	doNothing(&filters.WaypointUpstreamMetadataFilter)
	for _, filter := range []*hcm.HttpFilter{filters.ConnectAuthorityFilter, filters.ConnectAuthorityFilterPre1_29_2} {
		config := &httpfilterstate.Config{}
		rewrite(filter.GetTypedConfig(), config, func() { useStringFactory(config.OnRequestHeaders) })
	}
	config := &netfilterstate.Config{}
	rewrite(filters.ConnectAuthorityNetworkFilter.GetTypedConfig(), config, func() { useStringFactory(config.OnNewConnection) })
}

func main() {
	fitStockEnvoy()
	if err := app.NewRootCommand().Execute(); err != nil {
		os.Exit(1)
	}
}
