// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command mesh_config_fields prints the fields of MeshConfig, and of every message in it, as JSON.
//
// tools/generate_mesh_config.py runs it in this module, which pins istio.io/api.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/reflect/protoreflect"

	mesh "istio.io/api/mesh/v1alpha1"
)

// message describes a message: the type of each field, by the field's name in JSON, and which fields exclude
// each other.
type message struct {
	Fields map[string]string `json:"fields"`
	OneOf  [][]string        `json:"one_of,omitempty"`
}

// schema holds messages and enumerations by their full names.
type schema struct {
	Root     string              `json:"root"`
	Messages map[string]message  `json:"messages"`
	Enums    map[string][]string `json:"enums"`
}

// scalars are protobuf's own types that JSON writes as a plain value.
var scalars = map[protoreflect.FullName]string{
	"google.protobuf.BoolValue":   "bool",
	"google.protobuf.StringValue": "string",
	"google.protobuf.DoubleValue": "number",
	"google.protobuf.FloatValue":  "number",
	"google.protobuf.Int32Value":  "int32",
	"google.protobuf.Int64Value":  "int64",
	"google.protobuf.UInt32Value": "uint32",
	"google.protobuf.UInt64Value": "uint64",
	"google.protobuf.Duration":    "duration",
	"google.protobuf.Struct":      "object",
	"google.protobuf.Value":       "any",
}

func main() {
	root := (&mesh.MeshConfig{}).ProtoReflect().Descriptor()
	found := schema{string(root.FullName()), map[string]message{}, map[string][]string{}}
	found.add(root)
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s schema) add(descriptor protoreflect.MessageDescriptor) {
	name := string(descriptor.FullName())
	if _, known := s.Messages[name]; known {
		return
	}
	held := message{Fields: map[string]string{}}
	s.Messages[name] = held
	for i := range descriptor.Fields().Len() {
		field := descriptor.Fields().Get(i)
		held.Fields[field.JSONName()] = s.typeOf(field)
	}
	for i := range descriptor.Oneofs().Len() {
		oneof := descriptor.Oneofs().Get(i)
		if oneof.IsSynthetic() {
			continue
		}
		var names []string
		for j := range oneof.Fields().Len() {
			names = append(names, oneof.Fields().Get(j).JSONName())
		}
		held.OneOf = append(held.OneOf, names)
	}
	s.Messages[name] = held
}

func (s schema) typeOf(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return "map of " + s.singular(field.MapValue())
	case field.IsList():
		return "list of " + s.singular(field)
	default:
		return s.singular(field)
	}
}

func (s schema) singular(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.MessageKind:
		name := field.Message().FullName()
		if scalar, ok := scalars[name]; ok {
			return scalar
		}
		s.add(field.Message())
		return string(name)
	case protoreflect.EnumKind:
		name := string(field.Enum().FullName())
		var values []string
		for i := range field.Enum().Values().Len() {
			values = append(values, string(field.Enum().Values().Get(i).Name()))
		}
		s.Enums[name] = values
		return name
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return "number"
	default:
		return field.Kind().String()
	}
}
