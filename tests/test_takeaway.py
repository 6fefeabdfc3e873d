"""`dd_al.load_distilled`: the same numbers as `dd_al.load`, without JAX, and a schedule that is what the words say."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest

import dd_al
from dd_al.core.errors import DataError
from dd_al.io import artefact as artefacts

DIM, LENGTH = 4, 6
LEARNER = {"optimizer": "adam", "momentum": 0.8, "b2": 0.95, "eps_root": 1e-4}


def saved(folder, artefact):
    artefacts.save(folder / "distilled.safetensors", artefact)
    return folder


def softmax(scores):
    exps = np.exp(scores - scores.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True)


def unfold(x, w):
    """u[l] = (x[l], …, x[l + w − 1]), with zeros past the end."""
    padded = np.pad(x, ((0, 0), (0, w - 1), (0, 0)))
    return np.stack([padded[:, i : i + w].reshape(len(x), -1) for i in range(x.shape[1])], 1)


def forward(kit, params, x, mask):
    """Logits, the features, and the window that won for every text and filter, as docs/artefact.md defines them."""
    h, won = [], {}
    for w in kit.model["windows"]:
        u = unfold(x, w)
        responses = np.where(mask[..., None], u @ params[f"conv{w}/kernel"].T, -np.inf)
        best = responses.max(1) + params[f"conv{w}/bias"]
        h.append(np.where(mask.any(1)[:, None], np.maximum(best, 0), 0))
        won[w] = np.take_along_axis(u, responses.argmax(1)[..., None], 1)  # [items, filters, w · dim]
    h = np.concatenate(h, 1)
    return h @ params["output/kernel"] + params["output/bias"], h, won


def gradient(kit, params):
    mask = np.ones(kit.inputs.shape[:2], bool)
    scores, h, won = forward(kit, params, kit.inputs.astype(np.float64), mask)
    back = (softmax(scores) * kit.targets.sum(1, keepdims=True) - kit.targets) / len(h)
    g = {"output/kernel": h.T @ back, "output/bias": back.sum(0)}
    to_h = np.split((back @ params["output/kernel"].T) * (h > 0), len(won), 1)
    for (w, windows), weight in zip(won.items(), to_h):
        g[f"conv{w}/kernel"] = np.einsum("bf,bfk->fk", weight, windows)
        g[f"conv{w}/bias"] = weight.sum(0)
    return g


def train(kit):
    """The schedule of `load_distilled`'s docstring, word by word, in float64."""
    params = {name: value.astype(np.float64) for name, value in kit.params.items()}
    moment, second = dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0)
    name, mu, b2, eps = kit.optimizer
    for t, rates in enumerate(kit.rates, 1):
        g = gradient(kit, params)
        if name == "sgd":
            d = g
        elif name == "momentum":
            d = moment = {k: g[k] + mu * moment[k] for k in g}
        else:
            moment = {k: mu * moment[k] + (1 - mu) * g[k] for k in g}
            second = {k: b2 * second[k] + (1 - b2) * g[k] ** 2 for k in g}
            d = {k: moment[k] / (1 - mu**t) / np.sqrt(second[k] / (1 - b2**t) + eps) for k in g}
        rate = dict(zip(kit.layers, rates))
        params = {k: value - rate[k.split("/")[0]] * d[k] for k, value in params.items()}
    return params


@pytest.mark.parametrize(
    ("optimizer", "targets"), [("sgd", "soft"), ("momentum", "unrestricted"), ("adam", "hard"), ("adam", None)]
)
def test_the_documented_schedule_is_the_packages_own(tmp_path, own_caches, optimizer, targets, toy_artefact):
    from flax.traverse_util import flatten_dict

    from dd_al.evaluation.from_artefact import retrain

    labels = {} if targets is None else {"targets": targets}
    folder = saved(tmp_path, toy_artefact(learner={**LEARNER, "optimizer": optimizer}, **labels))
    learners = retrain(artefacts.load(folder))
    own = flatten_dict(learners.params, sep="/")
    texts = ["a fine film", "do n't", "", "dull dull dull film a a fine nothing", "unknown"]
    for index in range(2):
        kit = dd_al.load_distilled(folder, set=index)
        params = train(kit)
        moved = max(np.abs(params[name] - kit.params[name]).max() for name in own)
        assert moved > 0.05
        for name, value in own.items():
            np.testing.assert_allclose(params[name], value[index], atol=1e-4, err_msg=name)
        scores, *_ = forward(kit, params, *kit.embed(texts))
        np.testing.assert_allclose(scores, learners.logits(texts)[index], atol=1e-3)


