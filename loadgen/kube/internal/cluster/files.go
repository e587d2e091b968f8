//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// credentials are what the administrator of a cluster needs.
type credentials struct {
	ca    []byte
	token string
}

// writeFiles makes the keys, the administrator's token and the kubeconfig of a cluster.
// Everything is valid for a day, and for this cluster alone. The addresses are those of the API
// server and the nodes.
func writeFiles(dir, server string, hosts []net.IP) (*credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	authority := certificate("cluster")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	c := &credentials{ca: block("CERTIFICATE", der), token: rand.Text()}

	// One certificate serves as the API server's, as the nodes', and as that by which the API
	// server proves itself to the nodes.
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := certificate("kube-apiserver")
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	leaf.IPAddresses = hosts
	leaf.DNSNames = []string{"localhost", "kubernetes.default.svc"}
	cert, err := x509.CreateCertificate(rand.Reader, leaf, authority, &own.PublicKey, key)
	if err != nil {
		return nil, err
	}
	accounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&accounts.PublicKey)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"ca.pem":       c.ca,
		"server.pem":   block("CERTIFICATE", cert),
		"server.key":   private(own),
		"accounts.key": private(accounts),
		"accounts.pem": block("PUBLIC KEY", public),
		"tokens.csv":   fmt.Appendf(nil, "%s,admin,1,\"system:masters\"\n", c.token),
		"admin.conf":   fmt.Appendf(nil, kubeconfig, server, filepath.Join(dir, "ca.pem"), c.token),
		"images.json":  []byte("{}\n"),
		"audit.yaml":   []byte(audit),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// certificate is a template that is valid for a day.
func certificate(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		panic(err) // The kernel has no random numbers.
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
}

// block is DER in PEM.
func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// private is a private key in PEM.
func private(k *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		panic(err) // The curve is one that can be marshalled.
	}
	return block("EC PRIVATE KEY", der)
}

// kubeconfig is the file of a user: server, authority, token.
const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: admin, context: {cluster: cluster, user: admin, namespace: default}}]
current-context: admin
`

// audit has the API server log what service accounts ask for, which says what rights they use.
const audit = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
`
