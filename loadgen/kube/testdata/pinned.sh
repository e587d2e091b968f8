#!/usr/bin/env bash
# Shows what a user of aiperftest gets of Kubernetes: two modules that require this one, of which the
# second has an older client-go than loadgen/kube. It asks the module proxy for that.
set -euo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
older=${1:-v0.36.2}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

user() { # DIR CLIENT-GO: makes a module with one test, tidy
	mkdir "$1" && cd "$1"
	go mod init example.com/user 2>/dev/null
	go mod edit -require=github.com/aiperf-go/aiperf@v0.0.0 -replace="github.com/aiperf-go/aiperf=$root"
	printf 'package user\n\nimport _ "github.com/aiperf-go/aiperf/aiperftest"\n' >user.go
	if [ -n "$2" ]; then
		go mod edit -require="k8s.io/client-go@$2"
		printf 'package user\n\nimport _ "k8s.io/client-go/rest"\n' >pinned.go
	fi
	go mod tidy 2>/dev/null
}

user "$dir/plain" ""
printf 'without client-go: %d lines of go.sum, %d of Kubernetes\n' "$(wc -l <go.sum)" "$(grep -c k8s.io go.sum || true)"
! grep -q k8s.io go.sum

user "$dir/pinned" "$older"
printf 'with client-go %s: %s\n' "$older" "$(go list -m k8s.io/client-go)"
[ "$(go list -m -f '{{.Version}}' k8s.io/client-go)" = "$older" ]
