"""Documents that were read from files are checked by one function, whose messages name the key."""

import pytest

from dd_al.config.documents import check_document
from dd_al.config.schema import Field
from dd_al.core.errors import ConfigError

SPEC = {
    "name": (str,),
    "length": Field.of(int, {"min": 1}),
    "labels": {str: (int,)},
    "rows?": [{"value": (int, float, type(None))}],
    "targets?": Field.of(("soft", "hard")),
    "split?": frozenset({"test", "validation"}),
}
WHOLE = {"name": "toy", "length": 6, "labels": {"bad": 0, "good": 1}}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rows": []},
        {"rows": [{"value": None}, {"value": 0.5, "note": "keys beside these are let through"}]},
        {"targets": "hard", "split": "test"},
        {"labels": {}},
        {"another": object()},
    ],
)
def test_whole_documents_pass(more):
    check_document({**WHOLE, **more}, SPEC)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": 3}, ValueError, r"^name must be str, got 3 \(int\)$"),
        ({"length": 0}, ConfigError, "^length = 0: must be an integer of at least 1$"),
        ({"length": 6.0}, ConfigError, r"^length = 6\.0: must be an integer of at least 1$"),
        ({"length": True}, ConfigError, "^length = True: must be an integer of at least 1$"),
        ({"length": "6"}, ConfigError, "^length = '6': must be an integer of at least 1$"),
        ({"labels": [1, 2]}, ValueError, r"^labels must be a table of keys, got \[1, 2\] \(list\)$"),
        ({"labels": {"bad": True}}, ValueError, r"^labels\.bad must be int, got True \(bool\)$"),
        ({"rows": {"value": 1}}, ValueError, "^rows must be a list, got"),
        ({"rows": [{"value": 1}, {}]}, ValueError, r"^rows\[1\]\.value is missing$"),
        ({"rows": [{"value": "x" * 99}]}, ValueError, r"must be int or float or null, got 'x{56}\.\.\. \(str\)$"),
        ({"targets": "sofd"}, ConfigError, r"^targets = 'sofd': must be one of 'soft', 'hard' \(did you mean 'soft'\?"),
        ({"split": "train"}, ValueError, "^split must be 'test' or 'validation', got 'train'"),
    ],
)
def test_a_mistake_is_named(changes, error, message):
    with pytest.raises(error, match=message):
        check_document({**WHOLE, **changes}, SPEC)


def test_a_name_stands_before_the_keys():
    with pytest.raises(ValueError, match=r"^results\.labels\.bad must be int"):
        check_document({**WHOLE, "labels": {"bad": "0"}}, SPEC, "results")
    with pytest.raises(ValueError, match=r"^results\.name is missing$"):
        check_document({}, SPEC, "results")
