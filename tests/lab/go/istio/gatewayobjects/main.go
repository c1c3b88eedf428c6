// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command gatewayobjects prints what istiod makes of Gateways, without a cluster.
//
// It reads a request as JSON from standard input, and writes the objects as a JSON list of YAML documents for each
// Gateway. Templates, values and defaults are handled by istiod's own code; only what istiod finds out from the cluster
// is filled in here.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	meshapi "istio.io/api/mesh/v1alpha1"
	"istio.io/istio/pilot/pkg/config/kube/gatewaycommon"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/test/util/tmpl"
	"istio.io/istio/pkg/test/util/yml"
)

// request holds the texts of ConfigMaps istio-sidecar-injector (config, values) and istio (mesh).
type request struct {
	Config   string            `json:"config"`
	Values   string            `json:"values"`
	Mesh     string            `json:"mesh"`
	Gateways []gateway.Gateway `json:"gateways"`
}

// input is what istiod gives to a template; the names are its own.
type input struct {
	gatewaycommon.TemplateInput
	ProxyImage  string
	ProxyConfig *meshapi.ProxyConfig
	MeshConfig  *meshapi.MeshConfig
	Values      map[string]any
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	config, err := inject.UnmarshalConfig([]byte(asked.Config))
	if err != nil {
		return err
	}
	values, err := inject.NewValuesConfig(asked.Values)
	if err != nil {
		return err
	}
	meshConfig, err := mesh.ApplyMeshConfigDefaults(asked.Mesh)
	if err != nil {
		return err
	}
	answer := make([][]string, 0, len(asked.Gateways))
	for _, gw := range asked.Gateways {
		objects, err := render(config, values, meshConfig, gw)
		if err != nil {
			return fmt.Errorf("gateway %s: %w", gw.Name, err)
		}
		answer = append(answer, objects)
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

func render(
	config inject.Config, values inject.ValuesConfig, meshConfig *meshapi.MeshConfig, gw gateway.Gateway,
) ([]string, error) {
	class := gatewaycommon.ClassInfos[gatewaycommon.BuiltinGatewayClasses[gw.Spec.GatewayClassName]]
	template := config.Templates[class.Templates]
	if template == nil {
		return nil, fmt.Errorf("no template %q", class.Templates)
	}
	name := gatewaycommon.GetDefaultName(gw.Name, &gw.Spec, class.DisableNameSuffix)
	text, err := tmpl.Execute(template, input{
		TemplateInput: gatewaycommon.TemplateInput{
			Gateway:                   &gw,
			GatewayClass:              string(gw.Spec.GatewayClassName),
			DeploymentName:            name,
			ServiceAccount:            name,
			Ports:                     ports(gw),
			ServiceType:               class.DefaultServiceType,
			ClusterID:                 "Kubernetes",
			KubeVersion:               136,
			Revision:                  "default",
			NativeSidecars:            true,
			ProxyUID:                  1337,
			ProxyGID:                  1337,
			InfrastructureLabels:      infrastructure(gw, true),
			InfrastructureAnnotations: infrastructure(gw, false),
			GatewayNameLabel:          "gateway.networking.k8s.io/gateway-name",
			ControllerLabel:           class.ControllerLabel,
		},
		ProxyImage:  inject.ProxyImage(values.Struct(), meshConfig.GetDefaultConfig().GetImage(), gw.Annotations),
		ProxyConfig: meshConfig.GetDefaultConfig(),
		MeshConfig:  meshConfig,
		Values:      values.Map(),
	})
	if err != nil {
		return nil, err
	}
	return yml.SplitString(text), nil
}

func ports(gw gateway.Gateway) []corev1.ServicePort {
	tcp := "tcp"
	result := []corev1.ServicePort{{Name: "status-port", Port: 15021, Protocol: corev1.ProtocolTCP, AppProtocol: &tcp}}
	for _, listener := range gw.Spec.Listeners {
		protocol := strings.ToLower(string(listener.Protocol))
		result = append(result, corev1.ServicePort{
			Name: string(listener.Name), Port: int32(listener.Port), Protocol: corev1.ProtocolTCP, AppProtocol: &protocol,
		})
	}
	return result
}

// infrastructure is what pods and their Service inherit: of spec.infrastructure, else of the Gateway itself.
func infrastructure(gw gateway.Gateway, labels bool) map[string]string {
	result := map[string]string{}
	if given := gw.Spec.Infrastructure; given != nil && labels && given.Labels != nil {
		for key, value := range given.Labels {
			result[string(key)] = string(value)
		}
		return result
	}
	if given := gw.Spec.Infrastructure; given != nil && !labels && given.Annotations != nil {
		for key, value := range given.Annotations {
			result[string(key)] = string(value)
		}
		return result
	}
	own := gw.Annotations
	if labels {
		own = gw.Labels
	}
	maps.Copy(result, own)
	return result
}
