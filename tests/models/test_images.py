"""Networks over images and rows: convolutions against XLA's, the sizes of the papers, and what they begin with."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.core.errors import ConfigError
from dd_al.learner.learner import layers
from dd_al.models.dense import mlp
from dd_al.models.images import convolve, image_network, pool

pytestmark = pytest.mark.usefixtures("own_caches")

# channels, filters, size, padding: the first two by whole rows of pixels, the others by windows.
CONVOLUTIONS = [(1, 6, 5, 2), (6, 16, 5, 0), (3, 64, 5, 2), (8, 32, 3, 1)]


def by_xla(images, kernel, size, padding):
    kernel = kernel.reshape(size, size, images.shape[-1], -1)
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize(("channels", "filters", "size", "padding"), CONVOLUTIONS)
def test_convolutions_are_those_of_xla(channels, filters, size, padding):
    images, kernel = (
        jax.random.normal(jax.random.key(i), shape)
        for i, shape in enumerate([(2, 9, 7, channels), (size * size * channels, filters)])
    )

    def value(convolve):
        return lambda images, kernel: jnp.sum(jnp.sin(convolve(images, kernel, size, padding)))

    ours, theirs = (jax.jit(jax.value_and_grad(value(f), (0, 1)))(images, kernel) for f in (convolve, by_xla))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), ours, theirs)


def test_a_convolution_by_hand():
    image = jnp.arange(9.0).reshape(1, 3, 3, 1)
    kernel = jnp.array([[1.0], [10.0], [100.0], [1000.0]])  # upper left, upper right, lower left, lower right
    # Of 0 1 / 3 4: 0 + 10 + 300 + 4000.
    expected = [[4310, 5421], [7643, 8754]]
    np.testing.assert_allclose(convolve(image, kernel, 2, 0)[0, ..., 0], expected)


def test_pooling_leaves_out_an_odd_edge():
    image = jnp.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(pool(image)[0, ..., 0], [[6, 8]])
    np.testing.assert_array_equal(pool(image, jnp.mean)[0, ..., 0], [[3, 5]])


@pytest.mark.parametrize(
    ("kind", "shape", "parameters"),
    [
        ("lenet", (28, 28, 1), 61_706),  # LeCun et al. 1998, with padding: as every reimplementation counts them
        ("convnet", (28, 28, 1), 308_746),
        ("convnet", (32, 32, 3), 320_010),  # Zhao et al. 2021
        ("alex_cifar", (32, 32, 3), 1_756_426),
    ],
)
def test_networks_have_the_sizes_of_the_papers(kind, shape, parameters):
    model = image_network(kind, shape, 10)
    params = jax.eval_shape(model.init, jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(params)) == parameters
    assert "output" in layers(model)


def test_the_convnet_normalises_each_image_and_channel_alone():
    model = image_network("convnet", (8, 8, 2), 3, width=4, depth=2)
    params = model.init(jax.random.key(0))
    images = jax.random.normal(jax.random.key(1), (3, 8, 8, 2))
    together = jax.jit(model.features)(params, images)
    alone = jnp.concatenate([jax.jit(model.features)(params, image[None]) for image in images])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    brighter = jax.jit(model.features)(params, 5 * images)  # without biases in the first block: the norm undoes it
    np.testing.assert_allclose(together, brighter, rtol=1e-2, atol=1e-3)


def test_images_that_are_too_small():
    with pytest.raises(ConfigError, match="'lenet': halves images 2 times and needs 12 × 12 pixels; these have 8 × 8"):
        image_network("lenet", (8, 8, 1), 10)


def test_layers_of_an_mlp_and_what_they_begin_with():
    model = mlp((4,), 3, width=5, depth=2)
    params = model.init(jax.random.key(0))
    assert {name: value["kernel"].shape for name, value in params.items()} == {
        "hidden1": (4, 5), "hidden2": (5, 5), "output": (5, 3)
    }  # fmt: skip
    assert not params["output"]["kernel"].any()
    drawn = mlp((400,), 200, width=300, depth=1, weights="xavier").init(jax.random.key(0))
    for name, fans in (("hidden1", 700), ("output", 500)):
        np.testing.assert_allclose(drawn[name]["kernel"].std(), (2 / fans) ** 0.5, rtol=0.02)
    assert list(mlp((4,), 3, depth=0).init(jax.random.key(0))) == ["output"]


def test_one_logit_is_logistic_regression():
    model = mlp((2,), 2, depth=0, weights="xavier", one_logit=True)
    params = model.init(jax.random.key(0))
    rows = jax.random.normal(jax.random.key(1), (5, 2))
    odds = rows @ params["output"]["kernel"] + params["output"]["bias"]
    probabilities = jax.nn.softmax(model.apply(params, rows))
    np.testing.assert_allclose(probabilities[:, 1:], jax.nn.sigmoid(odds), rtol=1e-6)


def test_an_mlp_reads_images_as_rows():
    model = mlp((3, 2, 1), 2, depth=1, weights="xavier")
    params, images = model.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (4, 3, 2, 1))
    h = jax.nn.relu(images.reshape(4, 6) @ params["hidden1"]["kernel"] + params["hidden1"]["bias"])
    expected = h @ params["output"]["kernel"] + params["output"]["bias"]
    np.testing.assert_allclose(model.apply(params, images), expected, rtol=1e-5, atol=1e-6)


def test_few_rows_are_multiplied_as_many_are():
    model = mlp((2,), 2, width=10, depth=2, weights="xavier")
    params = model.init(jax.random.key(0))
    rows = jax.random.normal(jax.random.key(1), (400, 2))

    def total(params, rows, weights):
        return jnp.sum(weights[:, None] * jnp.sin(model.apply(params, rows)))

    few = jax.grad(total, (0, 1))(params, rows[:5], jnp.ones(5))
    many = jax.grad(total, (0, 1))(params, rows, (jnp.arange(400) < 5).astype(float))
    np.testing.assert_allclose(model.apply(params, rows[:5]), model.apply(params, rows)[:5], atol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), few[0], many[0])
    np.testing.assert_allclose(few[1], many[1][:5], atol=1e-6)
