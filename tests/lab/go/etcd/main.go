// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command etcd is etcd as released, in a package that gives the program its name.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
