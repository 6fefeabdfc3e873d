"""Rows of numbers: generated points, tables with categories, and what is refused."""

import numpy as np
import pytest

from dd_al.config.data import DataSettings
from dd_al.core.errors import DataError
from dd_al.data import tables
from dd_al.data.load import read_examples

HEADER = "age,colour,size,label\n"
ROWS = [(20 + i, "red" if i % 3 else "blue", i / 7, "yes" if i % 2 else "no") for i in range(60)]


def written(folder, name="people.csv", rows=ROWS, header=HEADER):
    path = folder / name
    path.write_text(header + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def load(path, **keys):
    return tables.load(DataSettings(name="mine", dir=str(path), **keys))


def test_moons_are_those_of_the_paper():
    """1,500 points of scikit-learn's generator, a third of them for testing; the rest is all used."""
    from sklearn.datasets import make_moons
    from sklearn.model_selection import train_test_split

    points, labels = make_moons(1500, noise=0.05, random_state=8)
    train, test, _, test_labels = train_test_split(points, labels, test_size=0.33, random_state=8)
    found = tables.load(DataSettings(name="moons", scaling="none"))
    np.testing.assert_array_equal(found.test.inputs, test.astype(np.float32))
    assert [found.label_map[str(label)] for label in test_labels] == found.test.labels.tolist()
    assert len(found.train) + len(found.validation) == 1005 and len(found.test) == 495
    together = np.concatenate([found.train.inputs, found.validation.inputs])
    assert sorted(map(tuple, together)) == sorted(map(tuple, train.astype(np.float32)))
    assert found.provenance()["unit"] == "row" and found.source == "generated"


@pytest.mark.parametrize(("name", "classes"), [("circles", 2), ("blobs", 3)])
def test_other_points(name, classes):
    found = tables.load(DataSettings(name=name))
    assert found.num_classes == classes and found.train.inputs.shape[1:] == (2,)
    assert len(found.train) + len(found.validation) + len(found.test) == 1500


def test_columns_of_words_become_one_number_for_each_category(tmp_path):
    found = load(written(tmp_path))
    assert found.columns == ("age", "colour=blue", "colour=red", "size")
    assert found.label_map == {"no": 0, "yes": 1}
    age, blue, red, _ = found.train.inputs.T
    assert ((blue + red) == 1).all()
    np.testing.assert_array_equal(blue, ((age - 20) % 3 == 0).astype(np.float32))
    np.testing.assert_array_equal(found.train.labels, ((age - 20) % 2).astype(np.int32))


def test_scaling_is_that_of_the_training_rows(tmp_path):
    path = written(tmp_path)
    found = load(path)
    np.testing.assert_allclose(found.scaling.mean, found.train.inputs.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.scaling.std, found.train.inputs.std(0), rtol=1e-5)
    ranged = load(path, scaling="range").scaling
    scaled = (found.train.inputs - ranged.mean) / ranged.std
    np.testing.assert_allclose([scaled.min(0), scaled.max(0)], [[-1] * 4, [1] * 4], atol=1e-6)
    plain = load(path, scaling="none").scaling
    assert (plain.mean == 0).all() and (plain.std == 1).all()


def test_a_column_that_does_not_vary_is_no_division_by_zero(tmp_path):
    found = load(written(tmp_path, rows=[(5, *row[1:]) for row in ROWS]))
    assert found.scaling.std[0] == 1 and found.scaling.mean[0] == 5


def test_equal_rows_are_several_examples(tmp_path):
    rows = [(i % 2, "a", 1, "yes" if i % 2 else "no") for i in range(40)]
    found = load(written(tmp_path, rows=rows))
    assert len(found.train) + len(found.validation) + len(found.test) == 40 and found.dropped_duplicates == 0


def test_a_folder_has_splits_and_one_set_of_columns(tmp_path):
    written(tmp_path, "train.csv", ROWS[:40])
    test = [("30", "green", "1.5", "no"), *ROWS[40:]]
    written(tmp_path, "test.csv", test)
    found = load(tmp_path)
    assert len(found.test) == 21 and found.columns[1:3] == ("colour=blue", "colour=red")
    strange = found.test.inputs[found.test.inputs[:, 1] + found.test.inputs[:, 2] == 0]
    assert len(strange) == 1  # a category that training lacks is none of them


def test_a_table_goes_by_its_own_name_in_any_encoding(tmp_path):
    path = tmp_path / "leute.csv"
    rows = "".join(f"{i},{'grün' if i % 2 else 'rot'},{'ja' if i % 3 else 'nein'}\n" for i in range(40))
    path.write_bytes(f"alter,farbe,label\n{rows}".encode("latin-1"))
    found = tables.load(DataSettings(name="table", dir=str(path), encoding="latin-1"))
    assert found.name == "leute" and found.columns == ("alter", "farbe=grün", "farbe=rot")
    with pytest.raises(DataError, match="leute.csv, line 3: not utf-8"):
        tables.load(DataSettings(name="table", dir=str(path)))


def test_chosen_columns(tmp_path):
    assert load(written(tmp_path), columns=("size", "age")).columns == ("size", "age")


@pytest.mark.parametrize(
    ("changed", "keys", "message"),
    [
        ((7, ("", "red", 1, "yes")), {}, r"people.csv, line 9: column 'age' has no value"),
        ((7, ("nan", "red", 1, "yes")), {}, r"line 9: column 'age' has no value"),
        ((7, ("old", "red", 1, "yes")), {}, r"line 9: 'old' in the column 'age', whose other cells are numbers"),
        ((7, ("inf", "red", 1, "yes")), {}, r"line 9: 'inf' in the column 'age'"),
        ((7, (30, "red", "big", "yes")), {}, r"line 9: 'big' in the column 'size', whose other cells are numbers"),
        ((0, ROWS[0]), {"columns": ("agee",)}, r"no column 'agee' \(did you mean 'age'\?\)"),
        ((0, ROWS[0]), {"columns": ("label",)}, r"config.data.columns: 'label' is the label's column"),
        ((0, ROWS[0]), {"label_column": "y"}, r"no column 'y'"),
        ((7, (1, "red", 1, "")), {}, r"no label"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named(tmp_path, changed, keys, message):
    rows = list(ROWS)
    rows[changed[0]] = changed[1]
    with pytest.raises(DataError, match=message):
        load(written(tmp_path, rows=rows), **keys)


def test_rows_are_not_split_as_the_treebank_is(tmp_path):
    with pytest.raises(DataError, match="seed_paper re-splits sst2 and sst5 only, not 'mine'"):
        load(written(tmp_path), split="seed_paper")
    named = tables.load(DataSettings(name="sst2", dir=str(written(tmp_path)), split="seed_paper"))
    assert len(named.train) + len(named.validation) + len(named.test) == len(ROWS)


def test_a_column_may_have_an_equals_sign_in_its_name(tmp_path):
    found = load(written(tmp_path, header="age=old,colour,size,label\n"))
    assert found.columns == ("age=old", "colour=blue", "colour=red", "size")
    spec = {"inputs": "rows", "label_map": found.label_map, "columns": found.columns}
    again = read_examples(spec, tmp_path / "people.csv")
    np.testing.assert_array_equal(again.inputs[found.test.rows], found.test.inputs)
    np.testing.assert_array_equal(again.labels[found.test.rows], found.test.labels)


def test_words_that_are_no_categories(tmp_path):
    with pytest.raises(DataError, match="column 'colour' holds 60 different words in 60 rows, too many"):
        load(written(tmp_path, rows=[(a, f"name{i}", s, y) for i, (a, _, s, y) in enumerate(ROWS)]))


def test_empty_and_ragged_files(tmp_path):
    for text, message in (("", "empty"), (HEADER, "no rows below"), (HEADER + "1,2\n", "line 2: 2 columns"),
                          ("a,a,label\n1,2,x\n", "two columns are called 'a'")):  # fmt: skip
        path = tmp_path / "bad.csv"
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            load(path)


def test_no_such_table():
    with pytest.raises(DataError, match=r"'moon' \(did you mean 'moons'\?\)"):
        tables.load(DataSettings(name="moon"))


def test_a_missing_label_is_no_class(tmp_path):
    (tmp_path / "a.csv").write_text("x,label\n" + "1,0\n2,1\n" * 20 + "3,NaN\n")
    with pytest.raises(DataError, match="no label"):
        tables.load(DataSettings(source="local", name="a", dir=str(tmp_path / "a.csv")))
