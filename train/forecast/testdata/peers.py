"""Forecasts a series of counts one minute ahead with well-kept programs of others.

usage: peers.py MODEL[,MODEL...] < request, where the request is JSON: counts, the number cut of those that models
may be fitted to, and phase, the minute of the week of the first. For each model a line of JSON is written: its name, the seconds it took, and the
forecasts of counts[cut:], each made from the counts before it, or why there are none.
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")
DAY = 1440


def lag_table(y, phase):
    """Lags and means, minute of hour and day, this minute of the last days and hours; row t knows y[:t]."""
    n = len(y)
    t = np.arange(n)
    total = np.r_[0.0, np.cumsum(y)]
    columns = []

    def back(k):
        column = np.full(n, np.nan)
        column[k:] = y[: n - k]
        columns.append(column)

    for k in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20, 30, 45, 60, 120, 180):
        back(k)
    for d in range(1, 8):
        if d * DAY < n:
            back(d * DAY)
    for w in (5, 15, 60, 240, DAY):
        first = np.maximum(0, t - w)
        with np.errstate(invalid="ignore"):
            columns.append((total[t] - total[first]) / (t - first))
    week = (phase + t) % (7 * DAY)
    columns += [t % 60, week % DAY, week // DAY]
    return np.stack(columns, axis=1)


LAGS = dict(objective="regression_l1", num_leaves=31, learning_rate=0.1, verbosity=-1, num_threads=1, seed=1, deterministic=True)


def lightgbm_lags(y, cut, phase):
    import lightgbm

    x = lag_table(y, phase)
    first = min(DAY, cut // 4)
    trees = lightgbm.train(LAGS, lightgbm.Dataset(x[first:cut], y[first:cut]), 250)
    return trees.predict(x[cut:])


def lightgbm_tuned(y, cut, phase):
    """As above, with the best of a few settings on the last 15 % before the cut, fitted once more on all."""
    import lightgbm

    x = lag_table(y, phase)
    first, middle = min(DAY, cut // 4), cut - 15 * cut // 100
    best = None
    for rate, leaves, least, share in ((0.05, 31, 20, 0.5), (0.05, 15, 20, 0.5), (0.03, 63, 20, 0.5), (0.05, 31, 60, 0.8)):
        o = dict(LAGS, learning_rate=rate, num_leaves=leaves, min_data_in_leaf=least, feature_fraction=share, bagging_fraction=0.7, bagging_freq=1)
        fit = lightgbm.Dataset(x[first:middle], y[first:middle])
        check = lightgbm.Dataset(x[middle:cut], y[middle:cut], reference=fit)
        m = lightgbm.train(o, fit, 800, [check], callbacks=[lightgbm.early_stopping(50, verbose=False)])
        score = m.best_score["valid_0"]["l1"]
        if best is None or score < best[0]:
            best = score, o, m.best_iteration
    return lightgbm.train(best[1], lightgbm.Dataset(x[first:cut], y[first:cut]), best[2]).predict(x[cut:])


def prophet(y, cut, phase):
    import logging

    import pandas
    from prophet import Prophet

    logging.disable(logging.CRITICAL)
    times = pandas.Timestamp("2024-01-04") + pandas.to_timedelta(phase + np.arange(len(y)), unit="min")  # a Thursday, as phase 0
    frame = pandas.DataFrame({"ds": times, "y": y})
    m = Prophet(uncertainty_samples=0).fit(frame[:cut])
    return m.predict(frame[cut:][["ds"]])["yhat"].to_numpy()


def one_step(model, y, cut):
    """The forecasts of a model of statsforecast whose parameters are those of the fit."""
    model.fit(y[:cut])
    return model.forward(y, h=1, fitted=True)["fitted"][cut:]


def auto_ets(y, cut, phase):
    from statsforecast.models import AutoETS

    return one_step(AutoETS(season_length=1), y, cut)


def auto_arima(y, cut, phase):
    from statsforecast.models import AutoARIMA

    return one_step(AutoARIMA(season_length=1, seasonal=False), y, cut)


def auto_theta(y, cut, phase):
    from statsforecast.models import AutoTheta

    return one_step(AutoTheta(season_length=1), y, cut)


def tsb(y, cut, phase):
    from statsforecast.models import TSB

    return TSB(alpha_d=0.2, alpha_p=0.2).forecast(y, h=1, fitted=True)["fitted"][cut:]


def mstl(y, cut, phase):
    """Seasons of an hour, a day and, of a history of two, a week are those of the fit, repeated; AutoETS goes on with the rest."""
    from statsforecast.models import AutoETS
    from statsforecast.mstl import mstl as decompose

    periods = [p for p in (60, DAY, 7 * DAY) if 2 * p <= cut]
    parts = decompose(y[:cut], period=periods)
    season = np.zeros(len(y))
    for p, name in zip(periods, [c for c in parts.columns if c.startswith("seasonal")]):
        s = parts[name].to_numpy()
        season[:cut] += s
        season[cut:] += np.resize(s[cut - p:], len(y) - cut)
    return season[cut:] + one_step(AutoETS(season_length=1), y - season, cut)


def main():
    request = json.load(sys.stdin)
    y, cut = np.array(request["counts"], float), request["cut"]
    for name in sys.argv[1].split(","):
        began = time.process_time()
        line = {"name": name}
        try:
            out = np.maximum(0, np.nan_to_num(np.asarray(globals()[name](y, cut, request["phase"]), float)))
            if len(out) != len(y) - cut:
                raise ValueError(f"{len(out)} forecasts, expected {len(y) - cut}")
            line["forecasts"] = out.tolist()
        except Exception as e:  # one peer that fails does not take the others along
            line["error"] = f"{type(e).__name__}: {e}"
        line["seconds"] = time.process_time() - began
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
