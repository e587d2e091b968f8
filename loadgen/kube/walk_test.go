//go:build linux

package kube

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/aiperf-go/aiperf/loadgen/kube/internal/kubetest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
)

const walked = "../../docs/kube.md"

// TestE2EWalk does what the first section of docs/kube.md tells a new user to do, with the page's
// own commands and the page's own test, in an empty folder and with an empty build cache, so that
// nothing is compiled yet. Three things are other ones: the modules come from this repository by
// a proxy of their own, as they would be published; the endpoint is a simulated server; and the
// image busybox:stable is this machine's shell. With -figures it writes into the page how long it
// took:
//
//	AIPERF_KUBE_TEST=walk go test -count=1 -run TestE2EWalk -v . -figures ../../docs/kube.md
func TestE2EWalk(t *testing.T) {
	if os.Getenv(kubetest.Enabled) != "walk" {
		t.Skipf("%s is not walk", kubetest.Enabled)
	}
	c := kubetest.Start(t)
	c.Image(t, "busybox:stable", "sh")
	kubectl, err := kubetest.Program("kubectl")
	require.NoError(t, err)
	srv := simserver.New(simserver.Model{Step: 2 * time.Millisecond, PerPromptToken: 40 * time.Microsecond, Chunk: 550})
	defer srv.Close()
	page, err := os.ReadFile(walked)
	require.NoError(t, err)
	commands, test := section(t, string(page))
	root, err := filepath.Abs("../..")
	require.NoError(t, err)

	home := t.TempDir()
	folder := filepath.Join(home, "project")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	proxy := filepath.Join(home, "proxy")
	publish(t, proxy, "github.com/aiperf-go/aiperf", root)
	publish(t, proxy, "github.com/aiperf-go/aiperf/loadgen/kube", filepath.Join(root, "loadgen/kube"))
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	env := strings.Fields(string(out))
	// What this machine has downloaded is downloaded from it again.
	proxies := "file://" + proxy + ",file://" + filepath.Join(env[0], "cache/download") + "," + env[1]
	// Whoever runs the test has the rights that the page gives them, and no others.
	admin, err := clientcmd.LoadFromFile(c.Kubeconfig)
	require.NoError(t, err)
	for _, u := range admin.AuthInfos {
		u.Impersonate = "ada@example.com"
	}
	ada := filepath.Join(home, "ada.conf")
	require.NoError(t, clientcmd.WriteToFile(*admin, ada))
	run := func(config, command string) string {
		began := time.Now()
		cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "KUBECONFIG="+config, kubetest.Enabled+"=", "AIPERF_URL=", "AIPERF_ARTIFACTS=",
			"GOPROXY="+proxies, "GONOSUMDB=github.com/aiperf-go", "GOFLAGS=-modcacherw", "GOMODCACHE="+filepath.Join(home, "modules"),
			"GOCACHE="+filepath.Join(home, "cache"), "PATH="+filepath.Dir(kubectl)+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		t.Logf("$ %s\n%s(%.1f s)", command, out, time.Since(began).Seconds())
		require.NoError(t, err)
		return string(out)
	}

	run(ada, "go mod init example.com/project")
	var applied time.Time
	last := ""
	for _, command := range commands {
		config := ada
		if strings.HasPrefix(command, "kubectl") {
			config = c.Kubeconfig
		}
		if strings.Contains(command, "kubectl apply") {
			applied = time.Now()
		}
		if strings.HasPrefix(command, "go test") && test != "" {
			// The user has written their test by now.
			require.NoError(t, os.MkdirAll(filepath.Join(folder, "serving"), 0o755))
			text := strings.ReplaceAll(test, "http://llm.serving:8000", srv.URL)
			require.NotEqual(t, test, text)
			require.NoError(t, os.WriteFile(filepath.Join(folder, "serving", "capacity_test.go"), []byte(text), 0o644))
			test = ""
		}
		last = run(config, command)
	}
	took := time.Since(applied)
	t.Logf("from kubectl apply to the verdict: %v", took.Round(time.Second))
	assert.Contains(t, last, "the load comes from 8 pods on 2 nodes")
	assert.Contains(t, last, "--- PASS: TestCapacity")
	assert.Less(t, took, 5*time.Minute)

	if *figuresIn != "" {
		note := fmt.Sprintf("\nFrom `kubectl apply` to the verdict: %.1f minutes, on %d cores that also carried the cluster and the server.\n"+
			"Compiling for the first time is in it.\n\n", took.Minutes(), runtime.NumCPU())
		page, err := os.ReadFile(*figuresIn)
		require.NoError(t, err)
		between := regexp.MustCompile(`(?s)(<!-- walk -->\n).*(<!-- /walk -->)`)
		require.Regexp(t, between, string(page))
		require.NoError(t, os.WriteFile(*figuresIn, []byte(between.ReplaceAllString(string(page), "${1}"+note+"${2}")), 0o644))
	}
}

// version is what the modules are published as.
const version = "v0.1.0"

// publish puts a module into a directory that serves as a proxy, as a release of it would be: it
// requires the other module by its version. See https://go.dev/ref/mod#goproxy-protocol.
func publish(t *testing.T, proxy, module, root string) {
	t.Helper()
	dir := filepath.Join(proxy, module, "@v")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	mod = bytes.ReplaceAll(mod, []byte("v0.0.0-00010101000000-000000000000"), []byte(version))
	packed := &bytes.Buffer{}
	w := zip.NewWriter(packed)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(path, "go.mod"))
			if nested == nil || strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if name == "go.mod" {
			text = mod
		}
		if err != nil {
			return err
		}
		f, err := w.Create(module + "@" + version + "/" + filepath.ToSlash(name))
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		return err
	}))
	require.NoError(t, w.Close())
	for name, text := range map[string][]byte{version + ".zip": packed.Bytes(), version + ".mod": mod, "list": []byte(version + "\n"),
		version + ".info": []byte(`{"Version": "` + version + `", "Time": "2026-01-01T00:00:00Z"}`)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
}

// section are the commands of the page's first section, and its test.
func section(t *testing.T, page string) (commands []string, test string) {
	t.Helper()
	_, rest, found := strings.Cut(page, "## From a Role to a verdict\n")
	require.True(t, found)
	text, _, _ := strings.Cut(rest, "\n## ")
	before, block, found := strings.Cut(text, "```go\n")
	require.True(t, found)
	test, after, found := strings.Cut(block, "```\n")
	require.True(t, found)
	for line := range strings.SplitSeq(before+after, "\n") {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			commands = append(commands, command)
		}
	}
	require.NotEmpty(t, commands)
	require.NotEmpty(t, test)
	return commands, test
}
