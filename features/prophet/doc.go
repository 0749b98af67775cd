// Package prophet evaluates the additive model of Taylor and Letham, "Forecasting
// at Scale" (The American Statistician, 2018), Section 3:
//
//	y(t) = g(t) + s(t) + h(t) + e(t)
//
// g is a trend (piecewise linear or flat), s a sum of Fourier seasonalities, h the
// effects of holidays and e Gaussian noise. Parameters keep the names of that
// paper's Stan program: k, m, delta, beta, sigma_obs.
//
// There are only a few types. A [Fitted] is a model with its parameters, made by
// the package fit and carried as JSON; its method Forecast gives a [Forecast] with
// every component by name, and its method Components gives the [Components] of one
// time without allocation, for use at run time. Nothing here fits anything.
//
// Times are UTC. Scaled time is 0 at the first and 1 at the last observation; scaled
// values are (y-floor)/y_scale. The phase of a seasonality does not depend on
// either: it counts days since 1970-01-01, as Prophet does, so a weekly term has
// the same columns in every model.
//
// It differs from the Python package as follows. The phase is reduced to one turn
// before sines are taken, and higher harmonics follow from the first by the angle
// sum formulas; the columns agree to about 1e-10. On the history, intervals are the
// Gaussian ones in closed form, not quantiles of draws from them. After it the trend is
// drawn, and the noise is spread evenly over its quantiles instead of drawn, so the
// intervals scatter less from seed to seed.
package prophet
