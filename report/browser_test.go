package report_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/aiperf-go/aiperf/report"
)

// envBrowser turns the browser test on; envShots names a folder for its
// screenshots, which are there to be looked at.
const (
	envBrowser = "AIPERF_BROWSER"
	envShots   = "AIPERF_BROWSER_SHOTS"
)

// TestBrowser opens every recipe's report.html in headless Chromium: wide, narrow
// and dark, with scripting off. No console error, no request but for the file
// itself, every chart in sight, nothing wider than the window.
func TestBrowser(t *testing.T) {
	if os.Getenv(envBrowser) == "" {
		t.Skipf("set %s=1 to open report.html in headless Chromium (Debian: apt-get install chromium)", envBrowser)
	}
	b := startBrowser(t)
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			o := outcome(t, r.name)
			dir := t.TempDir()
			d := report.Dir{Path: dir, Again: "go test -run='^TestCapacity$' -count=1"}
			require.NoError(t, d.Update(o))
			file := filepath.Join(dir, "report.html")
			charts := len(report.Charts(o))
			require.NotZero(t, charts)
			for _, look := range []struct {
				name          string
				width, height int
				scheme        string
				noScript      bool
			}{
				{"wide", 1280, 900, "light", false},
				{"wide-dark", 1280, 900, "dark", false},
				{"narrow", 390, 740, "light", false},
				{"narrow-dark", 360, 740, "dark", false},
				{"no-script", 1280, 900, "light", true},
				{"print", 794, 1123, "light", false},
			} {
				t.Run(look.name, func(t *testing.T) {
					p := b.open(t, file, look.width, look.height, look.scheme, look.noScript)
					defer p.close(t)
					assert.Empty(t, p.console, "console")
					assert.Equal(t, []string{(&url.URL{Scheme: "file", Path: file}).String()}, p.requests, "nothing is fetched")
					var seen struct {
						Charts   []struct{ W, H, Marks, Tips int }
						Overflow int
						Heading  string
						Paper    string
						Bubble   string
						Dim      []string
						Drawn    float64
						Bytes    int
					}
					if look.name == "print" {
						p.call(t, "Emulation.setEmulatedMedia", map[string]any{"media": "print"})
					}
					p.eval(t, inspect, &seen)
					assert.Empty(t, seen.Dim, "contrast of at least 4.5:1")
					for again := 0; seen.Drawn >= 1000 && again < 2; again++ { // the machine may have been busy
						q := b.open(t, file, look.width, look.height, look.scheme, look.noScript)
						q.eval(t, drawn, &seen.Drawn)
						q.close(t)
					}
					assert.Less(t, seen.Drawn, 1000.0, "ms until the page is drawn, the least of three times")
					if b, err := os.Stat(file); assert.NoError(t, err) {
						assert.Less(t, b.Size(), int64(2_000_000), "bytes")
					}
					require.Len(t, seen.Charts, charts)
					for i, c := range seen.Charts {
						assert.GreaterOrEqual(t, c.W, map[bool]int{true: 240, false: 315}[look.name == "print"], "chart %d", i)
						assert.GreaterOrEqual(t, c.H, map[bool]int{true: 120, false: 180}[look.name == "print"], "chart %d", i)
						assert.Greater(t, c.Marks, 10, "chart %d", i)
						assert.Positive(t, c.Tips, "chart %d", i)
					}
					assert.LessOrEqual(t, seen.Overflow, 0, "the page is not wider than its window")
					assert.Contains(t, seen.Heading, report.Headline(o))
					assert.Equal(t, look.scheme == "dark", seen.Paper == "rgb(13, 17, 23)", "background %s", seen.Paper)
					assert.Equal(t, !look.noScript, seen.Bubble != "", "the script shows tips; without it title elements do")
					if shots := os.Getenv(envShots); shots != "" {
						require.NoError(t, os.MkdirAll(shots, 0o777))
						p.shot(t, filepath.Join(shots, report.Safe(r.name)+"-"+look.name+".png"))
						if look.name == "wide" {
							p.print(t, filepath.Join(shots, report.Safe(r.name)+".pdf"))
						}
					}
				})
			}
		})
	}
}

