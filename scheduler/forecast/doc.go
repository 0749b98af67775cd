// Package forecast runs the hybrid Prophet-LightGBM arrival forecaster of Incendio,
// Section V-B: what a bundle carries of it, and how it is evaluated minute by minute.
// Nothing here fits anything; the package train/forecast does.
//
// There are only a few types. A [Model] is the content of a bundle's folder
// forecast/: the decomposition of each function, the trees of each cluster of
// functions, and how the errors of both were distributed. A [Runtime] feeds it the
// counts of a minute and answers with a [Forecast] per function for the next one. A
// [Table] holds such answers for a window in advance, because forecasts do not depend
// on what a scheduler decides; both are a [Source].
//
// A function is of one [Class]:
//
//   - Trees: at least about one invocation an hour. A row of features, relative to the
//     level of the function, goes through the gradient-boosted trees of its cluster; the
//     trees and simple forecasts are mixed by how they did of late, and quantiles follow the
//     function's own errors.
//   - Interarrival: rarer. The chance that the next minute has an arrival is the hazard
//     of the histogram of its inter-arrival times at the time that has passed: see the
//     package features/interarrival.
//   - Zero: never invoked in training. Its forecast is 0 until it is.
//
// Sums of functions are forecast by a [Totals], from trees of their own. What a Runtime has
// learned since it began can be saved and taken up by another one, also of a newer model.
//
// Functions are matched by their key (owner, application, name), because the rows of a
// trace at run time are not those of the trace that was learned from. A function that
// the model does not know is of the class Interarrival with an empty histogram, which
// it fills as it runs; so does a function of the class Zero once it is invoked.
//
// Trees are evaluated by github.com/dmitryikh/leaves from LightGBM's text format, and
// features by the package features, the same code as in training: for equal histories
// from the same minute on, the rows, and so the forecasts, are equal bit for bit.
package forecast
