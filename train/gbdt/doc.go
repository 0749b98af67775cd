// Package gbdt trains gradient boosted decision trees (Friedman, "Greedy Function
// Approximation: A Gradient Boosting Machine", Annals of Statistics, 2001) the way
// LightGBM does (Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision
// Tree", NeurIPS 2017), and to the same trees: values are binned, trees grow leaf by
// leaf, and the random draws are LightGBM's own.
//
// There are only a few types. A [Table] holds rows of features with labels. [Options]
// keep LightGBM's names; an [Objective] is a loss that the package does not have.
// [Train] turns both into a [Model], which predicts, and a [Report], which holds the
// metrics of every iteration. A Model is a list of [Tree], flat arrays that an exporter
// can walk; [Model.WriteText] and [ReadText] speak LightGBM's text format, and
// [Model.Dump] that of people.
//
// Each iteration fits one tree to the gradients g and hessians h of the loss at the
// current scores. With G and H the sums over a leaf, l1 and l2 the regularisation and
// T(G) = sign(G) max(|G| - l1, 0), a split gains
//
//	T(GL)^2/(HL+l2) + T(GR)^2/(HR+l2) - T(G)^2/(H+l2) - min_gain_to_split
//
// and a leaf outputs -T(G)/(H+l2), times the learning rate. For regression_l1, quantile
// and mape the output is replaced by the percentile of the residuals in the leaf. A
// split of a categorical column sends a set of categories left.
//
// The result does not depend on the number of workers: every histogram of floating-point
// gradients is summed by one worker in the order of the rows, those of regression_l1 are
// whole numbers, and partitions are stable.
//
// It differs from LightGBM 4.6 as follows: sparse features are not bundled (bundling
// is a speed device that leaves the trees of dense data alone), an in-bag subset is
// never copied, infinite features are an error, and the value -1e-35 is not a zero at
// prediction, as it is not one when binned. With zero_as_missing, LightGBM leaves the
// lowest bin of a feature out of the scan with missing values on the right if that bin
// is negative and holds most rows, so that its sums do not fit the rows it moves; here
// the bin is in. LightGBM 4.7 has another weighted percentile, which mape, and
// regression_l1 and quantile with weights, depend on.
package gbdt
