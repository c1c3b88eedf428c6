// Copyright 2026 The Charmed Istio authors
// SPDX-License-Identifier: Apache-2.0

// Command meshcas says of many certificate authorities whether istiod can sign with them, without a cluster.
//
// Each line of standard input is a JSON object: the files of Secret cacerts, as text by name. Each line of standard
// output is the verdict about that authority: istiod's own code loads it and signs with it, and what it signed is
// verified as peers do.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"istio.io/istio/pkg/log"
	"istio.io/istio/security/pkg/pki/ca"
	"istio.io/istio/security/pkg/pki/util"
	"k8s.io/client-go/util/cert"
)

const (
	ttl      = 24 * time.Hour
	maxTTL   = 90 * ttl
	workload = "spiffe://cluster.local/ns/shop/sa/web"
	// Names that istiod has in its own certificate.
	istiod = "istiod.istio-system.svc"
)

// verdict is what istiod and its peers say about one authority.
type verdict struct {
	// Error is empty if istiod starts and the certificates of workloads and of istiod verify.
	Error string `json:"error"`
	// Chain is what a workload presents: its certificate and those of the authorities, as PEM; absent with an error.
	Chain string `json:"chain,omitempty"`
	// Key is the workload's private key, as PEM; absent with an error.
	Key string `json:"key,omitempty"`
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

func run(authorities *json.Decoder, verdicts *json.Encoder) error {
	// One request serves all: an authority sees its public key only.
	csr, key, err := util.GenCSR(util.CertOptions{ECSigAlg: util.EcdsaSigAlg, ECCCurve: util.P256Curve})
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "meshcas")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for {
		var files map[string]string
		if err := authorities.Decode(&files); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		said := verdict{Key: string(key)}
		if said.Chain, err = judge(folder, files, csr); err != nil {
			said = verdict{Error: err.Error()}
		}
		if err := verdicts.Encode(said); err != nil {
			return err
		}
	}
}

// judge returns what a workload presents. It reports a panic of istiod's code as an error: istiod would stop.
func judge(folder string, files map[string]string, csr []byte) (chain string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	authority, err := load(folder)
	if err != nil {
		return "", fmt.Errorf("istiod exits: %w", err)
	}
	for _, each := range []struct {
		names []string
		usage x509.ExtKeyUsage
	}{
		{[]string{istiod}, x509.ExtKeyUsageServerAuth},
		{[]string{workload}, x509.ExtKeyUsageServerAuth},
		{[]string{workload}, x509.ExtKeyUsageClientAuth},
	} {
		signed, err := authority.SignWithCertChain(csr, ca.CertOpts{SubjectIDs: each.names, TTL: ttl})
		if err != nil {
			return "", fmt.Errorf("istiod signs nothing: %w", err)
		}
		chain = signed[0]
		if err := verify([]byte(chain), authority.GetCAKeyCertBundle().GetRootCertPem(), each.usage); err != nil {
			return "", fmt.Errorf("certificate of %s, usage %d: %w", each.names[0], each.usage, err)
		}
	}
	return chain, nil
}

// load does what istiod does at its start.
func load(folder string) (*ca.IstioCA, error) {
	path := func(name string) string { return filepath.Join(folder, name) }
	options, err := ca.NewPluggedCertIstioCAOptions(ca.SigningCAFileBundle{
		RootCertFile:    path(ca.RootCertFile),
		CertChainFiles:  []string{path(ca.CertChainFile)},
		SigningCertFile: path(ca.CACertFile),
		SigningKeyFile:  path(ca.CAPrivateKeyFile),
	}, ttl, maxTTL, 2048)
	if err != nil {
		return nil, err
	}
	return ca.NewIstioCA(options)
}

// verify does what a peer does that has the root and was presented the chain.
func verify(chain, root []byte, usage x509.ExtKeyUsage) error {
	// The API server takes no caBundle of istiod's webhooks otherwise.
	if _, err := cert.ParseCertsPEM(root); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	presented, _, err := util.ParsePemEncodedCertificateChain(bytes.TrimSpace(chain))
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{
		Roots:         x509.NewCertPool(),
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{usage},
	}
	options.Roots.AppendCertsFromPEM(root)
	for _, each := range presented[1:] {
		options.Intermediates.AddCert(each)
	}
	_, err = presented[0].Verify(options)
	return err
}
