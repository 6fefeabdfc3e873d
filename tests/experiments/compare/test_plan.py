"""What a comparison is made of: budgets in numbers, points, slices, and what mistakes are answered with."""

from dataclasses import replace

import pytest

from dd_al.config.grid import sliced
from dd_al.config.schema import from_config
from dd_al.config.settings import Settings
from dd_al.core.errors import ConfigError
from dd_al.experiments.compare.plan import ALL, Point, datasets, points

BUDGETS = ("1/class", "1%", "10%")


def settings(**changes):
    given = {"budgets": BUDGETS, "distil_up_to": "1%", "varied_at": "10%", "bought": "10%", "seeds": (0, 4)}
    return from_config(Settings, {"experiment": "compare", "compare": {**given, **changes}})


def test_a_point_for_each_method_and_seed_and_for_each_budget_that_is_distilled():
    methods = ("distilled", "bald", "full", "random", "distilled_bought")
    found = points(settings(methods=methods))
    ours = [(point.method, point.budgets) for point in found if point.seed == 4]
    assert ours == [
        ("full", (ALL,)), ("bald", BUDGETS[1:]), ("random", BUDGETS), ("distilled", ("1/class",)),
        ("distilled", ("1%",)), ("distilled_bought", ("1/class",)), ("distilled_bought", ("1%",)),
    ]  # fmt: skip
    assert len(found) == 2 * len(ours)
    assert [point.seed for point in found] == [0] * len(ours) + [4] * len(ours)  # whole seeds first


def test_other_seed_sets_repeat_what_begins_with_them():
    methods = ("full", "random", "bald", "distilled")
    found = points(settings(methods=methods, starts=("another", "k_means"), varied_at="1%", seeds=(0,)))
    started = [(p.method, p.start) for p in found if p.start]
    assert started == [(m, s) for s in ("another", "k_means") for m in ("random", "bald")]
    assert len({p.name for p in found}) == len(found)
    assert all(p.budgets[-1] == "1%" for p in found if p.start)


def test_wrong_labels_and_outliers_repeat_the_methods_that_they_are_for():
    methods = ("full", "random", "bald", "herding", "distilled", "distilled_hard")
    found = points(settings(methods=methods, noise=(0.0, 0.2), outliers=0.1, varied_at="1%", seeds=(0,)))
    varied = [(p.method, p.budgets, p.noise, p.outliers) for p in found if p.noise or p.outliers]
    assert varied == [
        ("full", ("all",), 0.2, 0.0),
        ("random", ("1/class", "1%"), 0.2, 0.0), ("bald", ("1%",), 0.2, 0.0), ("distilled", ("1%",), 0.2, 0.0),
        ("random", ("1/class", "1%"), 0.0, 0.1), ("bald", ("1%",), 0.0, 0.1),
    ]  # fmt: skip


def test_folders_are_the_points_own_and_fit_for_file_systems():
    given = settings(
        datasets={"SST-2": "data.name=sst2", "SST-5": "data.name=sst5"}, noise=(0.1, 0.2), outliers=0.05,
        methods=("full", "random", "bald", "distilled", "distilled_known"),
    )  # fmt: skip
    names = [point.name for point in points(given)]
    assert len(set(names)) == len(names)
    assert all(name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)
    assert Point("SST-2", "distilled", 3, ("0.1%",)).name == "sst_2-distilled-0.1pc-seed3"


def test_a_file_of_ones_own_is_called_as_the_file(tmp_path):
    given = settings()
    assert list(datasets(given)) == ["sst2"]
    assert list(datasets(replace(given, data=replace(given.data, dir=str(tmp_path / "mails.csv"))))) == ["mails"]
    assert list(datasets(replace(given, data=replace(given.data, dir="mails.csv", name="letters")))) == ["letters"]


def test_slices_have_every_point_once():
    every = points(settings())
    parts = [sliced(every, f"{k}/4") for k in range(1, 5)]
    assert sorted(point.name for part in parts for point in part) == sorted(point.name for point in every)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "3", "a/b", "-1/4"])
def test_no_other_slices(text):
    with pytest.raises(ConfigError, match="--points=3/40"):
        sliced(points(settings()), text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"distil_up_to": "0.5%"}, "config.compare.distil_up_to = '0.5%': must be one of"),
        ({"varied_at": "2%", "noise": (0.1,)}, "config.compare.varied_at"),
        ({"methods": ("random",)}, "'full' must be among them"),
        ({"budgets": ("1%",), "varied_at": "1%", "methods": ("full", "bald")}, "needs a second"),
        ({"bought": "many", "methods": ("full", "distilled_bought")}, "config.compare.bought = 'many': must be one of"),
        ({"budgets": ("1/class", "1%", "10%", "some")}, "'some' is neither like"),
        ({"datasets": {"a": "seed=3"}}, "is the same for all data sets"),
        ({"datasets": {"a": "data.name=sst2", "A": "data.name=sst5"}}, "its folders would be those of 'a'"),
        ({"datasets": {"a": "dta.name=sst2"}}, "config.compare.datasets, 'a'"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        points(settings(**changes))


def test_data_sets_change_the_keys_that_they_name():
    found = datasets(settings(datasets={"two": "data.name=sst2; model.filters=7", "five": "data.name=sst5"}))
    assert [(name, one.data.name, one.model.filters) for name, one in found.items()] == [
        ("two", "sst2", 7), ("five", "sst5", Settings().model.filters)
    ]  # fmt: skip


def test_outliers_are_made_of_words():
    given = from_config(Settings, {
        "experiment": "compare", "inputs": "sentences", "model": {"kind": "averaging"}, "compare": {"outliers": 0.1},
    })  # fmt: skip
    with pytest.raises(ConfigError, match="config.compare.outliers = 0.1 shuffles words, and 'sst2' has inputs"):
        points(given)
    assert points(replace(given, compare=replace(given.compare, outliers=0.0)))
