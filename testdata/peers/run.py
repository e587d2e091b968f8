"""Measure one server with AIPerf, GuideLLM and this module, and write the table: see README.md."""
import argparse, contextlib, datetime, json, os, pathlib, platform, shutil, signal, statistics, subprocess, sys, tempfile, threading, time, urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VERSIONS = {"aiperf": "0.13.0", "guidellm": "0.8.1"}
TITLES = {"ours": "ours", "aiperf": f"AIPerf {VERSIONS['aiperf']}", "guidellm": f"GuideLLM {VERSIONS['guidellm']}"}


def say(*words):
    print(datetime.datetime.now().strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def install(work, python):
    """Build what is measured; what is there already is kept."""
    (work / "bin").mkdir(parents=True, exist_ok=True)
    go = os.environ.get("GO", "go")
    subprocess.run([go, "build", "-o", work / "bin/server", "./testdata/peers/server"], cwd=ROOT, check=True)
    subprocess.run([go, "test", "-c", "-o", work / "bin/ours", "./testdata/peers/ours"], cwd=ROOT, check=True)
    for name, version in VERSIONS.items():
        if not (work / name / "bin" / name).exists():
            say("installing", name, version)
            subprocess.run([python, "-m", "venv", work / name], check=True)
            subprocess.run([work / name / "bin/pip", "install", "-q", "--disable-pip-version-check", f"{name}=={version}"], check=True)
    if not (work / "tokenizer/config.json").exists():
        subprocess.run([work / "aiperf/bin/python", HERE / "tokenizer.py", work / "tokenizer"], check=True)


@contextlib.contextmanager
def served(work, *flags):
    """A server of its own: its URL, and the lines it prints after it."""
    p = subprocess.Popen([work / "bin/server", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield p.stdout.readline().strip(), p.stdout
    finally:
        p.stdin.close()
        p.wait()


def timed(command, log, limit, **env):
    """Run a command; return its wall time, the CPU time of it and its children, and their largest memory."""
    begun = time.monotonic()
    with open(log, "w") as f:
        p = subprocess.Popen([str(c) for c in command], stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             cwd=pathlib.Path(log).parent, env=os.environ | env, start_new_session=True)
        late = threading.Timer(limit, os.killpg, (p.pid, signal.SIGKILL))
        late.start()
        try:
            _, status, used = os.wait4(p.pid, 0)
        except BaseException:
            os.killpg(p.pid, signal.SIGKILL)
            raise
        finally:
            late.cancel()
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"{pathlib.Path(command[0]).name} ended with {p.returncode}:\n" + "\n".join(pathlib.Path(log).read_text().splitlines()[-30:]))
    return {"wall": time.monotonic() - begun, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024}


def fixed(tool, work, url, out, concurrency, requests, isl, osl):
    """Load url with a fixed concurrency; return what it cost and what the tool reports, times in milliseconds."""
    if tool == "ours":
        command = [work / "bin/ours", "-test.run=TestFixed$", "-test.v", f"-isl={isl}", f"-osl={osl}",
                   f"-requests={requests}", f"-concurrency={concurrency}", f"-out={out}"]
    elif tool == "aiperf":
        command = [*aiperf(work, url, out), "--concurrency", concurrency, "--request-count", requests, "--isl", isl, "--osl", osl]
    else:
        command = [work / "guidellm/bin/guidellm", "run", "--backend", f"kind=openai_http,target={url},model=measured",
                   "--profile", f"kind=concurrent,streams={concurrency}", "--constraint", f"kind=max_requests,count={requests}",
                   "--tokenizer", f"kind=huggingface_auto,model={work / 'tokenizer'}",
                   "--data", f"kind=synthetic_text,prompt_tokens={isl},output_tokens={osl}",
                   "--output", f"kind=json,path={out}.json", "--disable-progress"]
    got = timed(command, f"{out}.log", 600, AIPERF_URL=url)
    if tool == "guidellm":
        m = json.loads(pathlib.Path(f"{out}.json").read_text())["benchmarks"][0]["metrics"]
        got["ttft"] = m["time_to_first_token_ms"]["successful"]["percentiles"]
        got["chunk"] = {}  # it keeps no times of single chunks, only each request's mean
        return got
    m = json.loads(next(pathlib.Path(out).rglob("profile_export_aiperf.json")).read_text())
    got["ttft"], got["chunk"] = m["time_to_first_token"], m["inter_chunk_latency"]
    return got


def aiperf(work, url, out):
    return [work / "aiperf/bin/aiperf", "profile", "--model", "measured", "--url", url, "--endpoint-type", "chat", "--streaming",
            "--tokenizer", work / "tokenizer", "--ui", "none", "--no-gpu-telemetry", "--artifact-dir", out]


def compare(work, a):
    """Rounds of the three in turn, a fresh server each; the median round of each figure."""
    figures = {}
    for n in range(a.rounds):
        for tool in TITLES:
            for what, c, r, osl in (("start", 1, 2, 2), ("load", a.concurrency, a.requests, a.osl)):
                with served(work) as (url, _):
                    got = fixed(tool, work, url, work / "runs" / f"{tool}-{what}-{n}", c, r, a.isl, osl)
                    got["server"] = json.load(urllib.request.urlopen(url + "/account"))
                say(tool, what, f"round {n + 1}: {got['wall']:.1f} s, {got['cpu']:.1f} CPU-s, TTFT p95 {got['ttft']['p95']:.1f} ms")
                figures.setdefault((tool, what), []).append(got)

    def median(tool, what, *path):
        try:
            return statistics.median(at(g, path) for g in figures[tool, what])
        except KeyError:
            return None
    rows = [(f"TTFT {p}, ms", "load", "ttft", p) for p in ("p50", "p95", "p99")]
    rows += [("– p95 as the server sent it, ms", "load", "server", "ttft", "p95")]
    rows += [("inter-chunk p99, ms", "load", "chunk", "p99"), ("– p99 as the server sent it, ms", "load", "server", "chunk", "p99")]
    rows += [("CPU, s", "load", "cpu"), ("wall time, s", "load", "wall"), ("memory of the largest process, MB", "load", "rss"), ("requests sent", "load", "server", "requests")]
    rows += [("CPU of 2 requests of 2 tokens, s", "start", "cpu"), ("wall time of 2 requests of 2 tokens, s", "start", "wall")]
    return table(["", *TITLES.values(), "AIPerf ÷ ours", "GuideLLM ÷ ours"],
                 [[name, *(text(v[t]) for t in TITLES), *(ratio(v[t], v["ours"]) for t in ("aiperf", "guidellm"))]
                  for name, *path in rows for v in [{t: median(t, *path) for t in TITLES}]])


def at(value, path):
    for key in path:
        value = value[key]
    return value


def search(work, a):
    """One search of each tool and style; the simulated server says what is true."""
    rows, truth = [], ""
    for tool, style in [("ours", s) for s in ("sequential", "smooth_isotonic", "monotonic")] + [("aiperf", s) for s in a.search.split(",")]:
        out = work / "runs" / f"search-{tool}-{style}"
        with served(work, "-engine", f"-limit={a.limit}ms", "-osl=16") as (url, more):
            truth = more.readline().strip()
            if tool == "ours":
                command = [work / "bin/ours", "-test.run=TestSearch$", "-test.v", f"-isl={a.isl}", "-osl=16", f"-requests={a.search_requests}",
                           f"-concurrency={a.most}", f"-limit={a.limit}ms", f"-style={style}", f"-out={out}"]
            else:
                command = [*aiperf(work, url, out), "--search-recipe", "max-concurrency-under-sla", "--search-style", style, "--ttft-sla-ms", a.limit,
                           "--concurrency-min", 1, "--concurrency-max", a.most, "--request-count", a.search_requests, "--isl", a.isl, "--osl", 16]
            got = timed(command, f"{out}.log", 3600, AIPERF_URL=url)
        h = json.loads(next(pathlib.Path(out).rglob("search_history.json")).read_text())
        answer = ((h.get("boundary_summary") or {}).get("feasible_max") or {}).get("value")
        say(tool, style, f"{got['wall']:.0f} s, {got['cpu']:.0f} CPU-s, answer {answer}, truth {truth}")
        rows.append([TITLES[tool], style, text(answer), truth, str(len(h["iterations"])), text(got["wall"]), text(got["cpu"]), h["convergence_reason"] or "–"])
    return f"TTFT p95 < {a.limit} ms, 16 tokens, concurrency 1 to {a.most}, {a.search_requests} requests a probe; the truth is computed from the simulated server's engine.\n\n" + \
        table(["", "style", "answer", "truth", "probes", "wall time, s", "CPU, s", "ended"], rows)


def table(head, rows):
    return "\n".join("| " + " | ".join(r) + " |" for r in [head, ["---"] * len(head), *rows]) + "\n"


def text(v):
    return "–" if v is None else f"{v:.0f}" if v >= 100 or v == int(v) else f"{v:.1f}"


def ratio(v, base):
    return f"{v / base:.1f}" if v is not None and base else "–"


def machine():
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        cpu = next((l.split(":", 1)[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), cpu)
    return f"{cpu}, {os.cpu_count()} cores"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--requests", type=int, default=768)
    p.add_argument("--concurrency", type=int, default=128)
    p.add_argument("--isl", type=int, default=64)
    p.add_argument("--osl", type=int, default=64)
    p.add_argument("--rounds", type=int, default=3, help="of which the median is reported")
    p.add_argument("--search", default="", help="also search, AIPerf in these styles, as monotonic,smooth_isotonic")
    p.add_argument("--limit", type=int, default=30, help="of a search: TTFT p95, ms")
    p.add_argument("--most", type=int, default=200, help="of a search: the highest concurrency")
    p.add_argument("--search-requests", type=int, default=300)
    p.add_argument("--work", help="folder of the installed peers and the runs, kept; default: a temporary one, removed")
    p.add_argument("--python", default=sys.executable, help="interpreter for the peers' environments, 3.11 to 3.13")
    p.add_argument("--out", default=HERE / "RESULT.md")
    a = p.parse_args()
    load1 = os.getloadavg()[0]  # before the installation, which is a load itself
    work = pathlib.Path(a.work or tempfile.mkdtemp()).resolve()
    try:
        install(work, a.python)
        go = subprocess.run([os.environ.get("GO", "go"), "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
        runs = work / "runs"
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir()
        python = subprocess.run([work / "aiperf/bin/python", "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True).stdout.strip()
        parts = [f"# Beside AIPerf and GuideLLM\n\n{datetime.date.today()}, {machine()}, {platform.system()}, {go}, Python {python}. Written by run.py; README.md says what the rows are.\n"]
        if load1 > 0.5 * os.cpu_count():
            parts.append(f"The machine was busy (load average {load1:.1f} at the start): to be repeated on a quiet one, and not to be quoted.\n")
        rounds = "one round" if a.rounds == 1 else f"the median of {a.rounds} rounds"
        parts.append(f"## One load\n\nA token every 20 ms to each stream; concurrency {a.concurrency}, {a.requests} requests, {a.isl} prompt tokens, {a.osl} tokens an answer; {rounds}.\n\n" + compare(work, a))
        pathlib.Path(a.out).write_text("\n".join(parts))  # a search that fails does not lose it
        if a.search:
            parts.append("## One search\n\n" + search(work, a))
            pathlib.Path(a.out).write_text("\n".join(parts))
        print("\n".join(parts))
    finally:
        if not a.work:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
