package recipes

import (
	"cmp"
	"regexp"

	"github.com/aiperf-go/aiperf/loadgen"
	"github.com/aiperf-go/aiperf/recipes/plan"
)

// fits checks, once the server is known and before any load, that the prompts and answers
// of every point fit into the model's context. A server that has not said how long that is
// refuses nothing here.
func (r *run) fits() error {
	o := r.out
	if o.Server.Context == 0 {
		return nil
	}
	points := r.problem.List
	if points == nil { // a search varies neither length
		points = [][]float64{nil}
	}
	for _, at := range points {
		l := o.Spec.Workload
		if at != nil {
			l = o.Spec.load(o.Plan, plan.Step{At: at})
		}
		// Laws of lengths are judged by what they draw and not by their bounds, which few
		// requests come near on both sides at once.
		isl, osl := l.Largest()
		if o.Spec.Target.Prompts != "" {
			isl = 1 // their lengths are not known
		}
		if isl+osl > o.Server.Context {
			inputs := r.lengths()
			return inputError(inputs, "cannot send prompts of %d tokens with answers of %d: "+
				"the context of model %s holds %d tokens in all, as the server's list of models says; give shorter lengths with %s",
				isl, osl, o.Server.Model, o.Server.Context, inputs)
		}
	}
	return nil
}

// lengths lists the inputs that set the lengths of prompts and answers.
func (r *run) lengths() (inputs []Input) {
	of := map[string]Input{PathISL: inputISL, PathOSL: inputOSL}
	for _, path := range r.out.Plan.Paths() {
		if in, ok := of[path]; ok {
			inputs = append(inputs, in)
		}
	}
	if r.out.Recipe.uses(inputPairs) {
		return []Input{inputPairs}
	}
	if len(inputs) < 2 && !r.out.Spec.Workload.Workload.IsZero() {
		inputs = append(inputs, inputWorkload)
	} else if len(inputs) < 2 {
		inputs = append(inputs, inputTokens)
	}
	return inputs
}

// tooLong finds what servers say of a request that does not fit into the model's context.
var tooLong = regexp.MustCompile(
	`(?i)context (length|size|window)|maximum .*(length|tokens)|too (long|large|many tokens)|max_model_len|exceed`)

// misfit returns the warning of a probe of which every request was refused because of its
// length, in the server's words. It is nil if that is not so.
func (r *run) misfit(p *Probe) error {
	if p.Observed.State != plan.Failed {
		return nil
	}
	for _, m := range p.Trials {
		for _, f := range m.Failures {
			refused := f.Status == 400 || f.Status == 413 || f.Status == 422
			if !refused || f.Count < p.Requests() || !tooLong.MatchString(f.Message) {
				continue
			}
			if !p.Load.Workload.IsZero() {
				return &misfitError{inputError(r.lengths(), "no request of %s was accepted: the server says %q; give shorter lengths with %s",
					p.Load.Lengths(), f.Message, r.lengths())}
			}
			return &misfitError{inputError(r.lengths(), "no request with a prompt of %d tokens and an answer of %d was accepted: "+
				"the server says %q; give shorter lengths with %s",
				cmp.Or(p.Load.ISL, loadgen.DefaultISL), cmp.Or(p.Load.OSL, loadgen.DefaultOSL), f.Message, r.lengths())}
		}
	}
	return nil
}

// misfitError is an InputError that came to light by measuring.
type misfitError struct{ *InputError }

// Unwrap returns the InputError.
func (e *misfitError) Unwrap() error { return e.InputError }
