// Package fit estimates the parameters of package prophet: the posterior mode of
// the model of Taylor and Letham, "Forecasting at Scale" (The American Statistician,
// 2018), under Prophet's priors.
//
//	y_i ~ N(g(t_i) (1 + sum_m beta_c X_ic) + sum_a beta_c X_ic, sigma)
//	linear    g(t) = m + k t + sum_j delta_j (t - s_j)+
//	logistic  g(t) = cap / (1 + exp(-(k (t - m) + sum_j delta_j (t - s_j)+)))
//	flat      g(t) = m
//	k, m ~ N(0, 5)   delta_j ~ Laplace(0, tau)   beta_c ~ N(0, scale_c)   sigma ~ N+(0, 0.5)
//
// in scaled units; m are the multiplicative columns of X and a the additive ones. The
// offsets that Prophet's logistic trend has at its changepoints exist to make rate times
// time continuous, so what they amount to is the sum of hinges above. Without constants, the logarithm of the posterior is
//
//	lp = -k^2/50 - m^2/50 - sum|delta|/tau - sum(beta/scale)^2/2 - 2 sigma^2 - T ln(sigma) - SSE/(2 sigma^2)
//
// A [Model] says what is estimated. Its Fit, FitTimes, FitColumns, Fleet and
// RollingOrigin return *prophet.Fitted: nothing can be "not fitted yet".
//
// # Method
//
// Prophet hands this density to a general optimiser. But given sigma it is a lasso
// on delta with a ridge on the rest: a convex problem that depends on the data only
// through G = Z'Z and Z'y, where Z = [t, 1, X, (t-s_j)+]. We solve it by an active
// set on G, so that a step costs nothing that grows with T. Given the rest, sigma
// has the closed form
//
//	sigma^2 = (sqrt(T^2 + 16 SSE) - T) / 8
//
// and the two alternate. A larger sigma weighs the penalties more, so SSE, and with
// it the next sigma, does not fall: the iteration is monotone. We start it above
// every fixed point and below every one. If both ends meet, which is the rule, the
// fixed point is the only one and the mode is the global one; otherwise the better
// end is kept.
//
// A logistic trend or a multiplicative term makes the sum of squares no square of a
// linear function. A step is then the same lasso on the second derivative at the present
// parameters (a proximal Newton method; Gauss-Newton where that is not convex), which
// needs one pass over the rows, as sums with hinges again come from sums between
// changepoints. The density may have several modes; the best of a fixed list of starts
// is taken, the first of which is Prophet's.
//
// All series on one grid share Z and G (see Fleet), and Z'y takes few operations:
// hinges from the sums of y and t*y between changepoints, seasonalities from y folded
// to one period.
//
// # Gaps
//
// Where no value has some phases of a seasonality (weekends, nights, winters), the data
// leave directions open in which level and season trade places, and the mode above is
// nonsense in the gap. There the seasonality and the level are held to where Prophet
// starts, which is what its early stopping amounts to. Beside a logistic trend, which no
// constant moves without bending it, the data say more, and what is held is no more than keeps
// the forecast near the range of the data in the gap. See Fitted.Gaps and Fitted.Unseen
// of package prophet. Histories without such gaps have the mode.
//
// # Differences from the Python package
//
// Automatic changepoints are at the rows that Python chooses; R rounds exact halves
// to other rows. With a flat trend, or with none asked for, there are no changepoints;
// Prophet has one or more that do nothing. A history of one value
// or none has a defined result, see FitTimes. sigma is kept above 1e-6 of the deviation
// of y from a line, since the density of a history without noise has no mode.
package fit