def test_fresh_parameters_are_as_documented():
    import jax
    from flax.traverse_util import flatten_dict

    from dd_al.models.text_cnn import text_cnn

    params = flatten_dict(text_cnn(50, 2, windows=(1, 3), filters=400).init(jax.random.key(0)), sep="/")
    for name, value in params.items():
        if name.endswith("bias") or name.startswith("output"):
            assert not value.any()
        else:
            std = value.shape[1] ** -0.5
            assert value.shape == (400, 50 * int(name[4])) and np.std(value) == pytest.approx(std, rel=0.02)
            assert np.abs(value).max() < 2.3 * std  # ±2 before it was scaled to the variance


@pytest.mark.parametrize("targets", ["soft", "hard", "unrestricted"])
def test_it_is_what_load_shows(tmp_path, targets, toy_artefact):
    folder = saved(tmp_path, toy_artefact(targets=targets))
    shown = dd_al.load(folder)
    for index, one in enumerate(shown.sets):
        kit = dd_al.load_distilled(folder / "distilled.safetensors", set=index)
        assert np.array_equal(kit.inputs, one.inputs)
        np.testing.assert_allclose(kit.targets, one.labels, atol=1e-7)
        np.testing.assert_allclose(kit.rates, one.rates, rtol=1e-6)
        arrays = kit.inputs, kit.targets, kit.rates, kit.vectors
        assert all(type(array) is np.ndarray and array.dtype == np.float32 for array in arrays)
        assert all(np.array_equal(kit.params[name], shown.artefact.params[name][index]) for name in kit.params)
    assert kit.labels == shown.labels == ["bad/poor", "fair", "good"]
    assert kit.layers == ("conv1", "conv2", "conv3", "output") and kit.length == LENGTH and kit.init == "known"
    assert kit.optimizer == ("adam", 0.8, 0.95, 1e-4) and kit.model["kind"] == "text_cnn"
    assert (
        kit.model["windows"] == [3, 1, 2]
        and kit.words[2:5] == ("a", "fine", "film")
        and np.array_equal(kit.vectors[0], [0] * DIM)
    )
    assert "3 items of 5 vectors of 4, 3 classes, 4 steps of adam, init='known'" in repr(kit)
    with pytest.raises(dataclasses.FrozenInstanceError):
        kit.inputs = None


def test_further_networks_have_rates_of_their_own(tmp_path, toy_artefact):
    """Their columns come behind those of the set's own network, as `config.distill.also` leaves them."""
    whole = toy_artefact(sets=1, init="random", layers=["hidden", "output"], model={"kind": "averaging"})
    also = {"gru": ["forward"], "rnn": ["output"]}
    whole = dataclasses.replace(whole, spec={**whole.spec, "also": also})
    kit = dd_al.load_distilled(saved(tmp_path, whole))
    rates = np.exp(whole.log_rates[0])
    assert kit.layers == ("hidden", "output") and np.array_equal(kit.rates, rates[:, :2])
    assert list(kit.also) == ["gru", "rnn"] and np.array_equal(kit.also["gru"]["forward"], rates[:, 2])
    assert np.array_equal(kit.also["rnn"]["output"], rates[:, 3])
    np.testing.assert_allclose(dd_al.load(tmp_path).synthetic.rates, kit.rates, rtol=1e-6)


def test_labels_in_their_own_types(tmp_path, toy_artefact):
    kit = dd_al.load_distilled(saved(tmp_path, toy_artefact(labels=[-1, 0.5, True], init="random")))
    assert kit.labels == [-1, 0.5, True] and kit.also == {} and kit.params == {} and kit.init == "random"


