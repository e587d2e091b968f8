package aiperftest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stretchr/testify/suite"

	"github.com/aiperf-go/aiperf/aiperftest"
	"github.com/aiperf-go/aiperf/loadgen/simserver"
	"github.com/aiperf-go/aiperf/recipes"
)

// serving is a testify suite against one endpoint.
type serving struct {
	suite.Suite
	server *simserver.Server
}

func (s *serving) SetupSuite()    { s.server = simserver.New(simserver.Model{Step: 4 * time.Millisecond}) }
func (s *serving) TearDownSuite() { s.server.Close() }

func (s *serving) TestFixed() {
	out := aiperftest.Run(s.T(), recipes.Fixed(2), aiperftest.Endpoint(s.server.URL),
		aiperftest.Tokens(8, 8), aiperftest.Requests(40), aiperftest.ReportOnly(),
		aiperftest.SLA("e2e p50 < 10s")) // against which a late client is early enough
	s.Require().Len(out.Probes, 1)
	s.Positive(out.Probes[0].Requests())
}

// TestTestify: T is what require takes, and a suite's T is a T.
func TestTestify(t *testing.T) {
	alone(t)
	f := run(t, "TestRequire", func(t aiperftest.T) {
		require.Equal(t, 1, 2)
		t.Logf("%s", "not reached")
	})
	require.True(t, f.failed)
	require.Empty(t, f.logs)
	suite.Run(t, new(serving))
}
