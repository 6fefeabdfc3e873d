"""Statistics of a comparison: closed forms, published numbers, and what counts as one data set."""

import numpy as np
import pytest

from dd_al.report.compare import ranks, rival_tests
from dd_al.report.statistics import critical_difference, effect_size, summary


def entry(dataset, method, budget, values, *, examples=8, seeds=None):
    return {
        "dataset": dataset, "method": method, "budget": budget, "accuracy": summary(values),
        "seeds": list(range(len(values))) if seeds is None else seeds,
        "costs": {"examples": examples, "share": examples / 6920},
    }  # fmt: skip


def test_effect_sizes_of_pairs_that_agree_that_cancel_and_that_are_equal():
    assert effect_size([0.1, 0.2, 0.3]) == 1.0
    assert effect_size([-0.1, -0.2]) == -1.0
    assert effect_size([0.1, 0.2, -0.3]) == pytest.approx(0.0)  # ranks 1 + 2 - 3
    assert effect_size([0.1, 0.0, -0.2, 0.4]) == pytest.approx((1 - 2 + 3) / 6)
    assert np.isnan(effect_size([0.0, 0.0]))


def test_the_critical_difference_is_that_of_the_literature():
    # Demšar 2006, section 3.2.3: four methods on fourteen data sets
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_pairs_are_the_seeds_that_both_have():
    found = rival_tests(
        [entry("a", "random", "1%", [0.5, 0.6, 0.7]), entry("a", "distilled", "1%", [0.9, 0.75], seeds=[2, 1])]
    )
    (one,) = [test for test in found if test["family"] == "random"]
    assert one["pairs"] == 2
    assert one["difference"] == pytest.approx(((0.9 - 0.7) + (0.75 - 0.6)) / 2)
    assert one["smallest_p"] == 0.5


def test_rivals_are_distilled_sets_and_more_examples_that_were_bought():
    entries = [
        entry("a", "distilled", "0.1%", [0.8, 0.8], examples=8),
        entry("a", "bald", "0.1%", [0.6, 0.6], examples=8),
        entry("a", "bald", "1%", [0.7, 0.7], examples=70),
        entry("a", "random", "1%", [0.6, 0.6], examples=70),
        entry("b", "bald", "1%", [0.7, 0.7], examples=70),
    ]
    found = [test for test in rival_tests(entries) if test["family"] == "rivals"]
    assert [(test["dataset"], test["budget_a"], test["budget_b"]) for test in found] == [("a", "0.1%", "1%")]


def test_the_headlines_pair_is_adjusted_for_the_queries_that_it_was_chosen_from():
    rng = np.random.default_rng(0)
    base = rng.random(10)
    entries = [entry("a", "distilled", "0.1%", base + 0.2), entry("a", "distilled", "0.5%", base, examples=36)]
    entries += [entry("a", name, "1%", base + 0.01 * i, examples=70) for i, name in enumerate(("bald", "badge"))]
    entries += [entry("a", "bald", "5%", base, examples=346), entry("a", "random", "1%", base, examples=70)]
    found = [test for test in rival_tests(entries) if test["family"] == "headline"]
    assert {(one["budget_a"], one["method_b"], one["budget_b"]) for one in found} == {
        ("0.1%", "bald", "1%"), ("0.1%", "badge", "1%")
    }  # fmt: skip
    for one in found:
        assert one["p"] == one["smallest_p"] == 2**-9
        assert one["p_holm"] == one["smallest_p_holm"] == 2**-8


def test_p_is_adjusted_within_a_data_sets_family():
    rng = np.random.default_rng(0)
    random = rng.random(12)
    entries = [entry("a", "random", "1%", random)]
    entries += [entry("a", name, "1%", random + rng.normal(0.05, 0.1, 12)) for name in ("bald", "badge", "margin")]
    found = [test for test in rival_tests(entries) if test["family"] == "random"]
    smallest = min(found, key=lambda test: test["p"])
    assert smallest["p_holm"] == pytest.approx(min(1, 3 * smallest["p"]))
    assert all(test["p_holm"] >= test["p"] for test in found)


def test_data_sets_of_one_corpus_count_once():
    scores = {"sst2": (0.9, 0.8, 0.7), "sst5": (0.1, 0.2, 0.3), "news": (0.9, 0.8, 0.7)}
    entries = [
        entry(name, method, "1%", [value])
        for name, values in scores.items()
        for method, value in zip(("x", "y", "z"), values)
    ]
    apart = ranks(entries, {name: name for name in scores})["1%"]
    once = ranks(entries, {"sst2": "sst2", "sst5": "sst2", "news": "news"})["1%"]
    assert apart["corpora"] == 3 and apart["methods"] == pytest.approx({"x": 5 / 3, "y": 2, "z": 7 / 3})
    # In the mean over the two names all methods are level there.
    assert once["corpora"] == 2 and once["methods"] == pytest.approx({"x": 1.5, "y": 2, "z": 2.5})
    assert once["critical_difference"] > apart["critical_difference"]
    assert ranks(entries, dict.fromkeys(scores, "one")) == {}