// inspect is run in the page.
const inspect = `(() => {
	const out = {Charts: [], Heading: document.querySelector("h1").textContent, Bubble: "",
		Paper: getComputedStyle(document.body).backgroundColor,
		Overflow: document.scrollingElement.scrollWidth - window.innerWidth};
	for (const svg of document.querySelectorAll("svg.chart")) {
		svg.scrollIntoView();
		const box = svg.getBoundingClientRect();
		const style = getComputedStyle(svg);
		const hidden = style.display === "none" || style.visibility === "hidden" || style.opacity === "0";
		let marks = 0;
		for (const path of svg.querySelectorAll("path, text")) {
			const b = path.getBoundingClientRect();
			const inside = b.left >= box.left - 1 && b.right <= box.right + 1 && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
			if ((b.width > 0 || b.height > 0) && inside) { marks++; }
		}
		out.Charts.push({W: hidden ? 0 : Math.round(box.width), H: hidden ? 0 : Math.round(box.height), Marks: marks,
			Tips: svg.querySelectorAll(".tip").length});
	}
	const tip = document.querySelector(".tip");
	tip.dispatchEvent(new MouseEvent("mouseenter"));
	const bubble = document.getElementById("bubble");
	if (bubble && !bubble.hidden) { out.Bubble = bubble.textContent; }
	tip.dispatchEvent(new MouseEvent("mouseleave"));
	window.scrollTo(0, 0);
	// Contrast as WCAG 2 defines it, of every element that has text of its own.
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	const light = (c) => {
		const f = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
		return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2];
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0.5) { return c; }
		}
		return [255, 255, 255];
	};
	const dim = new Set();
	for (const e of document.body.querySelectorAll("*")) {
		const own = Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.textContent.trim() !== "");
		if (!own || e.closest("svg, script, style") || e.getClientRects().length === 0) { continue; }
		const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) { dim.add(e.tagName + "." + e.className + " " + ratio.toFixed(2)); }
	}
	out.Dim = Array.from(dim);
	out.Drawn = JSON.parse(` + drawn + `);
	return JSON.stringify(out);
})()`

// drawn is how many ms it took to draw the page.
const drawn = `(() => {
	const nav = performance.getEntriesByType("navigation")[0];
	return JSON.stringify(nav ? nav.loadEventEnd - nav.startTime : 0);
})()`

// browser is Chromium spoken to over a pair of pipes, in the DevTools protocol.
type browser struct {
	in      *os.File
	replies chan devtools
	id      int
}

