package loadgen

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
)

// What one generator learns of the endpoint holds for all that share a load: two that map words
// to tokens differently would send prompts of different lengths.

// Note: letting one generator ask and all others believe it was tried. Redirects, gateways and
// networks differ from one machine to another, and whether a worker reaches the endpoint at all
// would show in the first probe. So each asks, and takes over afterwards what must be the same.

// Facts returns what Ready has learnt, for Adopt.
func (g *Generator) Facts() share.Facts {
	s := g.server
	f := share.Facts{Model: s.Model, Version: s.Version, Models: s.Models, Context: s.Context, Cold: s.Cold,
		Without: g.fields.without, Completion: g.fields.completion, Hides: g.hides,
		Base: g.cal.base, Slope: g.cal.slope, First: s.First, Token: s.Token, Salt: g.salt}
	for _, note := range s.Notes {
		f.Notes = append(f.Notes, note.Error())
	}
	for _, e := range g.ends {
		f.Bases = append(f.Bases, e.base.String())
	}
	return f
}

// Adopt takes over what the Ready of another generator of the same target has learnt. elsewhere
// says that this one has sent nothing itself, and is not to: it learns also where the endpoints
// are behind redirects, and looks for the pages of their metrics.
func (g *Generator) Adopt(ctx context.Context, f share.Facts, elsewhere bool) {
	g.fields.without, g.fields.completion, g.hides, g.salt = f.Without, f.Completion, f.Hides, f.Salt
	g.cal = calibration{base: f.Base, slope: f.Slope}
	g.server.Model, g.server.First, g.server.Token = f.Model, f.First, f.Token
	if !elsewhere {
		return
	}
	notes := g.server.Notes
	for _, text := range f.Notes {
		if !slices.ContainsFunc(notes, func(e error) bool { return e.Error() == text }) {
			notes = append(notes, errors.New(text))
		}
	}
	g.server = Server{Model: f.Model, Version: f.Version, Models: f.Models, Context: f.Context, Cold: f.Cold,
		First: f.First, Token: f.Token, Notes: notes}
	for i, e := range g.ends {
		if i < len(f.Bases) {
			if base, err := url.Parse(f.Bases[i]); err == nil {
				e.base = base
			}
		}
	}
	g.seek(ctx)
}

// Elapsed returns the time since the making of the generator, which the times of a Request
// count from.
func (g *Generator) Elapsed() time.Duration { return g.now() }
