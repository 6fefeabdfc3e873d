"""What costs are counted: operations of steps, of answers, and of a whole distillation."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dd_al.distillation.starts import starting_sets
from dd_al.evaluation import costs


def test_a_product_has_two_operations_for_each_of_its_terms():
    assert costs.flops(lambda a, b: a @ b, jnp.ones((3, 5)), jnp.ones((5, 7))) == pytest.approx(2 * 3 * 5 * 7)


def test_steps_grow_with_their_examples(make_tiny_task):
    task = make_tiny_task()
    few, many = costs.real_step(task, 4), costs.real_step(task, 8)
    assert 1.3 * few < many < 2.1 * few  # the optimizer's part stays
    assert costs.minibatch_step(task, 8) > 0


def test_passes_repeat_the_head_alone(make_tiny_task):
    task = make_tiny_task()
    once, twice, thrice = (costs.answering(task, passes) for passes in (1, 2, 3))
    assert thrice - twice == pytest.approx(twice - once) and 0 < twice - once < once


def test_a_distillation_has_as_many_steps_as_it_says(make_tiny_task, tiny_settings):
    task, settings = make_tiny_task(), tiny_settings().distill
    settings = replace(settings, candidates=1)  # nothing is tried before

    def count(**changes):
        changed = replace(settings, **changes)
        synthetic = jax.tree.map(lambda x: x[0], starting_sets(task, changed, 2, 1)[0])
        return costs.distilling(task, changed, synthetic, 0).flops

    # Outer steps count as often as there are, and so do inner ones on top of what has no unroll.
    assert count(iterations=6) == pytest.approx(2 * count(iterations=3))
    one, two, four = (count(steps=steps, iterations=1, evaluate_every=9) for steps in (1, 2, 4))
    assert two - one == pytest.approx((four - two) / 2, rel=1e-3)
    assert np.isnan(count(method="kernel_regression"))


@pytest.mark.slow
def test_a_loop_that_is_written_out_costs_what_is_extrapolated(make_tiny_task, tiny_settings):
    """XLA counts the body of a scan once: the rule for the rest is checked against inner steps without a scan."""
    from dd_al.core.losses import cross_entropy
    from dd_al.distillation.synthetic import as_batch, rates
    from dd_al.learner.examples import minibatch
    from dd_al.learner.learner import logits

    task = make_tiny_task()
    settings = replace(tiny_settings().distill, candidates=1, iterations=1, evaluate_every=9, steps=3)
    synthetic = jax.tree.map(lambda x: x[0], starting_sets(task, settings, 4, 1)[0])
    states = jax.vmap(task.learner.init)(jax.random.split(jax.random.key(0), settings.nets))
    real = minibatch(task.train, task.embed, jax.random.key(1), jnp.int32(0), settings.batch_size)

    def loss(synthetic):
        def one(state):
            for step in range(settings.steps):
                state = task.learner.train_step(None, state, as_batch(synthetic), rates(synthetic)[step])
            return logits(task.learner.model, state.params, real)

        z = jax.vmap(one)(states)
        return cross_entropy(z, jnp.broadcast_to(real.targets, z.shape))

    written_out = costs.flops(jax.grad(loss), synthetic)
    extrapolated = costs.distilling(task, settings, synthetic, 0).flops
    # The scan computes cheap parts again on its way back.
    assert 0.9 * written_out < extrapolated < 1.6 * written_out
