"""Computes statistics that the program computes too.

Input: {"spearman": [[x, y], ...], "erlang": [[c, r], ...], "poisson": [[mean, k, q], ...]},
with null for a missing value. Output: the same keys, with a number for each case; for
poisson a pair, P(N >= k) and the least n with P(N <= n) >= q.
"""

import fractions
import json
import math
import sys

import numpy
import scipy.stats


def erlang_c(c, r):
    """The textbook sum, in exact arithmetic: (r^c/c!) c/(c-r) over itself and sum r^k/k!."""
    r = fractions.Fraction(r)
    terms = [fractions.Fraction(1)]
    for k in range(1, c + 1):
        terms.append(terms[-1] * r / k)
    waiting = terms[c] * c / (c - r)
    return float(waiting / (sum(terms[:c]) + waiting))


def spearman(x, y):
    x, y = (numpy.array([math.nan if v is None else v for v in s]) for s in (x, y))
    return float(scipy.stats.spearmanr(x, y, nan_policy="omit").statistic)


def main():
    job = json.load(sys.stdin)
    json.dump({
        "spearman": [spearman(x, y) for x, y in job["spearman"]],
        "erlang": [erlang_c(int(c), r) for c, r in job["erlang"]],
        "poisson": [[float(scipy.stats.poisson.sf(k - 1, m)), float(scipy.stats.poisson.ppf(q, m))] for m, k, q in job["poisson"]],
    }, sys.stdout)


main()
