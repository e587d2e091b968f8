package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/recipes"
)

// faulty is a disk that fails one kind of call once so many have been made.
type faulty struct {
	disk
	call  string
	after int
	err   error

	mu    sync.Mutex
	made  int
	temps []string
}

func (f *faulty) fails(call string) error {
	if call != f.call {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made++; f.made <= f.after {
		return nil
	}
	return f.err
}

func (f *faulty) MkdirAll(dir string) error {
	if err := f.fails("mkdir"); err != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
	}
	return f.disk.MkdirAll(dir)
}

func (f *faulty) CreateTemp(dir string) (tempFile, error) {
	if err := f.fails("create"); err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir, ".tmp-123"), Err: err}
	}
	t, err := f.disk.CreateTemp(dir)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.temps = append(f.temps, t.Name())
	f.mu.Unlock()
	return &faultyFile{t, f}, nil
}

func (f *faulty) Rename(from, to string) error {
	if err := f.fails("rename"); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return f.disk.Rename(from, to)
}

type faultyFile struct {
	tempFile
	f *faulty
}

func (t *faultyFile) failed(call string) error {
	if err := t.f.fails(call); err != nil {
		return &fs.PathError{Op: call, Path: t.Name(), Err: err}
	}
	return nil
}

// Write fails half-way, as a full disk does.
func (t *faultyFile) Write(b []byte) (int, error) {
	if err := t.failed("write"); err != nil {
		n, _ := t.tempFile.Write(b[:len(b)/2])
		return n, err
	}
	return t.tempFile.Write(b)
}

func (t *faultyFile) Chmod(m fs.FileMode) error {
	if err := t.failed("chmod"); err != nil {
		return err
	}
	return t.tempFile.Chmod(m)
}

func (t *faultyFile) Sync() error {
	if err := t.failed("sync"); err != nil {
		return err
	}
	return t.tempFile.Sync()
}

func (t *faultyFile) Close() error {
	t.tempFile.Close()
	return t.failed("close")
}

var calls = []string{"mkdir", "create", "write", "chmod", "sync", "close", "rename"}

// TestWriteFileFaults: whichever call fails, the old file stays, no half file is
// left, and the error names the file and the cause.
func TestWriteFileFaults(t *testing.T) {
	for _, call := range calls {
		t.Run(call, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "sub", "file.json")
			require.NoError(t, WriteFile(path, func(w io.Writer) error { _, err := io.WriteString(w, "old"); return err }))
			err := writeFile(&faulty{call: call, err: syscall.ENOSPC}, path, func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Repeat("new", 5000)) // more than a buffer
				return err
			})
			require.ErrorIs(t, err, syscall.ENOSPC)
			assert.Contains(t, err.Error(), fmt.Sprintf("%q: no space left on device", path))
			assert.NotContains(t, err.Error(), ".tmp-")
			assert.Equal(t, []string{"sub/file.json"}, tree(t, dir))
			assert.Equal(t, "old", read(t, path))
		})
	}
}

// TestWriteFileOwnError: a writer that gives up leaves nothing either.
func TestWriteFileOwnError(t *testing.T) {
	dir := t.TempDir()
	mine := errors.New("no such metric")
	err := WriteFile(filepath.Join(dir, "file.json"), func(w io.Writer) error { io.WriteString(w, "half"); return mine })
	require.ErrorIs(t, err, mine)
	assert.Empty(t, tree(t, dir))
}

