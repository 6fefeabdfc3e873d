"""Golden results: the numbers of a toy run of every experiment stay what they are while the code around them moves.

`golden.json` holds, for each case, a hash of every number that a run leaves behind (scores, curves, the distilled sets,
the texts that were bought) and a few of the numbers themselves. On a machine whose floats round as those of the machine
that wrote the file do, the hashes must be equal; elsewhere the numbers must be close. A change that is meant to move
them says so in its commit, and writes the file again:

    python tests/test_golden.py [CASE ...]
"""

import contextlib
import hashlib
import io
import json
import math
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dd_al import main
from dd_al.io.tensors import read_safetensors

pytestmark = [pytest.mark.usefixtures("own_caches"), pytest.mark.slow]
HERE = Path(__file__).parent
GOLDEN = HERE / "golden.json"
CONFIGS = HERE.parent / "configs"
SHOWN = 40  # numbers of a case that are kept beside its hash
# Numbers that follow the clock, the machine or the version, not the arithmetic.
CLOCK = (
    "time",
    "seconds",
    "memory",
    "command",
    "versions",
    "device",
    "environment",
    "bytes",
    "flop",
    "dataset",
    "costs",
)

WORDS = {
    "data.source": "local", "data.max_train": 15, "vectors.corpus": "train", "vectors.dim": 8, "model.windows": 2,
    "model.filters": 4, "model.width": 4, "full.epochs": 1, "full.min_steps": 0, "random.rates": 0.01,
    "random.steps": 2, "distill.steps": 3, "distill.iterations": 4, "distill.nets": 2, "distill.pool": 3,
    "distill.batch_size": 8, "distill.log_every": 1, "distill.evaluate_every": 2, "evaluate.inits": 2,
    "evaluate.select_inits": 2, "active.size": 2, "active.rounds": 2, "active.passes": 2, "active.steps": 3,
    "active.epochs": 1,
}  # fmt: skip
ARRAYS = {
    "full.epochs": 2, "full.min_steps": 20, "random.steps": 5, "random.rates": 0.1, "random.dropout": "false",
    "distill.iterations": 10, "distill.log_every": 5, "distill.evaluate_every": 10, "evaluate.inits": 2,
    "evaluate.select_inits": 2, "data.max_train": 60,
}  # fmt: skip
MOONS = ARRAYS | {"distill.examples": 12, "distill.batches": 3, "distill.steps": 7}
TRIED = {
    "transfer.networks": "averaging", "transfer.widths": 0.5, "transfer.init_scales": 2, "transfer.rates": 0.01,
    "transfer.sgd_rates": 0.1, "transfer.steps": "1,2", "transfer.full_rates": 0.01,
}  # fmt: skip
# A case: the config with its variant, and what it changes. `transfer` tries the set of another case.
CASES = {
    "random": ("smoke.py", WORDS),
    "known": ("sst_distill.py:init=known", WORDS),
    "hard labels, checkpoint, noisy rates": (
        "smoke.py",
        WORDS | {"distill.labels": "hard", "distill.hypergradient": "checkpoint", "distill.rate_noise": 0.3},
    ),
    "random truncation, momentum": (
        "smoke.py",
        WORDS
        | {"distill.hypergradient": "random_truncated", "distill.window": 2, "learner.optimizer": "momentum"},
    ),
    "two networks": ("smoke.py", WORDS | {"distill.also": "averaging"}),
    "attention": (
        "smoke.py",
        WORDS | {"model.kind": "transformer", "model.heads": 2, "distill.attention": 1, "distill.length": 5},
    ),
    "kernel": ("sst_methods.py:method=kernel_regression", WORDS),
    "gradients": ("sst_methods.py:method=gradient_matching", WORDS),
    "distributions": ("sst_methods.py:method=distribution_matching", WORDS),
    "train": ("sst_full.py", WORDS),
    "active": (
        "sst_active.py",
        WORDS
        | {"active.queries": "random,variation_ratio,bald,badge,batch_bald,contrastive,rect", "active.seeds": "3,5"},
    ),
    "transfer": ("sst_transfer.py", WORDS | TRIED),
    "table": (
        "smoke.py",
        WORDS | {"experiment": "table", "table.rows": "one:distill.steps=2,two:distill.steps=3", "table.seeds": "0,1"},
    ),
    "compare": (
        "sst_compare.py:quick=true",
        WORDS
        | {
            "compare.methods": "full,random,herding,predictive_entropy,distilled,distilled_bought",
            "compare.budgets": "1/class,30%", "compare.distil_up_to": "1/class", "compare.bought": "30%",
            "compare.noise": 0.2, "compare.varied_at": "30%", "compare.networks": "averaging",
            "compare.transfer_at": "1/class", "random.steps": "1,2", "active.steps": 2,
        },
    ),
    "sentences": ("sst_minilm.py", WORDS),
    "active over sentences": (
        "sst_active.py", WORDS | {"inputs": "sentences", "model.kind": "averaging", "active.queries": "random,core_set"}
    ),
    "pieces": ("smoke.py", WORDS | {"experiment": "train", "inputs": "pieces", "model.kind": "encoder"}),
    "rows": ("moons.py:layers=2", MOONS | {"coreset.methods": "herding,k_medoids,prototypes"}),
    "study": (
        "moons.py:study=all",
        MOONS
        | {
            "study.networks": "mlp:depth=0,mlp:depth=1", "study.published": "none", "study.restarts": 2,
            "study.curve_restarts": 1,
            "study.curves": "inner steps:distill.steps=1|2; distill.examples=4|8; distill.batches=1|2",
        },
    ),
    "images": ("images_distill.py", ARRAYS | {"distill.steps": 3, "distill.nets": 1, "model.width": 4}),
}  # fmt: skip


