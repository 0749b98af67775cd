// Package forecast trains the hybrid Prophet-LightGBM arrival forecaster of Incendio
// (Section V-B) that scheduler/forecast runs, and judges it beside simple forecasts.
//
// [Train] takes a trace and its splits through these steps:
//
//  1. Counts are read once, day by day, into sparse series of the training and the
//     validation window. The test window is never read.
//  2. Functions are told apart: those invoked at least about once an hour get trees,
//     rarer ones a histogram of their inter-arrival times, silent ones nothing.
//  3. Functions with trees are grouped by their pattern of arrivals, by k-means on a few
//     numbers that do not depend on their size.
//  4. Prophet decomposes each function at rolling origins: a row of training data has
//     the components of the last fit before its minute, extrapolated, as it would have
//     had on that day. No feature has seen its own target.
//  5. Rows are drawn up to a limit, evenly over classes of demand and weighted by what they
//     stand for, seeded.
//  6. Per cluster, boosted trees are fitted for the median (absolute error) and for the mean
//     (squared error) of what the base of a row leaves over. The validation rows stop
//     the boosting and choose between trees and base; then trees are fitted on all rows
//     ([Boost]).
//  7. The errors on the validation rows calibrate the quantiles that a run time starts from.
//  8. Prophet is fitted once more up to the end of the validation window; this fit is
//     what the model carries ([Compose]).
//
// Sums of functions (all, of a trigger, of an owner) go the same way, as series of a cluster of
// their own.
//
// [Evaluate] judges a fixed model on a window that it has not seen, and [Backtest]
// trains one per cutoff of a rolling origin; both report the same figures for the
// hybrid and for its baselines, with the error below which no forecast of Poisson
// arrivals can come.
package forecast
