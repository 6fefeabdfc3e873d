"""Wrong labels and outliers: as many as were asked for, and nothing else."""

import numpy as np

from dd_al.experiments.compare.lab import outlier_rows, spoilt


def test_as_many_labels_are_wrong_as_were_asked_for(make_tiny_task):
    task = make_tiny_task(("bad", "fair", "good"), train=300)
    made = spoilt(task, 0.3, 0.0, 1)
    wrong = made.labels("train") != task.labels("train")
    assert 0.2 < wrong.mean() < 0.4
    assert set(made.labels("train")) == {0, 1, 2}
    np.testing.assert_array_equal(made.raw["train"], task.raw["train"])
    np.testing.assert_array_equal(made.labels("validation"), task.labels("validation"))
    targets = np.concatenate([np.asarray(bucket.targets) for bucket in made.train.buckets])
    np.testing.assert_array_equal(targets.argmax(1), made.labels("train")[made.train.order])
    np.testing.assert_array_equal(spoilt(task, 0.3, 0.0, 1).labels("train"), made.labels("train"))
    assert (spoilt(task, 0.3, 0.0, 2).labels("train") != made.labels("train")).any()


def test_outliers_are_words_at_random_and_shown_as_such(make_tiny_task):
    task = make_tiny_task(train=60)
    made, rows = spoilt(task, 0.0, 0.25, 0), outlier_rows(60, 0.25, 0)
    others = np.setdiff1d(np.arange(60), rows)
    assert len(rows) == 15
    np.testing.assert_array_equal(made.raw["train"][others], task.raw["train"][others])
    # As long as before, of words that there are.
    np.testing.assert_array_equal(made.raw["train"] > 0, task.raw["train"] > 0)
    assert np.isin(made.raw["train"], task.raw["train"]).all()
    assert (made.raw["train"][rows] != task.raw["train"][rows]).any(1).all()
    words = task.vectors.vocabulary.words
    shown = made.dataset.train.texts[rows[0]].split()
    assert shown == [words[i] for i in made.raw["train"][rows[0]] if i]
    assert made.dataset.train.texts[others[0]] == task.dataset.train.texts[others[0]]
