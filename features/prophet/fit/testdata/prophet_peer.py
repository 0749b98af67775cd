"""Fits the real Prophet to the cases on standard input, and answers with its parameters.

Both are JSON lists. Columns of X are named as Prophet names them, in the order of beta.
"""

import json
import logging
import sys

import numpy as np
import pandas as pd

logging.disable(logging.WARNING)
from prophet import Prophet  # noqa: E402  (it configures logging when it is imported)


def frame(case):
    df = pd.DataFrame({"ds": pd.to_datetime(case["ds"])})
    for name in ("cap", "floor"):
        if case.get(name):
            df[name] = case[name]
    for name, values in (case.get("conditions") or {}).items():
        df[name] = values
    for name, values in (case.get("regressors") or {}).items():
        df[name] = values
    return df


def fit(case):
    m = Prophet(
        growth=case["growth"],
        changepoints=case.get("changepoints"),
        n_changepoints=case["n_changepoints"],
        changepoint_range=case["changepoint_range"],
        changepoint_prior_scale=case["changepoint_prior_scale"],
        seasonality_mode=case["seasonality_mode"],
        holidays_mode=case["holidays_mode"] or None,
        scaling=case["scaling"] or "absmax",
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        holidays=pd.DataFrame(case["holidays"]) if case.get("holidays") else None,
        uncertainty_samples=0,
    )
    for s in case.get("seasonalities") or []:
        m.add_seasonality(s["name"], s["period"], s["order"], prior_scale=s.get("prior_scale") or None,
                          mode=s.get("mode") or None, condition_name=s.get("condition") or None)
    for r in case.get("terms") or []:
        m.add_regressor(r["name"], prior_scale=r.get("prior_scale") or None, mode=r.get("mode") or None)
    df = frame(case)
    history = df[: len(case["y"])].copy()
    history["y"] = np.array(case["y"], dtype=float)  # null is NaN
    m.fit(history, **(case.get("options") or {}))
    forecast = m.predict(df).set_index("ds").loc[df["ds"]]  # in the order of the question
    parts = ["trend"] + [s["name"] for s in case.get("seasonalities") or []] + (["holidays"] if case.get("holidays") else [])
    return {
        "k": float(m.params["k"][0][0]),
        "m": float(m.params["m"][0][0]),
        "delta": [float(v) for v in m.params["delta"][0]],
        "beta": [float(v) for v in m.params["beta"][0]],
        "sigma_obs": float(m.params["sigma_obs"][0][0]),
        "columns": list(m.make_all_seasonality_features(m.history)[0].columns),
        "changepoints_t": [float(v) for v in m.changepoints_t],
        "y_scale": float(m.y_scale),
        "yhat": [float(v) for v in forecast["yhat"]],
        "parts": {name: [float(v) for v in forecast[name]] for name in parts},
    }


def main():
    print(json.dumps([fit(case) for case in json.load(sys.stdin)]))


main()