def test_texts_are_read_as_the_package_reads_them(tmp_path, toy_artefact):
    from dd_al.models.embedding import embed

    kit = dd_al.load_distilled(saved(tmp_path, toy_artefact()))
    texts = ["A fine FILM", "don't", "", "zebra film a a a a a a"]
    embedded, mask = kit.embed(texts)
    assert embedded.dtype == np.float32 and embedded.shape == (4, LENGTH, DIM) and mask.dtype == bool
    assert mask.sum(1).tolist() == [3, 2, 0, 6]
    ids = np.array([[2, 3, 4, 0, 0, 0], [7, 6, 0, 0, 0, 0], [0] * 6, [1, 4, 2, 2, 2, 2]])
    assert np.array_equal(embedded, kit.vectors[ids]) and not embedded[~mask].any()
    own = embed(kit.vectors, ids)
    assert np.array_equal(own.embedded, embedded) and np.array_equal(own.mask, mask)
    assert kit.embed([])[0].shape == (0, LENGTH, DIM) and kit.embed([])[1].shape == (0, LENGTH)
    assert kit.embed(text for text in texts)[0].shape == (4, LENGTH, DIM)
    with pytest.raises(DataError, match="must be a list, not str"):
        kit.embed("a fine film")
    with pytest.raises(DataError, match=r"texts\[1\] is None \(NoneType\)"):
        kit.embed(["a", None])


def test_jax_is_not_imported(tmp_path, commands, toy_artefact):
    saved(tmp_path, toy_artefact())
    code = (
        "import sys, dd_al\n"
        f"kit = dd_al.load_distilled({str(tmp_path)!r})\n"
        "print(kit.embed(['a fine film'])[0].shape, kit.targets.sum())\n"
        "print([name for name in ('jax', 'flax', 'optax', 'datasets', 'matplotlib') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=commands.environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("index", [2, -1, 0.0, "0", None])
def test_no_such_set(tmp_path, index, toy_artefact):
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}: set = {index!r}: must be an integer from 0 to 1")):
        dd_al.load_distilled(saved(tmp_path, toy_artefact()), set=index)


DAMAGE = {
    "another optimizer": ({"learner": {**LEARNER, "optimizer": "lion"}}, "another version .*'lion'"),
    "another kind of model": ({"model": {"kind": "resnet"}}, "another version .*'resnet'"),
    "other targets": ({"targets": "odd"}, "targets = 'odd': must be one of 'soft', 'hard', 'unrestricted'"),
    "other init": ({"init": "cold"}, "another version .*'cold'"),
    "no settings": ({"learner": 3}, "description is damaged|another version"),
    "labels past the classes": ({"label_map": {"a": 7}}, "label_map has classes that are not below 3"),
    "labels without classes": ({"label_map": [1, 2]}, "description is damaged"),
    "more layers": ({"layers": ["conv1"]}, r"log_rates has the shape \(2, 4, 4\).*need \(2, 4, 1\)"),
    "further layers": ({"also": {"gru": ["output"]}}, r"log_rates has the shape \(2, 4, 4\).*need \(2, 4, 5\)"),
    "fewer labels": ({"labels": [1, 2]}, "2 labels for 3 classes"),
    "no length": ({"length": 0}, "length = 0: must be an integer of at least 1"),
    "no items": ({"items": 0}, r"inputs has the shape \(2, 0, 5, 4\)"),
    "another model": ({"model": {"windows": [3, 1, 2], "filters": 9}}, "output/kernel has the shape .*its model needs"),
    "no parameters": ({"params": {}}, "known, but lacks output/bias"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_named(tmp_path, toy_artefact, damage):
    options, message = DAMAGE[damage]
    saved(tmp_path, toy_artefact(**options))
    with pytest.raises(DataError, match=message) as caught:
        dd_al.load_distilled(tmp_path / "distilled.safetensors")
    assert str(tmp_path / "distilled.safetensors") in str(caught.value)


@pytest.mark.parametrize("name", ["inputs", "label_logits", "log_rates", "vectors"])
def test_numbers_that_are_none_are_refused_by_every_reader(tmp_path, toy_artefact, name):
    artefact = toy_artefact()
    getattr(artefact, name).flat[3] = np.nan
    saved(tmp_path, artefact)
    for read in (dd_al.load, dd_al.load_distilled):
        with pytest.raises(DataError, match=f"distilled.safetensors: {name} holds numbers that are not finite"):
            read(tmp_path)


def test_a_table_of_runs_holds_no_set_itself(tmp_path, toy_artefact):
    (tmp_path / "runs/a-seed0").mkdir(parents=True)
    saved(tmp_path / "runs/a-seed0", toy_artefact())
    with pytest.raises(DataError, match="is a table of several runs; name one, such as .*a-seed0"):
        dd_al.load(tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="cannot read .*none"):
        dd_al.load_distilled(tmp_path / "none")
