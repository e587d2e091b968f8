"""Loads every file of the runs below a folder with AIPerf's own code, and prints a table.

    python accept.py DIR

internal/experiments/aiperf writes the runs. Each file goes to the reader that AIPerf has for
it: the model that its own exporter writes, the handlers of its recipes, the loader of
`aiperf plot`, or the projection of its operator. Each written command line is parsed by
AIPerf's own command line parser, and must give the load that the file says and that was sent.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import shlex
import sys
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from aiperf.cli_commands.profile import app as profile_app
from aiperf.common.models.dataset_models import InputsFile
from aiperf.common.models.export_models import JsonExportData, JsonMetricResult
from aiperf.common.models.record_models import MetricRecordInfo
from aiperf.common.models.server_metrics_models import ServerMetricsExportData
from aiperf.common.models.telemetry_models import TelemetryRecord
from aiperf.config.flags.resolver import resolve_config
from aiperf.config.loader import build_benchmark_plan
from aiperf.config.rate_series import read_rate_series_json
from aiperf.config.resolution.plan import BenchmarkRun
from aiperf.config.sweep.config import AdaptiveSearchSweep
from aiperf.operator.routers.sweeps import _search_summary_from_doc
from aiperf.operator.runs_index import _load_strategy_sweep_aggregate, _strategy_sweep_rows, _summarize_telemetry
from aiperf.orchestrator.search_planner.multi_tier_models import MultiTierBoundarySummary, TierResult
from aiperf.plot.core.data_loader import DataLoader, DerivedMetricCalculator
from aiperf.plot.core.mode_detector import ModeDetector
from aiperf.search_recipes._itl_surface_fit import ItlSurfaceFit
from aiperf.search_recipes._pareto_sweep_export import ParetoSweepExport
from aiperf.search_recipes._sla_breach_knee import SLABreachKnee
from aiperf.search_recipes._ttft_curve_fit import TTFTCurveFit
from aiperf.search_recipes.post_process import DegradationKneeDetect

CONCURRENCY = "phases.profiling.concurrency"
ISL, OSL = "datasets.main.prompts.isl", "datasets.main.prompts.osl"

# What is no error, with the reason. The script counts how often each is met.
EXCEPTIONS = {
    "list": "AIPerf writes a search_history.json for searches alone; a sweep's has planner \"list\" and no search space",
    "sequential": "style sequential is no planner of AIPerf's; the rest of its configuration is loaded with another name",
    "tiers": "AIPerf's exporter writes config.tiers, and its own model calls the key sla_tiers",
    "aggregate": "`aiperf plot` finds a point's folder below aggregate/ as a second run beside its probe; so it does in its own trees",
    "without": "the command line says at its end what AIPerf has no flags for (laws of lengths, weights, shares of prefixes)",
}


# Comparisons that have a row of their own in the table.
COMPARED = ("cli_command against input_config", "the load that was sent", "GPUs, energy and throughput of a GPU")


class Report:
    """Counts what was loaded by whom, and keeps what went wrong."""

    def __init__(self):
        self.loaded, self.errors, self.met = Counter(), [], Counter()

    def load(self, reader, path, work):
        self.loaded[reader] += 1
        try:
            return work()
        except BaseException as e:  # noqa: BLE001 (a parser may exit)
            self.errors.append((reader, str(path), f"{type(e).__name__}: {e}"))
            return None

    def expect(self, reader, path, got, want, what):
        if reader in COMPARED:
            self.loaded[reader] += 1
        if got != want:
            self.errors.append((reader, str(path), f"{what}: {got!r} instead of {want!r}"))

    def excuse(self, name):
        self.met[name] += 1


def parsed(command, cwd):
    """The benchmark that a command line asks AIPerf for, as its parser has it."""
    words = shlex.split(command, comments=True)
    assert words[:2] == ["aiperf", "profile"], words[:2]
    was = os.getcwd()
    os.chdir(cwd)  # files are named relative to the folder of the run
    try:
        bound = profile_app.parse_args(words[2:], print_error=False, exit_on_error=False)[1]
        config = resolve_config(bound.arguments["cli_config"], None)
        build_benchmark_plan(config)
    finally:
        os.chdir(was)
    return config.benchmark, config.random_seed


def load_of(benchmark):
    """What of a benchmark decides which load is sent."""
    d = benchmark.model_dump(mode="json")
    phase, dataset, endpoint = d["phases"][0], d["datasets"][0], d["endpoint"]
    return {
        "phases": len(d["phases"]),
        "phase": {k: phase.get(k) for k in (
            "type", "requests", "duration", "grace_period", "concurrency", "rate", "smoothness", "rate_series")},
        "dataset": {k: dataset.get(k) for k in (
            "type", "path", "format", "sampling", "prompts", "prefix_prompts", "images", "osl", "synthesis", "random_seed")},
        "models": [m["name"] for m in d["models"]["items"]],
        "endpoint": {k: endpoint[k] for k in (
            "urls", "type", "streaming", "extra", "use_legacy_max_tokens", "use_server_token_count", "timeout")},
        "slos": d["slos"] or {},
    }


def sent(r, path, load, asked):
    """Holds what AIPerf is asked for against the load that was sent."""
    phase, dataset = asked["phase"], asked["dataset"]
    w = load["Workload"]
    process, _, shape = (load["Arrival"] or "constant").partition(":")
    want = {"type": "concurrency", "concurrency": load["Concurrency"]}
    if w.get("replay"):
        want = {"type": "fixed_schedule"}
    elif w.get("stages"):
        want = {"type": process, "duration": sum(s["over"] for s in w["stages"]) / 1e9}
    elif load["Rate"]:
        want = {"type": process, "rate": load["Rate"], "concurrency": load["MostInFlight"] or None}
    if process == "gamma" and load["Rate"]:
        want["smoothness"] = float(shape or 0.5)
    if not w.get("stages"):
        want["requests"] = load["Requests"]
    for k, v in want.items():
        r.expect("the load that was sent", path, phase[k], v, k)
    if dataset["type"] == "synthetic" and not (w.keys() & {"isl", "osl", "mix", "prefixes", "system"}):
        for k in ("isl", "osl"):
            r.expect("the load that was sent", path, dataset["prompts"][k]["mean"], load[k.upper()], k)
    r.expect("the load that was sent", path, asked["slos"], load["SLO"] or {}, "slos")
    for k, v in (load["Body"] or {}).items():
        r.expect("the load that was sent", path, asked["endpoint"]["extra"].get(k), v, k)


def probe(r, run, folder, loads):
    """The files of one trial."""
    path = folder / "profile_export_aiperf.json"
    doc = json.loads(path.read_text())
    export = r.load("JsonExportData (profile_export_aiperf.json)", path, lambda: JsonExportData.model_validate(doc))
    metrics = r.load("JsonMetricResult (its metrics)", path, lambda: JsonMetricResult.project_summary_dict(doc))
    if export and metrics:
        r.expect("JsonMetricResult (its metrics)", path, "request_throughput" in metrics, True, "request_throughput")
    config = json.loads((folder / "run_config.json").read_text())
    benchmark = r.load("BenchmarkRun (run_config.json)", folder / "run_config.json", lambda: BenchmarkRun.model_validate(config))
    lines = (folder / "profile_export.jsonl").read_text().splitlines()
    for line in lines:
        r.load("MetricRecordInfo (a line of profile_export.jsonl)", folder / "profile_export.jsonl",
               lambda: MetricRecordInfo.model_validate_json(line))
    r.load("InputsFile (inputs.json)", folder / "inputs.json", lambda: InputsFile.model_validate_json((folder / "inputs.json").read_text()))
    if (folder / "rate_series.json").exists():
        r.load("read_rate_series_json (rate_series.json)", folder, lambda: read_rate_series_json(str(folder / "rate_series.json")))
    telemetry(r, folder, doc, export)
    with (folder / "profile_export_aiperf.csv").open() as f:
        r.load("csv (profile_export_aiperf.csv)", folder, lambda: list(csv.reader(f)))
    command = config["cli_command"]
    got = r.load("the parser of `aiperf profile` (cli_command)", folder, lambda: parsed(command, run))
    if not got or not benchmark:
        return
    asked, says = load_of(got[0]), load_of(benchmark.cfg)
    for part in asked:
        r.expect("cli_command against input_config", folder, asked[part], says[part], part)
    load = loads[config["variation"]["index"]][config["trial"]]
    r.expect("the load that was sent", folder, got[1], load["Seed"], "seed")
    sent(r, folder, load, asked)
    if " # without " in command:
        r.excuse("without")


def telemetry(r, folder, doc, export):
    """The files of what servers and GPUs say, and what is worked out of the latter."""
    path = folder / "server_metrics_export.json"
    if path.exists():
        r.load("ServerMetricsExportData (server_metrics_export.json)", path,
               lambda: ServerMetricsExportData.model_validate_json(path.read_text()))
    path = folder / "gpu_telemetry_export.jsonl"
    r.expect("TelemetryRecord (a line of gpu_telemetry_export.jsonl)", folder, path.exists(), "telemetry_data" in doc, "a file")
    if not path.exists():
        return
    records = [r.load("TelemetryRecord (a line of gpu_telemetry_export.jsonl)", path, lambda: TelemetryRecord.model_validate_json(line))
               for line in path.read_text().splitlines()]
    compared, gpus = COMPARED[2], len({(x.hostname, x.gpu_index) for x in records if x})
    r.expect(compared, path, _summarize_telemetry(doc["telemetry_data"]), (gpus, "simulated"), "the operator's count of GPUs")
    r.expect(compared, path, doc["gpu_count"]["avg"], gpus, "gpu_count")
    parts = [m for e in export.telemetry_data.endpoints.values() for g in e.gpus.values() for k, m in g.metrics.items()
             if k == "nvidia_energy_consumption"]
    r.expect(compared, path, round(1e6 * sum(m.avg for m in parts), 3), round(doc["nvidia_total_gpu_energy"]["avg"], 3), "energy of the GPUs")
    watts = doc["nvidia_average_gpu_power"]["avg"]
    r.expect(compared, path, round(doc["nvidia_energy_per_output_token"]["avg"], 6),
             round(1000 * watts / doc["output_token_throughput"]["avg"], 6), "energy of an output token")
    r.expect(compared, path, round(doc["energy_per_output_token"]["avg"] * 1000, 6),
             round(doc["nvidia_energy_per_output_token"]["avg"], 6), "energy of an output token, twice")
    derived = DerivedMetricCalculator.per_gpu_throughput({"metrics": {"output_token_throughput": doc["output_token_throughput"]}}, gpus)
    r.expect(compared, path, round(derived["avg"], 6), round(doc["output_token_throughput_per_gpu"]["avg"], 6), "throughput of a GPU")


def history(r, path):
    """search_history.json."""
    doc = json.loads(path.read_text())
    r.load("_search_summary_from_doc of the operator (search_history.json)", path, lambda: _search_summary_from_doc(doc))
    config = dict(doc["config"])
    tiers = config.pop("tiers", None)
    if tiers is not None:
        config["sla_tiers"] = tiers
        r.excuse("tiers")
    if config["planner"] == "list":
        r.excuse("list")
    else:
        if config["planner"] == "sequential":
            config["planner"] = "monotonic_sla"
            r.excuse("sequential")
        r.load("AdaptiveSearchSweep (config of search_history.json)", path, lambda: AdaptiveSearchSweep.model_validate(config))
    if "tier_results" in doc:
        for t in doc["tier_results"]:
            r.load("TierResult (tier_results)", path, lambda: TierResult.model_validate(t))
        r.load("MultiTierBoundarySummary (tier_metadata)", path, lambda: MultiTierBoundarySummary.model_validate(
            {"swept_dim_path": doc["boundary_summary"]["swept_dim_path"], "tiers": doc["tier_results"], **doc["tier_metadata"]}))


def sweep(r, run):
    """What a finished run has below sweep_aggregate."""
    folder = run / "sweep_aggregate"
    path = folder / "profile_export_aiperf_sweep.json"
    doc = json.loads(path.read_text())
    rows = r.load("_strategy_sweep_rows of the operator (profile_export_aiperf_sweep.json)", path,
                  lambda: _strategy_sweep_rows(_load_strategy_sweep_aggregate(run)))
    r.expect("_strategy_sweep_rows of the operator (profile_export_aiperf_sweep.json)", path,
             len(rows or []), len(doc["per_combination_metrics"]), "rows")
    with (folder / "profile_export_aiperf_sweep.csv").open() as f:
        r.load("csv (profile_export_aiperf_sweep.csv)", path, lambda: list(csv.reader(f)))
    handlers = {
        "degradation_knee.json": (DegradationKneeDetect, lambda d: {
            "threshold_pct": d["threshold_pct"], "metric_tag": d["swept_metric"], "stat": d["stat"], "swept_param": d["swept_param"]}),
        "prefill_curve.json": (TTFTCurveFit, lambda d: {
            "metric_tag": d["swept_metric"], "stat": d["stat"], "swept_param": d["swept_param"]}),
        "decode_itl_surface.json": (ItlSurfaceFit, lambda d: {
            "metric_tag": d["swept_metric"], "stat": d["stat"], "concurrency_param": d["swept_params"][0], "osl_param": d["swept_params"][1]}),
        "sla_breach.json": (SLABreachKnee, lambda d: {"sla_filters": d["filters"], "swept_param": d["swept_param"]}),
        "pareto_sweep.json": (ParetoSweepExport, lambda d: {
            **{k: d[k] for k in ("x_metric", "x_stat", "y_metric", "y_stat")},
            "isl_key": "isl", "osl_key": "osl", "concurrency_key": "concurrency"}),
    }
    for name, (handler, params) in handlers.items():
        if not (folder / name).exists():
            continue
        mine = json.loads((folder / name).read_text())
        made = r.load(f"{handler.__name__} (our sweep, beside {name})", folder / name, lambda: handler().process(doc, params(mine)))
        if made is not None:
            r.expect(f"keys of {name}", folder / name, sorted(set(made) - set(mine)), [], "keys that ours lacks")


def point(folder):
    """The point that a folder belongs to: the iteration of a search, or the values of a sweep."""
    return folder.parent.parent.name if folder.name.startswith("run_") else folder.name


def plots(r, run):
    """What `aiperf plot` makes of a run."""
    loader = DataLoader()
    folders = r.load("ModeDetector of `aiperf plot`", run, lambda: ModeDetector().find_run_directories([run]))
    for folder in folders or []:
        data = r.load("DataLoader of `aiperf plot` (one folder)", folder, lambda: loader.load_run(folder))
        if "aggregate" in folder.relative_to(run).parts:
            r.excuse("aggregate")
            continue
        if data is not None:
            r.load("DataLoader of `aiperf plot` (metrics of a folder)", folder, lambda: loader.get_available_metrics(data))
            r.load("DataLoader of `aiperf plot` (a folder again, with details)", folder, lambda: loader.reload_with_details(folder))
    # Of a point with several trials it takes the aggregate alone.
    written = {point(p.parent) for p in run.rglob("profile_export.jsonl")}
    r.expect("ModeDetector of `aiperf plot`", run, written - {point(f) for f in folders or []}, set(), "points that were not found")
    loaded = r.load("DataLoader of `aiperf plot` (all folders together)", run, lambda: loader.load_multiple_runs(folders))
    r.expect("DataLoader of `aiperf plot` (all folders together)", run, len(loaded or []), len(folders or []), "runs")


def main(top):
    r, runs, files = Report(), sorted(p.parent for p in top.glob("*/search_history.json")), 0
    for run in runs:
        loads = json.loads((run / "loads.json").read_text())
        for path in sorted(run.rglob("profile_export_aiperf.json")):
            probe(r, run, path.parent, loads)
        history(r, run / "search_history.json")
        sweep(r, run)
        plots(r, run)
        files += sum(1 for p in run.rglob("*") if p.is_file() and p.suffix in (".json", ".jsonl", ".csv") and p.name != "loads.json")
    print(f"{len(runs)} runs: {', '.join(run.name for run in runs)}")
    print(f"{files} files\n")
    failed = Counter(reader for reader, _, _ in r.errors)
    width = max(len(k) for k in list(r.loaded) + list(failed))
    print(f"{'read by':{width}}  loaded  errors")
    for reader in list(r.loaded) + [k for k in failed if k not in r.loaded]:
        print(f"{reader:{width}}  {r.loaded[reader]:6}  {failed[reader]:6}")
    print(f"\n{len(r.errors)} errors")
    for reader, path, text in r.errors[:int(os.environ.get("SHOW", "20"))]:
        print(f"  {path}: {reader}: {text}")
    print("\nexceptions, each with how often it was met")
    for name, why in EXCEPTIONS.items():
        print(f"  {r.met[name]:4} × {why}")
    return 1 if r.errors else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
