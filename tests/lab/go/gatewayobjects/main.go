// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command gatewayobjects prints what istiod makes of Gateways, without a cluster.
//
// It reads a request as JSON from standard input, and writes the objects as a JSON list of JSON documents for each
// Gateway. istiod's own deployment controller does the work, defaults and parametersRef included, on a cluster that is
// played by its test client; what it would apply is printed.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	gateway "sigs.k8s.io/gateway-api/apis/v1"

	"istio.io/istio/pilot/pkg/config/kube/gatewaycommon"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/config/mesh/meshwatcher"
	"istio.io/istio/pkg/kube"
	"istio.io/istio/pkg/kube/inject"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/revisions"
)

const (
	clusterID = "Kubernetes"
	revision  = "default"
)

// request holds the texts of ConfigMaps istio-sidecar-injector (config, values) and istio (mesh).
type request struct {
	Config    string `json:"config"`
	Values    string `json:"values"`
	Mesh      string `json:"mesh"`
	Namespace string `json:"namespace"`
	// Gateways, and the ConfigMaps that their parametersRef names.
	Gateways   []gateway.Gateway  `json:"gateways"`
	ConfigMaps []corev1.ConfigMap `json:"configMaps"`
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
	webhook, err := webhookConfig(asked)
	if err != nil {
		return err
	}
	quiet()
	applied := &recorder{}
	controller, err := deploymentController(asked, webhook, applied)
	if err != nil {
		return err
	}
	answer := make([][]json.RawMessage, 0, len(asked.Gateways))
	for _, gw := range asked.Gateways {
		applied.objects = nil
		if err := controller.Reconcile(types.NamespacedName{Namespace: gw.Namespace, Name: gw.Name}); err != nil {
			return fmt.Errorf("gateway %s: %w", gw.Name, err)
		}
		// istiod logs what it cannot render, and goes on.
		if len(applied.objects) == 0 {
			return fmt.Errorf("gateway %s: nothing was made of it", gw.Name)
		}
		answer = append(answer, applied.objects)
	}
	return json.NewEncoder(os.Stdout).Encode(answer)
}

func webhookConfig(asked request) (inject.WebhookConfig, error) {
	config, err := inject.UnmarshalConfig([]byte(asked.Config))
	if err != nil {
		return inject.WebhookConfig{}, err
	}
	values, err := inject.NewValuesConfig(asked.Values)
	if err != nil {
		return inject.WebhookConfig{}, err
	}
	meshConfig, err := mesh.ApplyMeshConfigDefaults(asked.Mesh)
	if err != nil {
		return inject.WebhookConfig{}, err
	}
	return inject.WebhookConfig{Templates: config.Templates, Values: values, MeshConfig: meshConfig}, nil
}

// quiet leaves standard output to the answer.
func quiet() {
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.ErrorLevel)
	}
}

// deploymentController returns istiod's, with its caches filled; it works when it is told to.
func deploymentController(
	asked request, webhook inject.WebhookConfig, applied *recorder,
) (*gatewaycommon.DeploymentController, error) {
	objects := []runtime.Object{}
	for i := range asked.Gateways {
		objects = append(objects, &asked.Gateways[i])
	}
	for i := range asked.ConfigMaps {
		objects = append(objects, &asked.ConfigMaps[i])
	}
	client := kube.NewFakeClientWithVersion("36", objects...)
	dynamic, ok := client.Dynamic().(*dynamicfake.FakeDynamicClient)
	if !ok {
		return nil, fmt.Errorf("istiod's test client is not what this program was written for")
	}
	dynamic.PrependReactor("patch", "*", applied.react)
	environment := model.NewEnvironment()
	environment.Watcher = meshwatcher.NewTestWatcher(webhook.MeshConfig)
	environment.PushContext().InitDone.Store(true)
	stop := make(chan struct{})
	tags := revisions.NewTagWatcher(client, revision, asked.Namespace)
	controller := gatewaycommon.NewDeploymentController(
		client, clusterID, environment, func() inject.WebhookConfig { return webhook }, func(func()) {}, tags, revision,
		asked.Namespace,
	)
	client.RunAndWait(stop)
	go tags.Run(stop)
	kube.WaitForCacheSync("tags", stop, tags.HasSynced)
	return controller, nil
}

// recorder takes what istiod applies.
type recorder struct {
	objects []json.RawMessage
}

func (r *recorder) react(action clienttesting.Action) (bool, runtime.Object, error) {
	patch := action.(clienttesting.PatchAction)
	// What is said of the Gateway itself (status, annotations) is not made of a template.
	if patch.GetResource().Resource != "gateways" {
		r.objects = append(r.objects, patch.GetPatch())
	}
	return true, &unstructured.Unstructured{}, nil
}
