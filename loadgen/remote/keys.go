package remote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Keys are one side's part of the keys of a run, in PEM. A worker is a load cannon: with
// keys, nobody aims it who has not the other part.
type Keys struct {
	// CA is the certificate of the authority that exists for these keys alone. Its own key is
	// not kept, so that no third certificate can be made.
	CA []byte
	// Cert and Key are this side's certificate and its private key.
	Cert, Key []byte
}

// The names in the certificates. A worker is reached by whatever way there is, a host's name,
// a pod's address or a forwarded port, so that no address is in its certificate.
const (
	workerName = "worker.aiperf"
	clientName = "client.aiperf"
)

// NewKeys makes the keys of one run, which end after the given time: those of the pool and
// those that all of its workers have.
func NewKeys(valid time.Duration) (client, worker *Keys, err error) {
	now := time.Now()
	template := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial),
			Subject:      pkix.Name{CommonName: name},
			NotBefore:    now.Add(-time.Hour), // clocks differ from one machine to another
			NotAfter:     now.Add(valid),
			KeyUsage:     x509.KeyUsageDigitalSignature,
		}
	}
	authority := template("authority.aiperf", 1)
	authority.IsCA, authority.BasicConstraintsValid, authority.MaxPathLenZero = true, true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the keys of workers: %w", err)
	}
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, &signer.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("make the keys of workers: %w", err)
	}
	issue := func(name string, serial int64, use x509.ExtKeyUsage) (*Keys, error) {
		c := template(name, serial)
		c.ExtKeyUsage, c.DNSNames = []x509.ExtKeyUsage{use}, []string{name}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("make the keys of workers: %w", err)
		}
		der, err := x509.CreateCertificate(rand.Reader, c, authority, &key.PublicKey, signer)
		if err != nil {
			return nil, fmt.Errorf("make the keys of workers: %w", err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("make the keys of workers: %w", err)
		}
		return &Keys{CA: inPEM("CERTIFICATE", ca), Cert: inPEM("CERTIFICATE", der), Key: inPEM("PRIVATE KEY", private)}, nil
	}
	if client, err = issue(clientName, 2, x509.ExtKeyUsageClientAuth); err != nil {
		return nil, nil, err
	}
	worker, err = issue(workerName, 3, x509.ExtKeyUsageServerAuth)
	return client, worker, err
}

// inPEM writes a block of PEM.
func inPEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// The files of one side's keys.
const (
	fileCA   = "ca.pem"
	fileCert = "cert.pem"
	fileKey  = "key.pem"
)

// Write writes the keys into the files ca.pem, cert.pem and key.pem of a directory, which it
// makes. Only the owner can read them.
func (k *Keys) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write the keys of workers: %w", err)
	}
	for name, b := range map[string][]byte{fileCA: k.CA, fileCert: k.Cert, fileKey: k.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return fmt.Errorf("write the keys of workers: %w", err)
		}
	}
	return nil
}

// ReadKeys reads what Write wrote.
func ReadKeys(dir string) (*Keys, error) {
	k := &Keys{}
	for _, file := range []struct {
		name string
		to   *[]byte
	}{{fileCA, &k.CA}, {fileCert, &k.Cert}, {fileKey, &k.Key}} { // the first that is missing is named, and always the same
		b, err := os.ReadFile(filepath.Join(dir, file.name))
		if err != nil {
			return nil, fmt.Errorf("read the keys of workers: %w", err)
		}
		*file.to = b
	}
	_, err := k.config()
	return k, err
}

// config returns what TLS needs of the keys on either side.
func (k *Keys) config() (*tls.Config, error) {
	cert, err := tls.X509KeyPair(k.Cert, k.Key)
	if err != nil {
		return nil, fmt.Errorf("read the keys of workers: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(k.CA) {
		return nil, errors.New("read the keys of workers: the authority has no certificate in PEM form")
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		RootCAs:      pool,
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ServerName:   workerName,
	}, nil
}