// TestFullDisk: from any point on and at any call, the run gets its answer, every
// file under a final name is whole, and what is missing is said once.
func TestFullDisk(t *testing.T) {
	for _, call := range calls {
		for _, after := range []int{0, 3, 20, 30} {
			t.Run(fmt.Sprintf("%s after %d", call, after), func(t *testing.T) {
				f := &faulty{call: call, after: after, err: syscall.ENOSPC}
				dir := t.TempDir()
				r, err := recipes.Lookup("concurrency-ramp")
				require.NoError(t, err)
				o, err := recipes.Run(t.Context(), r, recipes.Spec{Prober: formula{}, Inputs: standard["ramp"].inputs,
					Observe: (&Dir{Path: dir, NoCharts: call != "write", storage: f}).Update})
				require.NoError(t, err)
				assert.Equal(t, recipes.Met, o.Verdict)
				for _, name := range tree(t, dir) {
					assert.NotContains(t, name, ".tmp-")
				}
				entire(t, dir)

				var said []string
				for _, w := range o.Warnings {
					if strings.Contains(w.Error(), "write artifacts") {
						said = append(said, w.Error())
					}
				}
				require.Greater(t, f.made, after, "the fault never came")
				require.NotEmpty(t, said)
				assert.LessOrEqual(t, len(said), 2, "a full disk is not news at every probe")
				assert.Contains(t, said[0], "no space left on device")
				assert.Contains(t, said[0], "choose another folder")
				if f.made-after > 1 {
					assert.Contains(t, said[len(said)-1], "are missing")
				}
				for _, line := range said {
					assert.NotContains(t, line, "\n")
				}

				var b strings.Builder
				require.NoError(t, Finding(&b, o))
				assert.Contains(t, b.String(), "knee at concurrency 32")
				assert.Contains(t, strings.Join(strings.Fields(b.String()), " "), "no space left on device")
			})
		}
	}
}

// entire checks that no file below dir breaks off.
func entire(t *testing.T, dir string) {
	t.Helper()
	for _, name := range tree(t, dir) {
		text := read(t, dir, name)
		switch filepath.Ext(name) {
		case ".json":
			decode(t, text)
		case ".jsonl":
			if text == "" { // nothing was kept of the requests
				continue
			}
			for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
				decode(t, line)
			}
		}
		assert.True(t, strings.HasSuffix(text, "\n"), "%s breaks off", name)
	}
}

// TestInTheWay: a file where a folder should be, a folder where a file should
// be, a folder that may not be written to.
func TestInTheWay(t *testing.T) {
	o := runOutcome(t, "ramp")
	t.Run("a file for the folder", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "artifacts")
		require.NoError(t, os.WriteFile(path, []byte("mine"), 0o666))
		err := (&Dir{Path: path}).Update(o)
		require.ErrorIs(t, err, syscall.ENOTDIR)
		assert.Contains(t, err.Error(), fmt.Sprintf("%q: not a directory", path))
		assert.Equal(t, "mine", read(t, path))
	})
	t.Run("a folder for a file", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "search_history.json", "mine"), 0o777))
		err := (&Dir{Path: dir}).Update(o)
		require.Error(t, err)
		assert.Contains(t, err.Error(), `put in place "`+filepath.Join(dir, "search_history.json")+`"`)
		assert.Contains(t, tree(t, dir), "sweep_aggregate/degradation_knee.json", "the other files are there")
		for _, name := range tree(t, dir) {
			assert.NotContains(t, name, ".tmp-")
		}
	})
	t.Run("a folder that is not ours to write", func(t *testing.T) {
		dir := t.TempDir()
		s := &faulty{call: "create", err: syscall.EACCES} // root may write anywhere
		err := (&Dir{Path: dir, storage: s}).Update(o)
		require.ErrorIs(t, err, fs.ErrPermission)
		assert.Contains(t, err.Error(), "permission denied")
		assert.Empty(t, tree(t, dir))
	})
}

// TestOddPaths: a directory is the user's to name.
func TestOddPaths(t *testing.T) {
	t.Parallel()
	o := runOutcome(t, "ramp")
	var want []string
	for _, name := range tree(t, runDir(t, "ramp")) {
		if !strings.HasPrefix(name, "plots/") { // drawn once is enough
			want = append(want, name)
		}
	}
	for _, name := range []string{"with space", "quote'\"", "new\nline", "naïve 日本", "per%cent", "-dash", "*?[x]", "\\back",
		".hidden", "a/b/c"} {
		t.Run(fmt.Sprintf("%q", name), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), name)
			require.NoError(t, (&Dir{Path: dir, NoCharts: true}).Update(o))
			assert.Equal(t, want, tree(t, dir))
		})
	}
}

// TestSafe: text of a user's or a server's becomes one harmless path element.
func TestSafe(t *testing.T) {
	for in, want := range map[string]string{
		"concurrency_10": "concurrency_10", "a/b": "a_b", "..": "_____"[:3], "": "_", "../../etc": ".._.._etc", "a b\n": "a_b_",
		"ü": "_", "a.b-c": "a.b-c", "C:\\x": "C__x",
	} {
		got := Safe(in)
		assert.Equal(t, want, got, "%q", in)
		assert.Equal(t, got, filepath.Base(got))
	}
}