type devtools struct {
	ID      int             `json:"id"`
	Session string          `json:"sessionId"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	require.NoError(t, err, "install it: apt-get install chromium")
	childIn, in, err := os.Pipe()
	require.NoError(t, err)
	out, childOut, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
		"--user-data-dir="+t.TempDir(), "--no-first-run", "about:blank")
	cmd.ExtraFiles = []*os.File{childIn, childOut} // descriptors 3 and 4
	require.NoError(t, cmd.Start())
	childIn.Close()
	childOut.Close()
	b := &browser{in: in, replies: make(chan devtools, 1024)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(b.replies)
		r := bufio.NewReader(out)
		for {
			line, err := r.ReadBytes(0)
			if err != nil {
				return
			}
			var m devtools
			if json.Unmarshal(line[:len(line)-1], &m) == nil {
				b.replies <- m
			}
		}
	}()
	t.Cleanup(func() {
		b.call(t, "", "Browser.close", nil, nil)
		in.Close()
		go func() {
			for range b.replies {
			}
		}()
		_ = cmd.Wait()
		<-read
		out.Close()
	})
	return b
}

// call sends a command and waits for its answer; events in between go to handle.
func (b *browser) call(t *testing.T, session, method string, params any, handle func(devtools)) json.RawMessage {
	t.Helper()
	b.id++
	raw, err := json.Marshal(map[string]any{"id": b.id, "method": method, "params": or(params), "sessionId": session})
	require.NoError(t, err)
	if session == "" {
		raw, err = json.Marshal(map[string]any{"id": b.id, "method": method, "params": or(params)})
		require.NoError(t, err)
	}
	_, err = b.in.Write(append(raw, 0))
	require.NoError(t, err)
	m := b.wait(t, method, func(m devtools) bool { return m.ID == b.id }, handle)
	require.Empty(t, m.Error, "%s: %s", method, m.Error)
	return m.Result
}

func or(params any) any {
	if params == nil {
		return struct{}{}
	}
	return params
}

func (b *browser) wait(t *testing.T, what string, is func(devtools) bool, handle func(devtools)) devtools {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case m, ok := <-b.replies:
			require.True(t, ok, "chromium ended during %s", what)
			if handle != nil {
				handle(m)
			}
			if is(m) {
				return m
			}
		case <-late:
			require.Fail(t, "no answer to "+what)
		}
	}
}

// tab is one page, and what it said and asked for.
type tab struct {
	b                 *browser
	target, session   string
	console, requests []string
}

func (b *browser) open(t *testing.T, file string, width, height int, scheme string, noScript bool) *tab {
	t.Helper()
	p := &tab{b: b}
	var made struct {
		Target  string `json:"targetId"`
		Session string `json:"sessionId"`
	}
	require.NoError(t, json.Unmarshal(b.call(t, "", "Target.createTarget", map[string]any{"url": "about:blank"}, nil), &made))
	p.target = made.Target
	require.NoError(t, json.Unmarshal(b.call(t, "", "Target.attachToTarget", map[string]any{"targetId": p.target, "flatten": true},
		nil), &made))
	p.session = made.Session
	for _, domain := range []string{"Runtime", "Log", "Network", "Page"} {
		p.call(t, domain+".enable", nil)
	}
	p.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	p.call(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	p.call(t, "Emulation.setScriptExecutionDisabled", map[string]any{"value": noScript})
	loaded := false
	note := func(m devtools) {
		p.note(m)
		loaded = loaded || m.Session == p.session && m.Method == "Page.loadEventFired"
	}
	b.call(t, p.session, "Page.navigate", map[string]any{"url": (&url.URL{Scheme: "file", Path: file}).String()}, note)
	if !loaded {
		b.wait(t, "loading "+file, func(devtools) bool { return loaded }, note)
	}
	return p
}

// note keeps what the page says and what it asks for.
func (p *tab) note(m devtools) {
	if m.Session != p.session {
		return
	}
	switch m.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
		p.console = append(p.console, string(m.Params))
	case "Network.requestWillBeSent":
		var r struct {
			Request struct{ URL string }
		}
		_ = json.Unmarshal(m.Params, &r)
		if !strings.HasPrefix(r.Request.URL, "data:") {
			p.requests = append(p.requests, r.Request.URL)
		}
	}
}

func (p *tab) call(t *testing.T, method string, params any) json.RawMessage {
	t.Helper()
	return p.b.call(t, p.session, method, params, p.note)
}

func (p *tab) eval(t *testing.T, script string, into any) {
	t.Helper()
	var r struct {
		Result    struct{ Value string }
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	raw := p.call(t, "Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true})
	require.NoError(t, json.Unmarshal(raw, &r))
	require.Empty(t, r.Exception, "%s", r.Exception)
	require.NoError(t, json.Unmarshal([]byte(r.Result.Value), into), "%s", raw)
}

func (p *tab) shot(t *testing.T, name string) {
	t.Helper()
	p.save(t, name, p.call(t, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}))
}

func (p *tab) print(t *testing.T, name string) {
	t.Helper()
	p.save(t, name, p.call(t, "Page.printToPDF", nil))
}

func (p *tab) save(t *testing.T, name string, raw json.RawMessage) {
	t.Helper()
	var r struct{ Data string }
	require.NoError(t, json.Unmarshal(raw, &r))
	data, err := base64.StdEncoding.DecodeString(r.Data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, data, 0o644))
}

func (p *tab) close(t *testing.T) {
	t.Helper()
	p.b.call(t, "", "Target.closeTarget", map[string]any{"targetId": p.target}, nil)
}
