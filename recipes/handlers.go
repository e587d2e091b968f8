package recipes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Handler derives a result from a finished sweep. It returns what is encoded as
// the JSON object of PostProcess.File. A handler that fails, or panics, spoils
// nothing: the run warns, and the error is kept in post_process_errors.json.
type Handler func(sweep *Aggregate, params map[string]any) (any, error)

// The handlers that AIPerf has.
const (
	handlerKnee   = "degradation_knee_detect"
	handlerTTFT   = "ttft_curve_fit"
	handlerITL    = "itl_surface_fit"
	handlerPareto = "pareto_sweep_export"
	handlerBreach = "sla_breach_knee"
)

// handlerStats are the statistics that AIPerf's handlers accept.
var handlerStats = []string{"avg", "p50", "p90", "p95", "p99"}

var handlers = struct {
	sync.RWMutex
	byName map[string]Handler
}{byName: map[string]Handler{
	handlerKnee:   findKnee,
	handlerTTFT:   fitTTFT,
	handlerITL:    surfaceITL,
	handlerPareto: exportPareto,
	handlerBreach: findBreach,
}}

// RegisterHandler makes a post-process handler known by name, for the plans of
// recipes. A name that is empty or taken is an error.
func RegisterHandler(name string, h Handler) error {
	handlers.Lock()
	defer handlers.Unlock()
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("register post-process handler: the name is empty")
	case h == nil:
		return fmt.Errorf("register post-process handler %q: it is nil", name)
	case handlers.byName[name] != nil:
		return fmt.Errorf("register post-process handler %q: the name is taken; choose another", name)
	}
	handlers.byName[name] = h
	return nil
}

func lookupHandler(name string) (Handler, error) {
	handlers.RLock()
	defer handlers.RUnlock()
	if h := handlers.byName[name]; h != nil {
		return h, nil
	}
	known := slices.Sorted(maps.Keys(handlers.byName))
	return nil, fmt.Errorf("post-process handler %q is unknown%s; known are %s", name, didYouMean(name, known), list(known))
}

// validate checks a post-process before any traffic.
func (p *PostProcess) validate() error {
	if p == nil {
		return nil
	}
	if p.File == "" || p.File != filepath.Base(p.File) || p.File[0] == '.' || p.File == errorsFile {
		return fmt.Errorf("cannot write its derived result to %q: give a plain file name", p.File)
	}
	_, err := lookupHandler(p.Handler)
	return err
}

// run derives the result. Nothing a handler does gets past it.
func (p *PostProcess) run(a *Aggregate) (raw json.RawMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	h, err := lookupHandler(p.Handler)
	if err != nil {
		return nil, err
	}
	result, err := h(a, maps.Clone(p.Params))
	if err != nil {
		return nil, err
	}
	raw, err = json.Marshal(result)
	if err == nil && (len(raw) == 0 || raw[0] != '{') {
		err = fmt.Errorf("its result is no JSON object: %.40s", raw)
	}
	return raw, err
}

// errorsFile is where failures of handlers are kept.
const errorsFile = "post_process_errors.json"

// derive runs the plan's post-process on what was measured.
func (o *Outcome) derive() {
	post := o.Plan.Post
	if post == nil || len(o.Probes) == 0 {
		return
	}
	o.Derived = map[string]json.RawMessage{}
	raw, err := post.run(o.Aggregate())
	if err == nil {
		o.Derived[post.File] = raw
		return
	}
	o.Warnings = append(o.Warnings, fmt.Errorf("%s was not derived: %w", post.File, err))
	kept, _ := json.Marshal([]map[string]string{{"handler": post.Handler, "output_filename": post.File, "error": err.Error()}})
	o.Derived[errorsFile] = kept
}

// params reads a handler's parameters into a struct of pointers; those without
// a pointer's target afterwards were not given.
func params(handler string, from map[string]any, into any) error {
	raw, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		return fmt.Errorf("%s: read params: %w", handler, err)
	}
	return nil
}

// text returns a required parameter.
func text(handler string, from map[string]any, key string) (string, error) {
	s, ok := from[key].(string)
	if !ok || s == "" {
		return "", fmt.Errorf("%s: params need %q, a text", handler, key)
	}
	return s, nil
}

// statistic returns a required parameter that names one of handlerStats.
func statistic(handler string, from map[string]any, key string) (string, error) {
	s, err := text(handler, from, key)
	if err == nil && !slices.Contains(handlerStats, s) {
		err = fmt.Errorf("%s: %s %q is no statistic of a sweep; use %s", handler, key, s, list(handlerStats))
	}
	return s, err
}

// texts reads several required parameters.
func texts(handler string, from map[string]any, into map[string]*string) error {
	for _, key := range slices.Sorted(maps.Keys(into)) {
		read := text
		if key == "stat" || strings.HasSuffix(key, "_stat") {
			read = statistic
		}
		s, err := read(handler, from, key)
		if err != nil {
			return err
		}
		*into[key] = s
	}
	return nil
}

// object is a JSON object whose keys keep their order and may be computed.
type object []field

type field struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			out = append(out, ',')
		}
		key, err := json.Marshal(f.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}'), nil
}

// num is a number in a derived file. JSON has no NaN and no infinity: both are
// null there, and NaN when read back.
type num float64

func (n num) MarshalJSON() ([]byte, error) {
	if !finite(float64(n)) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

func (n *num) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = num(nan)
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}
