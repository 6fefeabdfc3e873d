"""Checkpoints: every bit back, whatever kills the process and whatever breaks the latest one."""

import gc
import logging
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dd_al.core.errors import WorkdirError
from dd_al.io import checkpoint

# Orbax drops half-done reads when one fails; Python remarks on them whenever the garbage is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collect_garbage():
    yield
    gc.collect()


class State(NamedTuple):
    key: jax.Array
    params: dict[str, jax.Array]
    optimizer: Any
    step: jax.Array
    nothing: None = None


def state_of(seed):
    keys = jax.random.split(jax.random.key(seed), 3)
    params = {
        "w": jax.random.normal(keys[0], (3, 4)),
        "half": jax.random.normal(keys[1], (5,), jnp.bfloat16).at[0].set(jnp.nan).at[1].set(-0.0),
    }
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    return State(keys, params, optimizer.init(params), jnp.int32(seed))


def blank():
    return jax.tree.map(lambda leaf: leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf * 0, state_of(0))


def bits(state):
    def leaf_bits(leaf):
        typed_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return str(leaf.dtype), leaf.shape, np.asarray(jax.random.key_data(leaf) if typed_key else leaf).tobytes()

    return jax.tree.structure(state), [leaf_bits(leaf) for leaf in jax.tree.leaves(state)]


def steps_in(folder):
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())


def test_a_whole_state_comes_back_bit_for_bit(tmp_path):
    state = state_of(3)
    checkpoint.save(tmp_path / "c", 10, state, {"best": 0.5, "at": np.int32(7), "curve": [1, 2]})
    step, restored, meta = checkpoint.restore_latest(tmp_path / "c", blank())
    assert step == 10 and meta == {"best": 0.5, "at": 7, "curve": [1, 2]}
    assert bits(restored) == bits(state)
    assert bits(checkpoint.restore_latest(tmp_path / "c", jax.eval_shape(lambda: state))[1]) == bits(state)


def test_the_last_two_stay_and_a_saved_step_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for step in (1, 2, 3):
        checkpoint.save("c", step, state_of(step), {})
    checkpoint.save("c", 3, state_of(9), {})
    assert steps_in(tmp_path / "c") == [2, 3]
    assert bits(checkpoint.restore_latest("c", blank())[1]) == bits(state_of(3))


def test_nothing_saved_is_none(tmp_path):
    assert checkpoint.restore_latest(tmp_path / "missing", blank()) is None
    (tmp_path / "empty").mkdir()
    assert checkpoint.restore_latest(tmp_path / "empty", blank()) is None


def files_of(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_any_damage_to_the_latest_falls_back_to_the_one_before(tmp_path, caplog):
    """Each file of the latest checkpoint in turn is emptied: never a wrong state, never a crash."""
    checkpoint.save(tmp_path / "0", 2, state_of(2), {"at": 2})
    fell_back = 0
    for index in range(len(files_of(tmp_path / "0" / "2"))):
        folder = tmp_path / f"c{index}"
        for step in (1, 2):
            checkpoint.save(folder, step, state_of(step), {"at": step})
        names = files_of(folder / "2")  # Orbax writes one data file more or less, as its threads happen to meet
        damaged = names[index % len(names)]
        (folder / "2" / damaged).write_bytes(b"")
        caplog.clear()
        step, restored, meta = checkpoint.restore_latest(folder, blank())
        assert meta == {"at": step} and bits(restored) == bits(state_of(step)), damaged
        if step == 1:
            fell_back += 1
            assert "cannot restore the checkpoint of step 2" in caplog.text
            checkpoint.save(folder, 2, state_of(2), {"at": 2})  # the damaged one does not stand in the way
            assert bits(checkpoint.restore_latest(folder, blank())[1]) == bits(state_of(2))
    assert fell_back


def test_a_template_of_another_shape_is_an_error_that_deletes_nothing(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state_of(step), {})
    other = blank()._replace(params={"w": jnp.zeros((3, 5)), "half": jnp.zeros(5, jnp.bfloat16)})
    with pytest.raises(WorkdirError, match=f"no checkpoint in {tmp_path} can be restored .*--overwrite"):
        checkpoint.restore_latest(tmp_path, other)
    assert steps_in(tmp_path) == [1, 2]


SAVE_FOREVER = """
import sys, itertools, jax, jax.numpy as jnp
from dd_al.io import checkpoint
last = checkpoint.restore_latest(sys.argv[1], {"x": jnp.zeros((100, 1000)), "key": jax.random.key(0)})
if last:
    step, state, meta = last
    assert bool((state["x"] == step).all()) and meta == {"step": step}, (step, meta)
print("started", last[0] if last else 0, flush=True)
for step in itertools.count(last[0] + 1 if last else 1):
    state = {"x": jnp.full((100, 1000), step, jnp.float32), "key": jax.random.key(0)}
    checkpoint.save(sys.argv[1], step, state, {"step": step})
    print(step, flush=True)
"""


def test_kill_9_at_any_moment_loses_no_completed_save(tmp_path):
    rng, completed = random.Random(0), 0
    for _ in range(4):
        command = [sys.executable, "-c", SAVE_FOREVER, tmp_path]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"}
        ) as child:
            started = child.stdout.readline().split()
            assert started and started[0] == "started" and int(started[1]) >= completed
            saved = int(child.stdout.readline())  # one at least, however busy the machine
            time.sleep(rng.random() * 0.2)  # and then any moment
            child.send_signal(signal.SIGKILL)
            lines = [line for line in child.stdout.read().split("\n")[:-1] if line]
        completed = int(lines[-1]) if lines else saved
    template = {"x": jnp.zeros((100, 1000)), "key": jax.random.key(0)}
    step, state, _ = checkpoint.restore_latest(tmp_path, template)
    assert step >= completed > 0 and bool((state["x"] == step).all())
    checkpoint.save(tmp_path, step + 1, state, {})
    assert all(path.name.isdigit() for path in tmp_path.iterdir())  # what the killed ones left is gone


def test_saving_is_quick_and_quiet(tmp_path, caplog):
    state = {f"layer{i}": jnp.ones((100, 420)) for i in range(30)}  # 5 MB
    checkpoint.save(tmp_path, 0, state, {})
    with caplog.at_level(logging.INFO):
        began = time.process_time()  # what else runs on this machine does not count
        checkpoint.save(tmp_path, 1, state, {})
        seconds = time.process_time() - began
    assert seconds < 2.0  # measured 0.07
    assert not caplog.records
