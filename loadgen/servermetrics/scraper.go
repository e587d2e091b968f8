package servermetrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// The times and sizes of scraping. A page of a large server has some hundred kilobytes.
const (
	// Every is the time between two samples, between marks.
	Every = time.Second
	// patience is how long a page may take, and pageMost how many bytes it may have.
	patience = time.Second
	pageMost = 8 << 20
	// failuresMost is how often in a row a page may fail before it is asked for only seldom: once
	// at the beginning of a Watch, and then each time that seldom has passed.
	failuresMost = 3
	seldom       = 30 * time.Second
)

// Source is one page of metrics and how to get it.
type Source struct {
	// URL is the page's. Name is the same for people and files, without credentials.
	URL, Name string
	// Transport carries the requests. It must not be one that carries load: a scrape would
	// take a connection of it.
	Transport http.RoundTripper
	// Header and Host are those of the requests.
	Header http.Header
	Host   string

	// failed counts the failures in a row.
	failed int
	// body holds the page while it is read, and is used again: pages are as large as the last.
	body bytes.Buffer
}

// Scraper fetches the pages of some servers. Its Watch must not be called before the last one
// was stopped.
type Scraper struct{ sources []*Source }

// New returns a scraper of these sources.
func New(sources ...*Source) *Scraper { return &Scraper{sources: sources} }

// Names are the names of the sources.
func (s *Scraper) Names() (names []string) {
	for _, source := range s.sources {
		names = append(names, source.Name)
	}
	return names
}

// Fetch asks for a page once. It must not be called twice at a time.
func (s *Source) Fetch(ctx context.Context) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return Page{}, err
	}
	if s.Header != nil {
		req.Header = s.Header.Clone()
	}
	if s.Host != "" {
		req.Host = s.Host
	}
	if u := req.URL.User; u != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4;q=1,*/*;q=0.1")
	resp, err := s.Transport.RoundTrip(req)
	if err != nil {
		return Page{}, err
	}
	defer resp.Body.Close()
	s.body.Reset()
	_, err = s.body.ReadFrom(io.LimitReader(resp.Body, pageMost+1))
	switch {
	case err != nil:
		return Page{}, err
	case resp.StatusCode != http.StatusOK:
		return Page{}, fmt.Errorf("GET %s answered %d", s.Name, resp.StatusCode)
	case s.body.Len() > pageMost:
		return Page{}, fmt.Errorf("GET %s answered more than %d MiB", s.Name, pageMost>>20)
	}
	return Parse(s.body.Bytes())
}

// A Watch takes samples until it is stopped: at once, then one each second, and one at each
// mark. All goroutines and all waiting of the package are here; each source has a goroutine
// of its own, so that none waits for another.
type Watch struct {
	now   func() time.Duration
	marks []chan struct{} // of each source, with a capacity of 1
	stop  context.CancelFunc
	wg    sync.WaitGroup
	all   []Series
	// stopped says that all is whole.
	stopped bool
}

// Watch begins to take samples. now is the clock of their times.
func (s *Scraper) Watch(now func() time.Duration) *Watch {
	ctx, stop := context.WithCancel(context.Background())
	w := &Watch{now: now, stop: stop, all: make([]Series, len(s.sources))}
	for i, source := range s.sources {
		w.all[i].Name = source.Name
		marks := make(chan struct{}, 1)
		w.marks = append(w.marks, marks)
		w.wg.Go(func() { w.follow(ctx, source, marks, &w.all[i]) })
	}
	return w
}

// Mark asks for a sample now, as at the opening of a window. It does not wait, and may be
// called from anywhere.
func (w *Watch) Mark() {
	for _, marks := range w.marks {
		select {
		case marks <- struct{}{}:
		default: // one is asked for, or nobody sees it
		}
	}
}

// Stop takes one last sample, for which it waits a second at most, and returns all of them, a
// series for each source. Another call returns the same.
func (w *Watch) Stop() []Series {
	w.stop()
	w.wg.Wait()
	if !w.stopped {
		w.stopped = true
		for i := range w.all {
			w.all[i].settle()
		}
	}
	return w.all
}

// follow takes the samples of one source.
func (w *Watch) follow(ctx context.Context, source *Source, marks <-chan struct{}, series *Series) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	slow := false
	marked := true
	for last := false; ; {
		w.sample(source, series, marked || last)
		if last {
			return
		}
		if gone := source.failed >= failuresMost; gone != slow {
			pause := Every
			if slow = gone; slow {
				pause = seldom
			}
			tick.Reset(pause)
		}
		asked := marks
		if slow { // it is not asked for at marks
			asked = nil
		}
		marked = false
		select {
		case <-asked:
			marked = true
		case <-tick.C:
		case <-ctx.Done():
			if slow {
				return
			}
		}
		last = ctx.Err() != nil // whatever woke it
	}
}

// sample takes one sample, which a mark may have asked for. Its time is the middle of the
// request's: a server writes its page at some time in between.
//
// It does not end with the Watch: the last sample of a window is taken when that is over.
func (w *Watch) sample(source *Source, series *Series, marked bool) {
	sent := w.now()
	page, err := source.Fetch(context.Background())
	got := w.now()
	series.Took += got - sent
	if err == nil && page.Empty() {
		err = errEmpty
	}
	if err != nil {
		source.failed++
		series.Failed++
		series.Err = err
		return
	}
	source.failed = 0
	series.add(Sample{At: sent + (got-sent)/2, Page: page, marked: marked})
}

// errEmpty is the error of a page that has lost its metrics.
var errEmpty = errors.New("the page has no metrics of an inference server")
