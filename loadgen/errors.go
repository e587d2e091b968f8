package loadgen

import (
	"fmt"
	"strings"
)

// TargetError reports a Target or a Load that cannot be used. Nothing was sent.
type TargetError struct {
	// Field is the field at fault, for example URL, Prompts or Load.Rate.
	Field string
	// Problem says what is wrong and what to write instead. It continues a
	// sentence that begins with the field.
	Problem string
}

// Error returns the field and the problem as one sentence.
func (e *TargetError) Error() string { return e.Field + " " + e.Problem }

// UnreachableError reports an endpoint to which no connection could be made, or
// which gave no answer.
type UnreachableError struct {
	// URL is the endpoint's base URL without credentials.
	URL string
	// Err is what the network said.
	Err error
}

// Error names the endpoint and what the network said.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("reach endpoint %s: %v; check the URL and that the server runs", e.URL, e.Err)
}

// Unwrap returns Err.
func (e *UnreachableError) Unwrap() error { return e.Err }

// UnauthorizedError reports an endpoint that refuses the credentials.
type UnauthorizedError struct {
	// URL is the endpoint's base URL without credentials.
	URL string
	// Status is 401 or 403.
	Status int
	// HasKey says that Target.APIKey was set, so that the key is wrong and not
	// missing.
	HasKey bool
}

// Error says whether the key is missing or wrong, and where to set it.
func (e *UnauthorizedError) Error() string {
	what := "it requires an API key and none is set; set Target.APIKey"
	if e.HasKey {
		what = "it refuses the API key that is set; set another in Target.APIKey"
	}
	return fmt.Sprintf("endpoint %s answered %d: %s", e.URL, e.Status, what)
}

// UnknownModelError reports a model that the endpoint does not serve. If Model is
// empty, it reports that no model is named and that there is not exactly one to
// choose.
type UnknownModelError struct {
	// URL is the endpoint's base URL without credentials.
	URL string
	// Model is Target.Model.
	Model string
	// Served is what /v1/models lists. It may be empty.
	Served []string
}

// Error lists the models that are served.
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

// ProtocolError reports an endpoint that answers, but does not speak the OpenAI API.
type ProtocolError struct {
	// URL is the endpoint's base URL without credentials.
	URL string
	// Problem is what the endpoint answered, or why that is wrong.
	Problem string
}

// Error says what the endpoint answered and which URL is needed.
func (e *ProtocolError) Error() string {
	return fmt.Sprintf("endpoint %s does not speak the OpenAI API: %s; "+
		"use the base URL of a server that has /v1/chat/completions or /v1/completions", e.URL, e.Problem)
}
