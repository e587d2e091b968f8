package loadgen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// tlsConfig returns what configures https, nil for the default. Errors are *TargetError.
func (t Target) tlsConfig() (*tls.Config, error) {
	if t.CAFile == "" && !t.Insecure && t.CertFile == "" && t.KeyFile == "" {
		return t.TLS, nil
	}
	c := t.TLS.Clone() // a clone of nil is nil
	if c == nil {
		c = &tls.Config{}
	}
	if t.CAFile != "" {
		pem, err := t.readFile(t.CAFile)
		if err != nil {
			return nil, &TargetError{Field: "CAFile", Problem: fmt.Sprintf("cannot be read: %v", err)}
		}
		// The file's authorities are trusted beside the system's, since a gateway may have a
		// public certificate and the server behind a redirect one of the house.
		pool := c.RootCAs
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				pool = x509.NewCertPool()
			}
		}
		pool = pool.Clone()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, &TargetError{Field: "CAFile", Problem: fmt.Sprintf("%s has no certificate in PEM form", t.CAFile)}
		}
		c.RootCAs = pool
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || t.Insecure
	if t.CertFile != "" || t.KeyFile != "" {
		// A file may hold both, as those of curl do.
		key := t.KeyFile
		if key == "" {
			key = t.CertFile
		}
		cert, err := t.readCertificate(key)
		if err != nil {
			return nil, &TargetError{Field: "CertFile", Problem: fmt.Sprintf("cannot be used with its key: %v", err)}
		}
		c.Certificates = append(c.Certificates, cert)
	}
	return c, nil
}

// distrusted returns the way out of a certificate that is not trusted, and "" for all other
// errors.
func distrusted(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		cert      *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &authority):
		return "give the file of its authority in Target.CAFile (or in SSL_CERT_FILE), or trust any certificate with Target.Insecure"
	case errors.As(err, &host):
		return "use a name that the certificate is for, or trust any certificate with Target.Insecure"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate or set the clock, or trust any certificate with Target.Insecure"
	case errors.As(err, &cert):
		return "mend the certificate, or trust any certificate with Target.Insecure"
	case strings.Contains(err.Error(), "remote error: tls:") && strings.Contains(err.Error(), "certificate"): // it has no type
		return "if the server requires a certificate of its clients, give one in Target.CertFile"
	}
	return ""
}
