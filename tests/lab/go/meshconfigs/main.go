// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command meshconfigs says of many MeshConfigs whether istiod takes them, without a cluster.
//
// Each line of standard input is a JSON string: the text of the key "mesh" of ConfigMap istio. Each line of standard
// output is the verdict about that text: istiod's own parser and validator do the work, and what istiod would run with
// is printed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"istio.io/istio/pkg/config/mesh"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/util/protomarshal"
)

// verdict is what istiod says about one MeshConfig.
type verdict struct {
	// Error is empty if istiod takes the MeshConfig. Otherwise istiod takes nothing of it.
	Error string `json:"error"`
	// Mesh is the MeshConfig in force, istiod's defaults included; absent with an error.
	Mesh json.RawMessage `json:"mesh,omitempty"`
}

func main() {
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	if err := run(json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(texts *json.Decoder, verdicts *json.Encoder) error {
	for {
		var text string
		if err := texts.Decode(&text); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := verdicts.Encode(judge(text)); err != nil {
			return err
		}
	}
}

// judge reports a panic of istiod's code as a refusal: istiod would stop.
func judge(text string) (said verdict) {
	defer func() {
		if cause := recover(); cause != nil {
			said = verdict{Error: fmt.Sprintf("panic: %v", cause)}
		}
	}()
	taken, err := mesh.ApplyMeshConfigDefaults(text)
	if err != nil {
		return verdict{Error: err.Error()}
	}
	inForce, err := protomarshal.ToJSON(taken)
	if err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{Mesh: json.RawMessage(inForce)}
}
