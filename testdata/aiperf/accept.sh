#!/bin/sh
# Installs AIPerf into a virtual environment, makes a run of each kind against simulated
# servers, and loads every file that they wrote with AIPerf's own code. The table that it
# prints is also written to result.txt beside this script. It needs Go, Python 3.10 or later,
# and a package index, takes about ten minutes, and is not part of CI.
#
#	testdata/aiperf/accept.sh [DIR]
#
# DIR keeps the environment and the runs; without it they go to a temporary folder.
set -eu
cd "$(dirname "$0")/../.."
version=0.13.0
dir=${1:-$(mktemp -d)}
mkdir -p "$dir"
if [ ! -x "$dir/venv/bin/aiperf" ]; then
	python3 -m venv "$dir/venv"
	"$dir/venv/bin/pip" install --quiet "aiperf==$version"
fi
rm -rf "$dir/runs"
go run ./internal/experiments/aiperf "$dir/runs"
status=0
"$dir/venv/bin/python" testdata/aiperf/accept.py "$dir/runs" >"$dir/table.txt" || status=$?
{
	echo "AIPerf $version on the files of this module, $(date -u +%Y-%m-%d)"
	echo
	cat "$dir/table.txt"
} | tee testdata/aiperf/result.txt
exit $status
