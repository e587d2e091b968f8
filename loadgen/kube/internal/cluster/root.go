//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	v1 "k8s.io/api/core/v1"
)

// tokens is where a client within a pod looks for the token of its service account. Nothing
// tells it of another place, so that a pod with a token needs a root of its own.
const tokens = "/var/run/secrets/kubernetes.io/serviceaccount"

// rooted reports whether a container has a root of its own, with its volumes where the spec
// mounts them. It needs the right to mount; without it, mount paths are replaced, see pod.path.
func rooted(c v1.Container) bool {
	return os.Geteuid() == 0 && slices.ContainsFunc(c.VolumeMounts, func(m v1.VolumeMount) bool { return m.MountPath == tokens })
}

// bound is a file or a directory of the machine at another path of a pod's root.
type bound struct{ From, To string }

// entered is the command that makes a root in dir and becomes argv in it. The image's own
// program is at the top of it, as COPY tests /tests puts it there.
func (p *pod) entered(entry, argv []string) ([]string, error) {
	var all []bound
	p.mu.Lock()
	for to, from := range p.dirs {
		all = append(all, bound{from, to})
	}
	p.mu.Unlock()
	// A mount may lie within another.
	slices.SortFunc(all, func(a, b bound) int { return len(a.To) - len(b.To) })
	if len(entry) > 0 && filepath.IsAbs(entry[0]) {
		top := "/" + filepath.Base(entry[0])
		all = append(all, bound{entry[0], top})
		if argv[0] == entry[0] {
			argv = append([]string{top}, argv[1:]...)
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return append([]string{self, "enter", filepath.Join(p.dir, "root"), string(text)}, argv...), nil
}

// shared are the directories of the machine that the root of a pod has, too, to be read.
var shared = []string{"bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr"}

// enter makes the root of a pod and becomes its program: enter ROOT MOUNTS COMMAND…. It is in
// a mount namespace of its own, so that nothing of it is seen outside, or is left.
func enter(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: cluster enter ROOT MOUNTS COMMAND…")
	}
	root, argv := args[0], args[2:]
	var mounts []bound
	if err := json.Unmarshal([]byte(args[1]), &mounts); err != nil {
		return err
	}
	// The signal that ends a pod with its node is a property of the thread that becomes it.
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0); errno != 0 {
		return errno
	}
	mount := func(from, to, kind string, flags uintptr) error {
		if err := syscall.Mount(from, to, kind, flags, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", from, to, err)
		}
		return nil
	}
	if err := mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE); err != nil {
		return err
	}
	// What is mounted is opened before, since it is out of sight in the new root.
	sources := make([]*os.File, len(mounts))
	for i, m := range mounts {
		f, err := os.Open(m.From)
		if err != nil {
			return err
		}
		defer f.Close()
		sources[i] = f
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := mount("tmpfs", root, "tmpfs", 0); err != nil {
		return err
	}
	for _, name := range append([]string{"dev", "proc", "sys"}, shared...) {
		from, to := "/"+name, filepath.Join(root, name)
		if target, err := os.Readlink(from); err == nil {
			if err := os.Symlink(target, to); err != nil {
				return err
			}
			continue
		}
		if _, err := os.Stat(from); err != nil {
			continue
		}
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		if err := mount(from, to, "", syscall.MS_BIND|syscall.MS_REC); err != nil {
			return err
		}
		if slices.Contains(shared, name) {
			if err := mount("", to, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{"tmp", "run", "var"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Chmod(filepath.Join(root, "tmp"), 0o1777), os.Symlink("/run", filepath.Join(root, "var/run")),
		syscall.Chroot(root), os.Chdir("/")); err != nil {
		return err
	}
	for i, m := range mounts {
		if err := place(sources[i], m.To); err != nil {
			return err
		}
		if err := mount(fmt.Sprintf("/proc/self/fd/%d", sources[i].Fd()), m.To, "", syscall.MS_BIND|syscall.MS_REC); err != nil {
			return err
		}
	}
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return syscall.Exec(program, argv, os.Environ())
}

// place makes what a file or a directory is mounted on.
func place(source *os.File, to string) error {
	s, err := source.Stat()
	if err != nil {
		return err
	}
	if s.IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(strings.TrimSuffix(to, "/"), nil, 0o755)
}
