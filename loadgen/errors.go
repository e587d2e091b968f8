package loadgen

import (
	"fmt"
	"strings"

	"github.com/aiperf-go/aiperf/loadgen/internal/share"
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
	// Remedy is the way out. If it is empty, the server may not run.
	Remedy string
}

// Error names the endpoint and what the network said.
func (e *UnreachableError) Error() string {
	remedy := e.Remedy
	if remedy == "" {
		remedy = "check the URL and that the server runs"
	}
	return fmt.Sprintf("reach endpoint %s: %v; %s", e.URL, e.Err, remedy)
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
	// Asked is the method and the URL of the request, and Said what the server said. Both
	// may be empty.
	Asked, Said string
	// List says that the list of models was refused, which is not needed if the model is
	// named.
	List bool
}

// Error says whether the key is missing or wrong, and where to set it.
func (e *UnauthorizedError) Error() string {
	text := fmt.Sprintf("endpoint %s answered %d", e.URL, e.Status)
	if e.Asked != "" {
		text += " to " + e.Asked
	}
	if e.Said != "" {
		text += " (" + e.Said + ")"
	}
	return text + ": " + e.remedy()
}

// remedy is the way out.
func (e *UnauthorizedError) remedy() string {
	what := "it requires an API key and none is set; set Target.APIKey"
	if e.HasKey {
		what = "it refuses the API key that is set; set another in Target.APIKey"
	}
	if e.List {
		what += ", or, if only the list is closed, name the model in Target.Model"
	}
	return what
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
	// Problem is what was asked and what the endpoint answered. It may be empty.
	Problem string
}

// mostNames is how many models an error lists.
const mostNames = 20

// Error lists the models that are served, or says what the endpoint answered.
func (e *UnknownModelError) Error() string {
	served := ""
	if n := len(e.Served); n > 0 {
		served = "it serves " + strings.Join(e.Served[:min(n, mostNames)], ", ")
		if n > mostNames {
			served += fmt.Sprintf(" and %d more", n-mostNames)
		}
	}
	if e.Model != "" {
		for _, more := range []string{e.Problem, served} {
			if more != "" {
				served = more
			}
		}
		if e.Problem != "" && len(e.Served) > 0 {
			served += " (" + e.Problem + ")"
		}
		return fmt.Sprintf("endpoint %s does not serve model %q: %s", e.URL, e.Model, served)
	}
	if served == "" {
		served = e.Problem
	}
	return fmt.Sprintf("choose a model at endpoint %s: none is named and %s; %s", e.URL, served, e.remedy())
}

// remedy is the way out.
func (e *UnknownModelError) remedy() string {
	if e.Problem != "" && len(e.Served) == 0 {
		return "name the model in Target.Model, and check that this is the API's base URL"
	}
	return "name the model in Target.Model"
}

// ProtocolError reports an endpoint that answers, but not as the OpenAI API does.
type ProtocolError struct {
	// URL is the endpoint's base URL without credentials.
	URL string
	// Problem is what was asked, and what the endpoint answered.
	Problem string
	// Remedy is the way out. If it is empty, the URL is probably wrong.
	Remedy string
}

// Error says what the endpoint answered and what to do.
func (e *ProtocolError) Error() string {
	if e.Remedy != "" {
		return fmt.Sprintf("endpoint %s cannot be measured: %s; %s", e.URL, e.Problem, e.Remedy)
	}
	return fmt.Sprintf("endpoint %s does not speak the OpenAI API: %s; %s", e.URL, e.Problem, e.remedy())
}

// remedy is the way out.
func (e *ProtocolError) remedy() string {
	if e.Remedy != "" {
		return e.Remedy
	}
	return "use the base URL of a server that has /v1/chat/completions or /v1/completions"
}

// unreachableBy reports an endpoint that some of n workers cannot reach. Of one worker it is
// what that says.
func unreachableBy(url string, err error, workers []string, n int) error {
	if n == 1 {
		return &UnreachableError{URL: url, Err: err}
	}
	text, remedy := share.CannotReach(workers, n)
	return &UnreachableError{URL: url, Err: fmt.Errorf("%s: %w", text, err), Remedy: remedy}
}
