package kube

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/klog/v2"
)

// workerPackage is what is built.
const workerPackage = "github.com/aiperf-go/aiperf/loadgen/remote/aiperf-worker"

// shipper sends the worker into pods that have none.
type shipper struct {
	f      *fleet
	mu     sync.Mutex
	builds map[string][]byte // by GOARCH
	// patience is how long a script may take to answer.
	patience time.Duration
	// attach runs the streams of a container until ctx ends.
	attach func(ctx context.Context, p *corev1.Pod, in io.Reader, out io.Writer) error
}

func newShipper(f *fleet) *shipper {
	s := &shipper{f: f, builds: map[string][]byte{}, patience: asking}
	s.attach = s.attached
	return s
}

// machines are Go's names of what uname -m says.
var machines = map[string]string{"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

// ship attaches to the container of a pod, whose script asks for the worker, and returns once the
// worker says that it listens. See shipping.
func (s *shipper) ship(ctx context.Context, p *corev1.Pod) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("ship the worker to pod %s: %w", p.Name, err)
		}
	}()
	// That the container does not read on, and that its connection ends, is no news to the test.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, klog.Logger{}))
	defer cancel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	var attached sync.WaitGroup
	defer attached.Wait()
	defer cancel()
	defer inW.Close()
	defer outR.Close()
	attached.Go(func() {
		err := s.attach(ctx, p, inR, outW)
		if err == nil {
			err = errors.New("the container has ended")
		}
		inR.CloseWithError(err)
		outW.CloseWithError(err)
	})
	lines := bufio.NewReader(outR)
	if _, err := io.WriteString(inW, "go\n"); err != nil {
		return err
	}
	// A script that does not answer is in the middle of a worker whose connection was lost. It is
	// given what it wants, is not told to be sure, and begins again in a new container.
	stuck := time.AfterFunc(s.patience, func() {
		blank := bytes.Repeat([]byte("\n"), 1<<16)
		for {
			if _, err := inW.Write(blank); err != nil {
				return
			}
		}
	})
	machine, err := lines.ReadString('\n')
	stuck.Stop()
	if err != nil {
		return err
	}
	machine = strings.TrimSpace(machine)
	arch := machines[machine]
	if arch == "" && s.f.o.Worker == "" {
		return fatalError{fmt.Errorf("its node is a %q, for which no worker is built; give its file by kube.Options.Worker", machine)}
	}
	worker, err := s.build(ctx, arch)
	if err != nil {
		return fatalError{err}
	}
	if _, err := fmt.Fprintln(inW, len(worker)); err != nil {
		return err
	}
	if _, err := inW.Write(worker); err != nil {
		return err
	}
	if line, err := lines.ReadString('\n'); err != nil || strings.TrimSpace(line) != "received" {
		return cmp.Or(err, fmt.Errorf("it said %q", strings.TrimSpace(line)))
	}
	if _, err := io.WriteString(inW, "sure\n"); err != nil {
		return err
	}
	for last := ""; ; {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil && last != "":
			return fmt.Errorf("%w, and said %q", err, last)
		case err != nil:
			return err
		case strings.Contains(line, "listening on "):
			return nil
		}
		last = strings.TrimSpace(line)
	}
}

// build returns the worker for nodes of an architecture, from the version of this module that the
// test's own module requires, since the go command runs in the test's folder.
func (s *shipper) build(ctx context.Context, arch string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f.o.Worker != "" {
		return os.ReadFile(s.f.o.Worker)
	}
	if b := s.builds[arch]; b != nil {
		return b, nil
	}
	dir, err := os.MkdirTemp("", "aiperf-worker-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "worker")
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, workerPackage)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the worker for linux/%s: %w\n%s"+
			"without the go command or the module's sources, give its file by kube.Options.Worker, or an image by kube.Options.Image",
			arch, err, out)
	}
	s.builds[arch], err = os.ReadFile(file)
	return s.builds[arch], err
}

// attached attaches to the worker's container through the API server.
func (s *shipper) attached(ctx context.Context, p *corev1.Pod, in io.Reader, out io.Writer) error {
	u := s.f.core.RESTClient().Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("attach").
		VersionedParams(&corev1.PodAttachOptions{Container: container, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	e, err := remotecommand.NewSPDYExecutor(s.f.config, "POST", u)
	if err != nil {
		return err
	}
	if !s.f.o.SPDY {
		socket, err := remotecommand.NewWebSocketExecutor(s.f.config, "GET", u.String())
		if err != nil {
			return err
		}
		if e, err = remotecommand.NewFallbackExecutor(socket, e, noSocket); err != nil {
			return err
		}
	}
	return e.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: in, Stdout: out, Stderr: out})
}
