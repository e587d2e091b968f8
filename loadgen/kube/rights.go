package kube

import (
	"context"
	_ "embed" // the Role
	"fmt"
	"strings"
	"sync"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// role is the Role that docs/kube.md has users apply, and the only list of the rights.
//
//go:embed rbac.yaml
var role []byte

// right is one verb of the Role.
type right struct {
	group, resource, verb string
	// use is what it is for, if it is not needed by every run.
	use string
}

// String is the right as kubectl auth can-i has it, for example "create pods/portforward".
func (r right) String() string {
	s := r.verb + " " + r.resource
	if r.group != "" {
		s = r.verb + " " + strings.Replace(r.resource, "/", "."+r.group+"/", 1)
		if !strings.Contains(r.resource, "/") {
			s += "." + r.group
		}
	}
	if r.use != "" {
		s += " (" + r.use + ")"
	}
	return s
}

// The uses of rights that not every run needs.
const (
	useForward = "to reach the pods from outside of the cluster"
	useAttach  = "to ship the worker"
	useExplain = "to explain a start that fails"
)

// rights returns what the Role grants.
func rights() (all []right) {
	var r rbac.Role
	if err := yaml.Unmarshal(role, &r); err != nil {
		panic(err) // the file is part of the program
	}
	uses := map[string]string{"pods/portforward": useForward, "pods/attach": useAttach, "pods/log": useExplain, "events": useExplain}
	for _, rule := range r.Rules {
		for _, verb := range rule.Verbs {
			all = append(all, right{rule.APIGroups[0], rule.Resources[0], verb, uses[rule.Resources[0]]})
		}
	}
	return all
}

// RightsError reports rights that the test has not in the namespace of its pods.
type RightsError struct {
	Namespace string
	// Missing are the rights, for example "create jobs.batch".
	Missing []string
}

// Error names the rights, and how to get them.
func (e *RightsError) Error() string {
	return fmt.Sprintf("no right to %s in namespace %s; apply loadgen/kube/rbac.yaml there and bind it to whoever runs the test",
		strings.Join(e.Missing, ", "), e.Namespace)
}

// needs reports whether a run with these options cannot do without a right.
func (c *client) needs(r right, o Options) bool {
	switch r.use {
	case useForward:
		// A WebSocket is opened by get, and authorized as create, too; SPDY is a post.
		return !c.direct(o) && (r.verb == "create" || !o.SPDY)
	case useAttach:
		return o.Image == "" && (r.verb == "create" || !o.SPDY)
	case useExplain:
		return false
	}
	return true
}

// granted asks the API server for each right. Entries are nil where it cannot say.
func (c *client) granted(ctx context.Context, all []right) (allowed []*bool, err error) {
	allowed = make([]*bool, len(all))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, r := range all {
		wg.Go(func() {
			resource, sub, _ := strings.Cut(r.resource, "/")
			a, err := c.rights.SelfSubjectAccessReviews().Create(ctx, &authorization.SelfSubjectAccessReview{
				Spec: authorization.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorization.ResourceAttributes{
					Namespace: c.namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub,
				}},
			}, meta.CreateOptions{})
			switch {
			case err == nil:
				allowed[i] = &a.Status.Allowed
			case !apierrors.IsForbidden(err): // who may not even ask may have the right all the same
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("ask the cluster for rights: %w", err)
		}
	}
	return allowed, nil
}

// Check fails the test if whoever runs it lacks a right that Pods with these options needs, and
// logs a table of all rights. It creates nothing.
func Check(t testing.TB, how ...Options) {
	t.Helper()
	o, c, err := prepared(how)
	if err != nil {
		t.Errorf("kube.Check: %v", err)
		return
	}
	check(t, o, c)
}

// check is Check with its options resolved.
func check(t testing.TB, o Options, c *client) {
	t.Helper()
	table, err := c.permitted(t.Context(), o)
	if table != "" {
		t.Log(table)
	}
	if err != nil {
		t.Errorf("kube.Check: %v", err)
	}
}

// permitted returns the table of all rights, and a *RightsError if one is missing that a run
// with these options needs.
func (c *client) permitted(ctx context.Context, o Options) (string, error) {
	all := rights()
	allowed, err := c.granted(ctx, all)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rights in namespace %s:\n", c.namespace)
	e := &RightsError{Namespace: c.namespace}
	for i, r := range all {
		state := "yes"
		switch {
		case allowed[i] == nil:
			state = "unknown"
		case !*allowed[i] && c.needs(r, o):
			state = "MISSING"
			plain := r
			plain.use = ""
			e.Missing = append(e.Missing, plain.String())
		case !*allowed[i]:
			state = "no"
		}
		fmt.Fprintf(&b, "  %-8s %s\n", state, r)
	}
	if e.Missing != nil {
		return b.String(), e
	}
	return b.String(), nil
}
