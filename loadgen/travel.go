package loadgen

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/bpe"
	"github.com/aiperf-go/aiperf/loadgen/internal/dataset"
	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// A target and a load travel to other processes as data. What a target names by a path is read
// here and sent, since the file is not there; what is no data is refused.
//
// Both are JSON. A Workload has a form in JSON anyway, in which it stands in the files of a run,
// and a field of a body is JSON in the end. Numbers are not read on the way but copied, since an
// integer above 2⁵³ would come out as another one. Files are bytes beside it, and are never
// written to a disk where they arrive: a container's is often read-only, and prompts and private
// keys have no business there.

// packed is a Target as JSON. Waiting stays, since it is called here, and so does Metrics: several
// workers would read the same pages several times.
type packed struct {
	URL                             string
	Others                          []string
	Model, APIKey                   string
	Header                          http.Header
	Body                            map[string]json.RawMessage
	Protocol                        Protocol
	NoStream, SamePrompts, Insecure bool
	Prompts, Tokenizer              string
	CAFile, CertFile, KeyFile       string
	ReadyTimeout                    time.Duration
	Timeout, IdleTimeout            time.Duration
	Workload                        Workload
}

// Pack returns the target as data, for Unpack in another process. Metrics stay here, where they
// are read. Errors are *TargetError: for what is no data, and for files that cannot be read.
func (t Target) Pack() (share.Target, error) {
	none := func(field, what string) (share.Target, error) {
		return share.Target{}, &TargetError{Field: field, Problem: what + ", which cannot be sent to workers; leave it out"}
	}
	if t.Dial != nil {
		return none("Dial", "is a function")
	}
	if t.TLS != nil {
		return none("TLS", "has functions and open files; use CAFile, CertFile and KeyFile")
	}
	body, err := packFields(t.Body)
	if err != nil {
		return share.Target{}, &TargetError{Field: "Body", Problem: fmt.Sprintf("cannot be sent to workers: %v", err)}
	}
	p := packed{t.URL, t.Others, t.Model, t.APIKey, t.Header, body, t.Protocol, t.NoStream, t.SamePrompts, t.Insecure,
		t.Prompts, t.Tokenizer, t.CAFile, t.CertFile, t.KeyFile, t.ReadyTimeout, t.Timeout, t.IdleTimeout, t.workload}
	s := share.Target{Files: map[string][]byte{}}
	for field, path := range map[string]string{
		"Prompts": t.Prompts, "Tokenizer": t.Tokenizer, "CAFile": t.CAFile, "CertFile": t.CertFile, "KeyFile": t.KeyFile,
	} {
		if path == "" {
			continue
		}
		if s.Files[path], err = t.readFile(path); err != nil {
			return s, &TargetError{Field: field, Problem: fmt.Sprintf("cannot be read: %v", err)}
		}
	}
	if s.Fields, err = json.Marshal(p); err != nil {
		return s, &TargetError{Field: "Target", Problem: fmt.Sprintf("cannot be sent to workers: %v", err)}
	}
	return s, nil
}

// Unpack returns the target that was packed. The receiver is not used.
func (Target) Unpack(s share.Target) (Target, error) {
	var p packed
	d := json.NewDecoder(bytes.NewReader(s.Fields))
	d.UseNumber() // a number is sent as it was written
	if err := d.Decode(&p); err != nil {
		return Target{}, fmt.Errorf("read the target that was sent: %w", err)
	}
	body, err := unpackFields(p.Body)
	if err != nil {
		return Target{}, fmt.Errorf("read the target that was sent: %w", err)
	}
	return Target{URL: p.URL, Others: p.Others, Model: p.Model, APIKey: p.APIKey, Header: p.Header, Body: body, Protocol: p.Protocol,
		NoStream: p.NoStream, SamePrompts: p.SamePrompts, Insecure: p.Insecure, Prompts: p.Prompts, Tokenizer: p.Tokenizer,
		CAFile: p.CAFile, CertFile: p.CertFile, KeyFile: p.KeyFile, ReadyTimeout: p.ReadyTimeout, Timeout: p.Timeout,
		IdleTimeout: p.IdleTimeout, workload: p.Workload, Metrics: []string{}, files: s.Files}, nil
}

// packFields returns the fields of a body as JSON, each by itself. A field without a value,
// which is left out of a body, has none here either.
func packFields(fields map[string]any) (out map[string]json.RawMessage, err error) {
	if fields == nil {
		return nil, nil
	}
	out = map[string]json.RawMessage{}
	for name, v := range fields {
		out[name] = nil
		if v != nil {
			if out[name], err = json.Marshal(v); err != nil {
				return nil, fmt.Errorf("field %q: %w", name, err)
			}
		}
	}
	return out, nil
}

// unpackFields reads what packFields returned. What is made up of parts stays as it was written,
// with its parts in their order.
func unpackFields(fields map[string]json.RawMessage) (out map[string]any, err error) {
	if fields == nil {
		return nil, nil
	}
	out = map[string]any{}
	for name, raw := range fields {
		if len(raw) == 0 || string(raw) == "null" {
			out[name] = nil
			continue
		}
		var v any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		if raw[0] == '{' || raw[0] == '[' {
			v = raw
		}
		out[name] = v
	}
	return out, nil
}

// packedLoad is a Load as JSON.
type packedLoad struct {
	Load
	Body map[string]json.RawMessage
}

// Pack returns the load as data, for Unpack in another process. The error is a *TargetError for
// a Body that is no JSON.
func (l Load) Pack() ([]byte, error) {
	body, err := packFields(l.Body)
	if err != nil {
		return nil, &TargetError{Field: "Load.Body", Problem: fmt.Sprintf("cannot be sent to workers: %v", err)}
	}
	b, err := json.Marshal(packedLoad{l, body})
	if err != nil {
		return nil, &TargetError{Field: "Load", Problem: fmt.Sprintf("cannot be sent to workers: %v", err)}
	}
	return b, nil
}

// Unpack returns the load that was packed. The receiver is not used.
func (Load) Unpack(b []byte) (Load, error) {
	var p packedLoad
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return Load{}, fmt.Errorf("read the load that was sent: %w", err)
	}
	body, err := unpackFields(p.Body)
	if err != nil {
		return Load{}, fmt.Errorf("read the load that was sent: %w", err)
	}
	p.Load.Body = body
	return p.Load, nil
}

// Files that came with a target are found by the paths that they had where they came from: those
// stand in messages and in the workload, and mean nothing to this machine.

// readFile reads a file that the target names, or that came with it.
func (t Target) readFile(path string) ([]byte, error) {
	if b, ok := t.files[path]; ok {
		return b, nil
	}
	return os.ReadFile(path)
}

// readPrompts reads the target's file of prompts.
func (t Target) readPrompts(options ...dataset.Option) (*dataset.File, error) {
	if b, ok := t.files[t.Prompts]; ok {
		return dataset.Read(bytes.NewReader(b), t.Prompts, options...)
	}
	return dataset.ReadFile(t.Prompts, options...)
}

// readTokenizer reads the target's tokenizer.
func (t Target) readTokenizer() (*bpe.Tokenizer, error) {
	if b, ok := t.files[t.Tokenizer]; ok {
		return bpe.Read(bytes.NewReader(b))
	}
	return bpe.ReadFile(t.Tokenizer)
}

// readCertificate reads the client's certificate and its key.
func (t Target) readCertificate(key string) (tls.Certificate, error) {
	if t.files == nil {
		return tls.LoadX509KeyPair(t.CertFile, key)
	}
	return tls.X509KeyPair(t.files[t.CertFile], t.files[key])
}
