//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/virtual-kubelet/virtual-kubelet/errdefs"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// run is one process of a pod. What it writes goes to its log, and to whoever is attached.
type run struct {
	cmd   *exec.Cmd
	log   string
	file  *os.File
	stdin io.WriteCloser
	// done is closed behind the end of the process.
	done chan struct{}

	mu sync.Mutex
	// heard is closed and replaced whenever the log has grown.
	heard chan struct{}
}

// newRun makes a process that has not been started.
func newRun(log string, argv []string, stdin bool) (*run, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	r := &run{cmd: exec.Command(argv[0], argv[1:]...), log: log, file: f, done: make(chan struct{}), heard: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Geteuid() == 0 {
		// The process is number 1 of its own, as in a container: it must not be able to end that of
		// the machine, and what it leaves behind ends with it. Without root it cannot do the former.
		r.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	// What the process leaves behind may hold its output open.
	r.cmd.WaitDelay = time.Second
	if stdin {
		if r.stdin, err = r.cmd.StdinPipe(); err != nil {
			f.Close()
			return nil, err
		}
	}
	return r, nil
}

// Write is the process's output.
func (r *run) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.heard)
	r.heard = make(chan struct{})
	return n, err
}

// wait waits for the end of the process.
func (r *run) wait() {
	r.cmd.Wait()
	r.close()
	close(r.done)
}

// close closes the log.
func (r *run) close() { r.file.Close() }

// signal sends a signal to the process and to those that it has made.
func (r *run) signal(s syscall.Signal) {
	select {
	case <-r.done:
	default:
		syscall.Kill(-r.cmd.Process.Pid, s)
	}
}

// ended is how the process has ended.
func (r *run) ended(started metav1.Time) *v1.ContainerStateTerminated {
	end := &v1.ContainerStateTerminated{Reason: "Completed", StartedAt: started, FinishedAt: metav1.Now()}
	s, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && s.Signaled():
		end.Signal = int32(s.Signal())
		end.ExitCode = 128 + end.Signal
	default:
		end.ExitCode = int32(r.cmd.ProcessState.ExitCode())
	}
	if end.ExitCode != 0 {
		end.Reason = "Error"
	}
	return end
}

// reader reads a log while it grows, until its process has ended and all is read.
type reader struct {
	f   *os.File
	r   *run
	ctx context.Context
}

func (l *reader) Read(b []byte) (int, error) {
	for {
		l.r.mu.Lock()
		heard := l.r.heard
		l.r.mu.Unlock()
		over := false
		select {
		case <-l.r.done:
			over = true
		default:
		}
		n, err := l.f.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) || over {
			return n, err
		}
		select {
		case <-l.r.done:
		case <-heard:
		case <-l.ctx.Done():
			return 0, l.ctx.Err()
		}
	}
}

func (l *reader) Close() error { return l.f.Close() }

// GetContainerLogs returns what a pod's process, or the one before it, has written.
func (n *node) GetContainerLogs(ctx context.Context, namespace, name, _ string, o api.ContainerLogOpts) (io.ReadCloser, error) {
	r, before, err := n.process(namespace, name)
	if err != nil {
		return nil, err
	}
	log := r.log
	if o.Previous {
		if before == "" {
			return nil, errdefs.NotFound("previous terminated container not found")
		}
		log = before
	}
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	if o.Tail > 0 {
		if err := tail(f, o.Tail); err != nil {
			f.Close()
			return nil, err
		}
	}
	if !o.Follow || o.Previous {
		return f, nil
	}
	return &reader{f, r, ctx}, nil
}

// tail moves a file to its last lines.
func tail(f *os.File, lines int) error {
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	at := len(bytes.TrimSuffix(text, []byte("\n")))
	for ; lines > 0 && at >= 0; lines-- {
		at = bytes.LastIndexByte(text[:at], '\n')
	}
	_, err = f.Seek(int64(at+1), io.SeekStart)
	return err
}

// RunInContainer runs a command with the environment of a pod's process.
func (n *node) RunInContainer(ctx context.Context, namespace, name, _ string, argv []string, a api.AttachIO) error {
	p, err := n.find(namespace, name)
	if err != nil {
		return err
	}
	r, _, err := n.process(namespace, name)
	if err != nil {
		return err
	}
	for i := range argv {
		argv[i] = p.path(argv[i])
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = r.cmd.Dir, r.cmd.Env
	if a.Stdin() != nil {
		cmd.Stdin = a.Stdin()
	}
	if a.Stdout() != nil {
		cmd.Stdout = a.Stdout()
	}
	if a.Stderr() != nil {
		cmd.Stderr = a.Stderr()
	}
	return cmd.Run()
}

// AttachToContainer connects the streams to those of a pod's process; standard error comes
// with standard output.
func (n *node) AttachToContainer(ctx context.Context, namespace, name, _ string, a api.AttachIO) error {
	r, _, err := n.process(namespace, name)
	if err != nil {
		return err
	}
	f, err := os.Open(r.log)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	out := io.Discard
	if a.Stdout() != nil {
		out = a.Stdout()
	}
	// Only from here on, so that no answer is missed. The process's standard input stays open for
	// whoever attaches next, as it does without stdinOnce.
	if a.Stdin() != nil && r.stdin != nil {
		go io.Copy(r.stdin, a.Stdin())
	}
	_, err = io.Copy(out, &reader{f, r, ctx})
	return err
}

// PortForward connects a stream to a port of a pod.
func (n *node) PortForward(ctx context.Context, namespace, name string, port int32, s io.ReadWriteCloser) error {
	p, err := n.find(namespace, name)
	if err != nil {
		return err
	}
	c, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("%s:%d", p.ip, port))
	if err != nil {
		return fmt.Errorf("failed to connect to port %d of pod %s/%s: %w", port, namespace, name, err)
	}
	defer c.Close()
	go func() {
		io.Copy(c, s)
		// The pod learns that no more comes; what it still says goes on.
		c.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(s, c)
	return err
}

// process is a pod's process, and the log of the one before it.
func (n *node) process(namespace, name string) (r *run, before string, err error) {
	p, err := n.find(namespace, name)
	if err != nil {
		return nil, "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.run == nil {
		c := p.spec.Spec.Containers[0].Name
		return nil, "", errdefs.InvalidInputf("container %q in pod %q is waiting to start", c, name)
	}
	return p.run, p.before, nil
}
