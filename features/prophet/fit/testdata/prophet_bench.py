"""Times the real Prophet on the case on standard input, and answers with the seconds.

One fit and one prediction of the history and one day more, with the intervals of 1000
samples, by Prophet's vectorised sampler.
"""

import json
import logging
import resource
import sys
import time

import numpy as np
import pandas as pd

logging.disable(logging.WARNING)
from prophet import Prophet  # noqa: E402  (it configures logging when it is imported)


def cpu():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(do):
    wall, used = time.perf_counter(), cpu()
    out = do()
    return out, {"wall": time.perf_counter() - wall, "cpu": cpu() - used}


def main():
    case = json.load(sys.stdin)
    df = pd.read_csv(case["csv"], parse_dates=["ds"])
    m = Prophet(changepoint_prior_scale=case["changepoint_prior_scale"], uncertainty_samples=case["samples"])
    _, fit = timed(lambda: m.fit(df))
    future = m.make_future_dataframe(case["horizon"], freq=pd.Timedelta(seconds=case["step_s"]))
    forecast, predict = timed(lambda: m.predict(future, vectorized=True))
    width = (forecast["yhat_upper"] - forecast["yhat_lower"]).to_numpy()
    inside = forecast[: -case["horizon"]].merge(df.dropna(), on="ds")
    json.dump({
        "fit": fit,
        "predict": predict,
        "width": [width[: -case["horizon"]].mean(), width[-case["horizon"]:].mean()],
        "coverage": float(np.mean((inside["y"] >= inside["yhat_lower"]) & (inside["y"] <= inside["yhat_upper"]))),
        "yhat": forecast["yhat"].tolist(),
        "ds": forecast["ds"].astype("datetime64[s]").astype("int64").tolist(),
    }, sys.stdout)


main()
