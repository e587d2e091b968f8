package loadgen

import (
	"fmt"
	"strings"
)

// TargetError reports a Target or Load that cannot be used. Nothing was sent.
type TargetError struct {
	Field   string // the field at fault
	Problem string // what is wrong and what to write instead
}

func (e *TargetError) Error() string { return e.Field + " " + e.Problem }

// UnreachableError reports an endpoint that no connection or no answer was had
// from.
type UnreachableError struct {
	URL string // without credentials
	Err error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("reach endpoint %s: %v; check the URL and that the server runs", e.URL, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// UnauthorizedError reports an endpoint that refuses the credentials.
type UnauthorizedError struct {
	URL    string
	Status int // 401 or 403
	HasKey bool
}

func (e *UnauthorizedError) Error() string {
	what := "it wants an API key and none is set; set AIPERF_API_KEY (Target.APIKey)"
	if e.HasKey {
		what = "it refuses the API key that is set; give another by AIPERF_API_KEY (Target.APIKey)"
	}
	return fmt.Sprintf("endpoint %s answered %d: %s", e.URL, e.Status, what)
}

// UnknownModelError reports a model that the endpoint does not serve, or, with
// Model empty, that there is no single model to choose.
type UnknownModelError struct {
	URL, Model string
	Served     []string // what /v1/models lists; may be empty
}

func (e *UnknownModelError) Error() string {
	served := "it lists no models"
	if len(e.Served) > 0 {
		served = "it serves " + strings.Join(e.Served, ", ")
	}
	if e.Model == "" {
		return fmt.Sprintf("choose a model at endpoint %s: none is named and %s; name one", e.URL, served)
	}
	return fmt.Sprintf("endpoint %s does not serve model %q: %s", e.URL, e.Model, served)
}

// ProtocolError reports an endpoint that answers, but not as an OpenAI API does.
type ProtocolError struct {
	URL     string
	Problem string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("endpoint %s does not answer as an OpenAI API: %s; give the base URL of a server that has /v1/chat/completions or /v1/completions", e.URL, e.Problem)
}
