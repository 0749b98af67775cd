"""Checks what `simulate --json` and `validate --json` print, from the definitions alone.

Input: {"simulate": object, "policies": names, "metrics": object}. Output: {"faults":
[sentence], "figures": {policy: mean latency in ms}}.
"""

import json
import math
import sys

ROW = {
    "latency_ms": ["mean", "p25", "p50", "p75", "p95", "p99"],
    "slo_dispatch": ["100", "500", "1000"],
    "app_cold_pct": ["p50", "p75", "p90"],
}
COUNTS = ["warm", "cold", "delayed_warm", "dropped"]
SCALARS = ["speedup_vs_native", "latency_benefit_s", "wasted_gb_s", "rum"]
MODELS = ["incendio", "lightgbm", "prophet", "seasonal_naive", "naive", "exp_smoothing"]
FIGURES = ["wape", "mae", "rmse", "mase", "coverage_90"]

faults = []


def number(where, value):
    """The value if it is a finite number; notes a fault and gives NaN if not."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        faults.append(f"{where} is {value!r}, expected a number")
        return math.nan
    return value


def part(where, parent, key):
    if not isinstance(parent, dict) or key not in parent:
        faults.append(f"{where} has no key {key!r}")
        return {}
    return parent[key]


def ascending(where, values):
    if not all(a <= b for a, b in zip(values, values[1:])):
        faults.append(f"{where} should ascend: {values}")


def check_policy(row, requests):
    name = row["name"]
    counts = [number(f"{name}.{k}", part(name, row, k)) for k in COUNTS]
    if sum(counts) != requests:
        faults.append(f"{name}: {' + '.join(map(str, counts))} is not {requests}")
    for key in SCALARS:
        number(f"{name}.{key}", part(name, row, key))
    for key, members in ROW.items():
        values = [number(f"{name}.{key}.{m}", part(f"{name}.{key}", part(name, row, key), m)) for m in members]
        if key != "latency_ms":
            ascending(f"{name}.{key}", values)
        else:
            ascending(f"{name}.{key}", values[1:])
    timing = part(name, row, "timing")
    for key in ["p50", "p99"]:
        number(f"{name}.timing.decision_us.{key}", part(f"{name}.timing", part(name, timing, "decision_us"), key))
    number(f"{name}.timing.events_per_s", part(f"{name}.timing", timing, "events_per_s"))
    # RUM again, from the row alone: 0.808 s per cold start, and a second per 99.69 GB s.
    rum = 0.808 * counts[1] + row["wasted_gb_s"] / 99.69
    if not math.isclose(row["rum"], rum, rel_tol=1e-9):
        faults.append(f"{name}.rum is {row['rum']}, by its definition {rum}")


def check_simulation(sim, wanted):
    for key in ["trace", "requests", "seed", "cluster", "policies"]:
        part("simulate", sim, key)
    for key in ["invokers", "cores", "memory_mb"]:
        number(f"cluster.{key}", part("cluster", sim["cluster"], key))
    rows = {r["name"]: r for r in sim["policies"]}
    if len(rows) != len(sim["policies"]):
        faults.append("two rows have one name")
    bound = rows.get("lower-bound", {})
    if bound.get("kind") != "bound":
        faults.append("there is no row lower-bound of kind bound")
    least = number("lower-bound mean", bound.get("latency_ms", {}).get("mean"))
    means = {}
    for name in wanted:
        if name not in rows:
            faults.append(f"there is no row {name}")
            continue
        check_policy(rows[name], sim["requests"])
        means[name] = rows[name]["latency_ms"]["mean"]
        if not means[name] >= least:
            faults.append(f"{name}: the mean {means[name]} is below the bound {least}")
    for name, mean in means.items():
        if not math.isclose(rows[name]["speedup_vs_native"], means["native"] / mean, rel_tol=1e-9):
            faults.append(f"{name}: speed-up {rows[name]['speedup_vs_native']}, but the means say {means['native'] / mean}")
    return means | {"lower-bound": least}


def check_metrics(metrics):
    for key in ["trace", "horizon_min", "cutoffs", "models", "verdict", "rules"]:
        part("metrics.json", metrics, key)
    names = {m["name"] for m in metrics["models"]}
    for name in MODELS:
        if name not in names:
            faults.append(f"metrics.json has no forecasts of {name}")
    for scope in ["total", "pooled", "median_function"]:
        if not any(m["name"] == "incendio" and m["scope"] == scope for m in metrics["models"]):
            faults.append(f"metrics.json has no forecasts of incendio for {scope}")
    for m in metrics["models"]:
        where = f"{m['name']}/{m['scope']}"
        for key in FIGURES:
            part(where, m, key)
        for q in ["0.5", "0.9", "0.99"]:
            part(f"{where}.pinball", part(where, m, "pinball"), q)
        for key in ["fit_s", "predict_us_per_row"]:
            part(f"{where}.timing", part(where, m, "timing"), key)
    if metrics["verdict"] not in ("accepted", "refused"):
        faults.append(f"the verdict is {metrics['verdict']!r}")
    if not metrics["rules"]:
        faults.append("the verdict carries no rule")
    for rule in metrics["rules"]:
        for key in ["rule", "value", "bound", "champion", "ok"]:
            part(f"rule {rule.get('rule')}", rule, key)
    if (metrics["verdict"] == "accepted") != all(r["ok"] for r in metrics["rules"]):
        faults.append(f"the verdict is {metrics['verdict']}, but rules that hold are {[r['rule'] for r in metrics['rules'] if r['ok']]}")


def main():
    job = json.load(sys.stdin)
    means = check_simulation(job["simulate"], job["policies"])
    check_metrics(job["metrics"])
    json.dump({"faults": faults, "figures": means}, sys.stdout)


main()
