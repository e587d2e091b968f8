//go:build linux

package kubetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// shell are the commands of an image with a shell, all of them one program.
var shell = []string{"sh", "cat", "chmod", "head", "ls", "mv", "sleep", "tail", "true", "uname"}

// load makes an image of one program and gives it to the node's containerd: "sh" is a shell with
// some commands, and anything else a file that is linked statically. No registry has a part in it.
func (c *Cluster) load(name string, command []string) error {
	layer, link := &bytes.Buffer{}, "bin/"+filepath.Base(command[0])
	program := command[0]
	if program == "sh" {
		found, err := exec.LookPath("busybox")
		if err != nil {
			return fmt.Errorf("make an image with a shell: %w", err)
		}
		program, link = found, "bin/busybox"
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files := tar.NewWriter(layer)
	for _, h := range []*tar.Header{{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o1777}, {Name: "bin", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: link, Mode: 0o755, Size: int64(len(text))}} {
		if err := files.WriteHeader(h); err != nil {
			return err
		}
	}
	if _, err := files.Write(text); err != nil {
		return err
	}
	entry := append([]string{"/" + link}, command[1:]...)
	if command[0] == "sh" {
		entry = []string{"/bin/sh"}
		for _, applet := range shell {
			if err := files.WriteHeader(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox"}); err != nil {
				return err
			}
		}
	}
	if name == pause {
		entry = []string{"/bin/sleep", "1000000"}
	}
	if err := files.Close(); err != nil {
		return err
	}
	image, err := archive(full(name), entry, layer.Bytes())
	if err != nil {
		return err
	}
	if _, err := c.ctr(image, "images", "import", "-"); err != nil {
		return fmt.Errorf("import image %s: %w", name, err)
	}
	// A kubelet sees an image once containerd has told its own part for Kubernetes of it.
	managed := `name==` + full(name) + `,labels."io.cri-containerd.image"==managed`
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if out, err := c.ctr(nil, "images", "ls", "-q", managed); err != nil || strings.TrimSpace(out) != "" {
			return err
		}
	}
	return fmt.Errorf("import image %s: containerd does not offer it to kubelets", name)
}

// ctr runs containerd's own command, and returns what it says.
func (c *Cluster) ctr(in []byte, args ...string) (string, error) {
	cmd := exec.Command("ctr", append([]string{"-a", filepath.Join(c.Dir, "containerd.sock"), "-n", "k8s.io"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// pause is the image of what holds a pod's namespaces.
const pause = "pause:test"

// full is an image's name as a kubelet has it.
func full(name string) string {
	host, _, path := strings.Cut(name, "/")
	switch {
	case !path:
		return "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:"):
		return "docker.io/" + name
	}
	return name
}

// archive is an OCI image of one layer, as one file. See the image specification of the Open
// Container Initiative, image-layout.md.
func archive(name string, entry []string, layer []byte) ([]byte, error) {
	type object = map[string]any
	all := &bytes.Buffer{}
	files := tar.NewWriter(all)
	write := func(name string, text []byte) error {
		if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := files.Write(text)
		return err
	}
	sum := func(text []byte) string { return fmt.Sprintf("%x", sha256.Sum256(text)) }
	blob := func(kind string, text []byte) (object, error) {
		return object{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + sum(text), "size": len(text)},
			write("blobs/sha256/"+sum(text), text)
	}
	written := func(kind string, what object) (object, error) {
		text, err := json.Marshal(what)
		if err != nil {
			return nil, err
		}
		return blob(kind, text)
	}
	content, err := blob("layer.v1.tar", layer)
	if err != nil {
		return nil, err
	}
	config, err := written("config.v1+json", object{"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": entry, "Env": []string{"PATH=/bin"}, "User": "65532"},
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + sum(layer)}}})
	if err != nil {
		return nil, err
	}
	manifest, err := written("manifest.v1+json", object{"schemaVersion": 2,
		"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []object{content}})
	if err != nil {
		return nil, err
	}
	manifest["annotations"] = object{"io.containerd.image.name": name}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{manifest}})
	if err != nil {
		return nil, err
	}
	if err := write("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)); err != nil {
		return nil, err
	}
	if err := write("index.json", index); err != nil {
		return nil, err
	}
	err = files.Close()
	return all.Bytes(), err
}

// loaded gives an image to containerd, once for each name and program.
func (c *Cluster) loaded(t testing.TB, name string, command []string) {
	t.Helper()
	c.images.Lock()
	defer c.images.Unlock()
	key := name + "=" + strings.Join(command, " ")
	if c.has[key] {
		return
	}
	check(t, c.load(name, command))
	c.has[key] = true
}