def write_images(folder: Path) -> Path:
    """Two classes of small pictures, a folder each."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for c in range(2):
        (folder / f"c{c}").mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 120, (12, 12, 3)) + 100 * np.eye(2)[c].repeat(6)[:, None, None]
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"c{c}/{i}.png")
    return folder


def run(name: str, folder: Path, given: dict[str, Path]) -> Path:
    """Runs a case and returns its work directory; `given` holds what cases read, made when it is wanted first."""
    config, changes = CASES[name]
    workdir = folder / name.replace(" ", "_").replace(",", "")
    changes = dict(changes)
    if changes.get("data.source") == "local":
        changes["data.dir"] = given["texts"]
    if config == "images_distill.py":
        changes["data.dir"] = given["images"]
    if "sentences" in name or name == "pieces":
        changes["encoder.dir"] = given["encoder"]
    if name == "transfer":
        changes["transfer.artefact"] = run("two networks", folder / "first", given)
    flags = [f"--config.{key}={value}" for key, value in changes.items()]
    log = io.StringIO()
    with contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        code = main.main(["main", f"--config={CONFIGS / config}", f"--workdir={workdir}", *flags])
    assert code == 0, log.getvalue()
    return workdir


def numbers(value: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number of parsed JSON with the keys that lead to it, but for those of `CLOCK`."""
    last = path.rpartition("/")[2]
    if any(word in last for word in CLOCK) or last.endswith("_s"):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers(item, f"{path}/{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from numbers(item, f"{path}/{i}" if isinstance(item, dict) else path)
    elif isinstance(value, float) and math.isfinite(value):
        yield path, value


def summary(workdir: Path) -> dict[str, object]:
    """The hash of a finished run's numbers, whatever they are called and wherever they lie, and the first of them."""
    results = json.loads((workdir / "results.json").read_text())
    found = [value for _, value in numbers(results)]
    digest = hashlib.sha256(np.sort(np.asarray(found)).tobytes())
    for path in sorted(workdir.glob("*.safetensors")):
        for array in sorted(array.tobytes() for array in read_safetensors(path).values()):
            digest.update(hashlib.sha256(array).digest())
    if (selected := workdir / "selected.jsonl").exists():
        rows = sorted(json.loads(line).get("row", 0) for line in selected.read_text().split("\n") if line)
        digest.update(json.dumps(rows).encode())
    every = max(1, len(found) // SHOWN)
    return {"hash": digest.hexdigest()[:32], "count": len(found), "numbers": sorted(found)[::every]}


def machine() -> dict[str, str]:
    """What decides how floats are rounded: the versions, and what the processor can do."""
    import jax

    flags = ""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    kind = hashlib.sha256(flags.encode()).hexdigest()[:16]
    return {"jax": jax.__version__, "numpy": np.__version__, "platform": platform.machine(), "processor": kind}


@pytest.fixture(scope="module")
def given(write_reviews, write_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    return {
        "texts": write_reviews(folder / "texts", 2),
        "images": write_images(folder / "images"),
        "encoder": write_encoder(folder / "encoder"),
    }


def test_no_experiment_is_missing():
    """Annotation asks a person; what it computes is what `active` does."""
    from dd_al.experiments import EXPERIMENTS

    changed = {changes.get("experiment") for _, changes in CASES.values()}
    assert EXPERIMENTS.keys() <= changed | {"distill", "active", "annotate", "transfer", "study", "compare"}


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_golden(name, given, tmp_path, request):
    golden = json.loads(GOLDEN.read_text())
    found = summary(run(name, tmp_path, given))
    if request.config.getoption("--write_golden"):
        golden["machine"], golden["cases"][name] = machine(), found
        GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
        return
    expected = golden["cases"][name]
    assert found["count"] == expected["count"], "another number of numbers"
    if machine() == golden["machine"]:
        np.testing.assert_array_equal(found["numbers"], expected["numbers"])
        assert found["hash"] == expected["hash"]
    else:
        np.testing.assert_allclose(found["numbers"], expected["numbers"], rtol=0.05, atol=0.05)


if __name__ == "__main__":
    chosen = [f"{__file__}::test_numbers_are_golden[{name}]" for name in sys.argv[1:]] or [__file__]
    sys.exit(pytest.main(["-m", "slow", "-p", "no:cacheprovider", "-q", "--write_golden", *chosen]))
