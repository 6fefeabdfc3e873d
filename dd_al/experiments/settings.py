"""Every key of a config, with its default, its bounds and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field

from dd_al.core.errors import ConfigError
from dd_al.core.settings import from_config, override, to_config
from dd_al.data.minilm_files import EncoderSettings
from dd_al.data.sources import DataSettings
from dd_al.data.vectors import VectorSettings
from dd_al.io.artefact import LABELS

OBJECTIVES = ("unrolled", "kernel_regression", "gradient_matching", "distribution_matching")
METHODS = ("full", "distilled", "random")
SCORES = (
    "variation_ratio", "predictive_entropy", "bald", "expected_entropy", "least_confidence", "margin"
)  # fmt: skip
STOPS = ("stable", "certain", "accurate")
QUERIES = (
    "random", *SCORES, "power_bald", "batch_bald", "core_set", "badge", "k_means", "contrastive", "feature_mixing",
    "ret", "rect", "sud",
)  # fmt: skip
CORESETS = ("prototypes", "herding", "k_center", "k_medoids", "support_vectors", "condensed")
SCHEDULES = ("learned", "repeated", "continued", "rising")
KINDS = ("text_cnn", "rnn", "lstm", "gru", "transformer", "averaging")
IMAGE_KINDS = ("lenet", "convnet", "alex_cifar", "mlp")
NETWORKS = {
    "words": KINDS, "sentences": KINDS, "pieces": ("encoder",), "images": IMAGE_KINDS, "rows": ("mlp",)
}  # fmt: skip


def _option(default, help, **limits):
    return field(default=default, metadata={"help": help, **limits})


@dataclass(frozen=True)
class ModelSettings:
    """The network; `config.model`."""

    kind: str = _option(
        "text_cnn",
        "the network: of texts the first six; encoder: a pretrained one, trained on (inputs=pieces); of images the "
        "others, of rows mlp",
        choices=(*KINDS, "encoder", *IMAGE_KINDS),
    )
    windows: tuple[int, ...] = _option((1, 2, 3), "words per window, a group of filters each (text_cnn)", min=1)
    filters: int = _option(64, "filters per window size (text_cnn)", min=1)
    width: int = _option(
        64,
        "size of states, of a transformer's stream, of hidden layers (averaging, mlp; 0: none, a linear model), or "
        "filters of a block (convnet)",
        min=0,
    )
    depth: int = _option(1, "hidden layers (mlp), or blocks (convnet)", min=0)
    weights: str = _option(
        "lecun",
        "what layers of images' and rows' networks begin with: LeCun's normal with an output layer of zeros, or "
        "Glorot's for all",
        choices=("lecun", "xavier"),
    )
    one_logit: bool = _option(False, "one output unit for two classes, their log-odds (mlp)")
    blocks: int = _option(1, "blocks (transformer)", min=1)
    heads: int = _option(4, "attention heads in each block (transformer)", min=1)
    dropout: float = _option(
        0.5, "dropout in the head, and inside an encoder, when training on real data", min=0.0, max=0.99
    )

    def __post_init__(self):
        """Checks between keys."""
        if self.width == 0 and self.kind not in ("averaging", "text_cnn", "lenet", "alex_cifar"):
            why = "set depth to 0 for a linear model" if self.kind == "mlp" else "is for kind = 'averaging'"
            raise ValueError(f"width = 0 with kind = {self.kind!r}: {why}")
        if self.depth == 0 and self.kind == "convnet":
            raise ValueError("depth = 0 is for kind = 'mlp', not 'convnet'")
        if self.one_logit and self.kind != "mlp":
            raise ValueError(f"one_logit is for kind = 'mlp', not {self.kind!r}")
        if self.kind == "transformer" and self.width % self.heads:
            raise ValueError(f"width = {self.width} must be a multiple of heads = {self.heads}")


@dataclass(frozen=True)
class LearnerSettings:
    """The inner optimizer, shared by every method; `config.learner`."""

    optimizer: str = _option("adam", "inner optimizer", choices=("sgd", "momentum", "adam"))
    momentum: float = _option(0.9, "decay of the first moment (momentum, adam)", min=0.0, max=0.9999)
    b2: float = _option(0.999, "decay of the second moment (adam)", min=0.0, max=0.99999)
    eps_root: float = _option(1e-6, "added under adam's square root; positive", min=1e-12)


@dataclass(frozen=True)
class FullSettings:
    """Training on all of the data; `config.full`."""

    epochs: int = _option(5, "passes over the training data", min=1)
    min_steps: int = _option(250, "more epochs than that where they have fewer steps than this in all", min=0)
    batch_size: int = _option(128, "sentences in a minibatch", min=1)
    rate: float = _option(4e-3, "first learning rate, decayed along a half cosine", min=1e-8)
    finetuned: bool = _option(False, "also train learners that tune their word vectors")


@dataclass(frozen=True)
class RandomSettings:
    """Random real subsets of the distilled set's size; `config.random`."""

    steps: tuple[int, ...] = _option((5, 10, 20, 40, 80, 160), "training steps to choose among", min=1)
    dropout: tuple[bool, ...] = _option((False, True), "whether with the model's dropout, to choose among")
    rates: tuple[float, ...] = _option((3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "learning rates to choose among", min=1e-8)


@dataclass(frozen=True)
class CoresetSettings:
    """Instance selection beside the random subsets, trained on like them; `config.coreset`."""

    methods: tuple[str, ...] | None = _option(
        None,
        "what chooses real examples, by all of their labels, or makes means of images and rows; nothing if unset",
        choices=CORESETS,
    )
    features: str = _option(
        "network",
        "what examples are compared by: the features of a learner that was trained on all data, or what networks read",
        choices=("network", "inputs"),
    )


@dataclass(frozen=True)
class DistillSettings:
    """Distillation; `config.distill`."""

    items: int | None = _option(
        None,
        "synthetic examples; 0.1 % of train rounded up to whole classes, or one per class for a known init, if unset",
        min=1,
    )
    steps: int = _option(10, "inner steps", min=1)
    batches: int = _option(
        1, "the items are dealt to so many batches of one size, which the inner steps see in turn", min=1
    )
    iterations: int = _option(1500, "outer steps", min=1)
    length: int | None = _option(
        24, "words of a synthetic sentence (1 for sentence vectors); as the texts if unset", min=1
    )
    candidates: int = _option(64, "random real subsets of which the best is the start", min=1)
    method: str = _option(
        "unrolled",
        "what is minimised: the loss after unrolled training, or a distance without an unroll",
        choices=OBJECTIVES,
    )
    init: str = _option(
        "random",
        "what learners start from: fresh draws, a known one, or a pool of partly trained ones (judged by fresh ones)",
        choices=("random", "known", "pool"),
    )
    pool: int = _option(10, "learners in the pool", min=1)
    pool_age: int = _option(20, "steps of training after which a learner of the pool is replaced", min=1)
    labels: str = _option("soft", "learned labels, or fixed ones", choices=LABELS)
    start: str = _option("real", "what the items start from: real sentences or noise", choices=("real", "noise"))
    also: tuple[str, ...] | None = _option(
        None,
        "further networks that the set must train, with rates of their own: kinds, whose other keys are those of "
        "config.model but for what is written behind, as in mlp:depth=3",
    )
    nets: int = _option(4, "fresh initialisations in an outer step (1 if known)", min=1)
    batch_size: int = _option(256, "real sentences in an outer step", min=1)
    rate: float = _option(0.05, "first rate of the outer Adam", min=1e-8)
    schedule: str = _option("cosine", "how that rate falls", choices=("cosine", "constant"))
    b1: float = _option(0.9, "decay of the outer Adam's first moment", min=0.0, max=0.9999)
    b2: float = _option(0.99, "decay of its second moment", min=0.0, max=0.99999)
    clip: float = _option(0.25, "largest norm of a hypergradient", min=1e-8)
    word_dropout: float = _option(
        0.0, "share of words left out of the real sentences of an outer step", min=0.0, max=0.9
    )
    inner_dropout: bool = _option(False, "whether the learners' dropout is active in the inner steps")
    teacher: float = _option(
        0.0,
        "weight of soft predictions of learners trained on all data (those of config.teach, if set) in real labels",
        min=0.0,
        max=1.0,
    )
    rate_noise: float = _option(
        0.0, "spread of log-normal factors on the rates of every net, so that the set serves other schedules", min=0.0
    )
    flat_rates: float = _option(
        0.0,
        "share of nets that train at one rate for all layers and steps, so that the set serves that, too",
        min=0.0,
        max=1.0,
    )
    shuffled_rates: float = _option(
        0.0,
        "share of nets that follow the steps' rates in random order, so that the set serves that, too",
        min=0.0,
        max=1.0,
    )
    average: float = _option(0.99, "decay of the moving average of the set", min=0.0, max=0.9999)
    inner_rate: float = _option(0.02, "learning rate that every inner step starts from", min=1e-8)
    shared_rates: bool = _option(False, "learn one rate for each inner step, instead of one for each layer in it")
    attention: float = _option(
        0.0, "weight of learned attention labels in the loss on synthetic items (transformer); 0 for none", min=0.0
    )
    label_scale: float = _option(
        2.0, "first log-odds of an item's own class against all others (1 for unrestricted labels)", min=1e-3
    )
    hypergradient: str = _option(
        "full",
        "how training is differentiated",
        choices=("full", "checkpoint", "reverse", "truncated", "random_truncated"),
    )
    window: int | None = _option(None, "inner steps that a truncated hypergradient goes through", min=1)
    segment: int | None = _option(
        None, "inner steps between the states that checkpoint and reverse hold; √steps if unset", min=1
    )
    log_every: int = _option(25, "outer steps between lines of metrics.jsonl", min=1)
    evaluate_every: int = _option(50, "outer steps between looks at validation (and checkpoints)", min=1)

    def __post_init__(self):
        """Checks between keys."""
        if self.init == "pool" and self.nets > self.pool:
            raise ValueError(f"nets = {self.nets} learners cannot be drawn from a pool of pool = {self.pool}")
        unrolled = {
            "hypergradient": self.hypergradient != "full", "rate_noise": self.rate_noise > 0,
            "flat_rates": self.flat_rates > 0, "shuffled_rates": self.shuffled_rates > 0,
            "inner_dropout": self.inner_dropout, "attention": self.attention > 0, "shared_rates": self.shared_rates,
        }  # fmt: skip
        if self.method != "unrolled" and any(unrolled.values()):
            key = next(name for name, given in unrolled.items() if given)
            raise ValueError(f"{key} = {getattr(self, key)!r} is for method = 'unrolled', not {self.method!r}")
        if self.method == "gradient_matching" and self.init != "pool":
            raise ValueError(
                "method = 'gradient_matching' needs init = 'pool': the output layer of a fresh learner is zero, and so "
                "are the gradients of all layers below"
            )
        if self.method in ("gradient_matching", "distribution_matching") and self.labels == "unrestricted":
            raise ValueError(f"method = {self.method!r} needs labels that are shares of classes: 'soft' or 'hard'")
        if self.method != "unrolled" and self.init == "known":
            raise ValueError(f"method = {self.method!r} matches networks in general: init must be 'random' or 'pool'")
        if self.also and self.init == "known":
            raise ValueError("also needs init = 'random': a known initialisation is one network's")
        if self.items and self.items % self.batches:
            raise ValueError(f"items = {self.items} cannot be dealt to batches = {self.batches} of one size")
        if self.batches > self.steps:
            raise ValueError(f"batches = {self.batches}: no inner step would see the last, for steps = {self.steps}")
        if self.batches > 1 and (self.method != "unrolled" or self.init == "pool"):
            raise ValueError(f"batches = {self.batches} needs method = 'unrolled', and init = 'random' or 'known'")
        if self.window and "truncated" not in self.hypergradient:
            raise ValueError(f"window = {self.window} is for a truncated hypergradient, not {self.hypergradient!r}")
        if self.segment and self.hypergradient not in ("checkpoint", "reverse"):
            raise ValueError(f"segment = {self.segment} is for 'checkpoint' and 'reverse', not {self.hypergradient!r}")
        if "truncated" in self.hypergradient and not 1 <= (self.window or 0) <= self.steps:
            raise ValueError(
                f"hypergradient = {self.hypergradient!r} needs window, the inner steps it goes through, between 1 and "
                f"steps = {self.steps}, not {self.window}"
            )


# What suits one known initialisation: a net in each outer step is cheap, validation rises for longer, and so few items
# learn single labels by heart.
KNOWN = {"init": "known", "iterations": 3000, "teacher": 0.5}


@dataclass(frozen=True)
class TransferSettings:
    """A distilled set on other networks and in other ways; `config.transfer`."""

    artefact: str | None = _option(None, "the distilled set: a work directory or a .safetensors file")
    networks: tuple[str, ...] | None = _option(
        ("text_cnn", "lstm", "transformer", "averaging"),
        "networks to try, beside the set's own",
        choices=KINDS,
    )
    widths: tuple[float, ...] | None = _option((0.5, 2.0), "factors of the set's own network's width", min=1e-3)
    init_scales: tuple[float, ...] | None = _option((0.5, 2.0), "factors of the set's own initial weights", min=1e-3)
    full_rates: tuple[float, ...] = _option(
        (1e-3, 4e-3, 1.6e-2), "first rates on all data to choose among, for each network", min=1e-8
    )
    steps: tuple[int, ...] = _option((5, 10, 20, 40, 80, 160, 320), "steps at one rate to choose among", min=1)
    rates: tuple[float, ...] = _option(
        (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1), "rates of Adam to choose among", min=1e-8
    )
    sgd_rates: tuple[float, ...] = _option((0.03, 0.1, 0.3, 1.0, 3.0), "rates of SGD to choose among", min=1e-8)


@dataclass(frozen=True)
class ActiveSettings:
    """Active learning; `config.active`."""

    queries: tuple[str, ...] = _option(
        ("random", "variation_ratio", "predictive_entropy", "bald", "badge"),
        "what chooses the texts to label",
        choices=QUERIES,
    )
    seeds: tuple[int, ...] = _option((0, 1, 2, 3, 4), "a run of every query for each", min=0, max=2**32 - 1)
    rounds: int | None = _option(15, "times that labels are asked for; until all have one if unset", min=1)
    size: int | None = _option(None, "labels in a query; config.active.share of the training data if unset", min=1)
    share: float = _option(0.01, "labels in a query, as a share of the training data", min=1e-6, max=1.0)
    start: str = _option(
        "random",
        "the first labels: random texts, as many of each class as can be, those nearest to centers of clusters, or "
        "given ones",
        choices=("random", "stratified", "k_means", "given"),
    )
    given: str | None = _option(
        None, "JSONL with a row of the source (and a seed) in each line, such as a run's selected.jsonl"
    )
    start_size: int | None = _option(None, "first labels; as in a query if unset", min=1)
    warm: bool = _option(False, "training goes on from the last round; else from the same first weights every round")
    subset: int | None = _option(None, "random texts that a query looks at; all if unset", min=1)
    passes: int = _option(10, "with dropout, over the pool", min=1)
    score: str = _option("predictive_entropy", "what ret, rect and sud start from", choices=SCORES)
    noise: float = _option(0.0, "share of labels that the oracle gets wrong", min=0.0, max=1.0)
    charge_validation: bool = _option(False, "count the labels of validation as asked for, too, in curves and tables")
    stop: str | None = _option(
        None, "rule that ends a query's rounds, once all of its seeds have met it; none by default", choices=STOPS
    )
    stop_agreement: float = _option(
        0.99, "kappa of successive predictions at which asking could stop, a mean over three rounds", min=0.0, max=1.0
    )
    stop_uncertainty: float | None = _option(None, "mean entropy, in nats, below which asking could stop", min=0.0)
    stop_accuracy: float | None = _option(None, "accuracy on validation from which asking could stop", min=0.0, max=1.0)
    steps: int = _option(150, "training steps of a round at least", min=1)
    epochs: int = _option(5, "passes over the labels in a round at least", min=1)
    batch_size: int = _option(32, "texts in a minibatch", min=1)
    rate: float = _option(4e-3, "first learning rate of a round, decayed along a half cosine", min=1e-8)

    def __post_init__(self):
        """Checks between keys."""
        if (self.start == "given") != (self.given is not None):
            raise ValueError(f"start = 'given' and given need each other, not {self.start!r} and {self.given!r}")
        for rule, key in (("certain", "stop_uncertainty"), ("accurate", "stop_accuracy")):
            if self.stop == rule and getattr(self, key) is None:
                raise ValueError(f"stop = {rule!r} needs {key}, which is not set")
        if self.given is not None and self.start_size is not None:
            raise ValueError(f"start_size = {self.start_size}: as many as {self.given} has are given")


@dataclass(frozen=True)
class AnnotateSettings:
    """Active learning with a person who labels; `config.annotate`."""

    labels: tuple[str, ...] | None = _option(None, "those that can be given; those in the file if unset")
    oracle: str = _option("file", "where the person labels", choices=("file", "terminal"))
    format: str = _option("csv", "of the files to fill in", choices=("csv", "jsonl", "label_studio"))
    query: str = _option("badge", "what chooses the texts to label", choices=QUERIES)
    size: int = _option(20, "texts in a round", min=1)
    rounds: int | None = _option(None, "rounds; until all is labelled if unset", min=1)
    partial: bool = _option(False, "go on although texts of the round have no label yet")


@dataclass(frozen=True)
class TableSettings:
    """Several distillations side by side; `config.table`."""

    rows: dict[str, str] | None = _option(
        None,
        "a name for each row, and the keys that its runs change, such as {'SST-5': 'data.name=sst5; distill.items=10'}",
        example="SST-2:data.name=sst2;distill.items=8,SST-5:data.name=sst5",
    )
    seeds: tuple[int, ...] = _option((0, 1, 2), "a run of every row for each", min=0, max=2**32 - 1)
    published: dict[str, str] | None = _option(
        None,
        "accuracies to show beside a row, in per cent, such as {'SST-5': 'full=45.5; distilled=38.0 ± 1.2'}",
        example="SST-2:full=98.59;distilled=87.99;random=62.90",
    )
    source: str | None = _option(None, "where the published numbers are from, and how to read them")


@dataclass(frozen=True)
class StudySettings:
    """Sets for one network or several, on all of them, and along values of keys; `config.study`."""

    networks: tuple[str, ...] | None = _option(
        None, "networks to compare, by names as of config.distill.also; that of config.model if unset"
    )
    matrix: bool = _option(True, "try the sets of each network, and those for all at once, on all networks")
    together: bool = _option(True, "also distil for all of the networks at once")
    restarts: int = _option(10, "distillations of each row of the matrix, side by side", min=1)
    schedules: tuple[str, ...] = _option(
        SCHEDULES, "rates to train networks with on a distilled set, of which the longer ones end by validation",
        choices=SCHEDULES,
    )  # fmt: skip
    longest: int = _option(5, "times as many inner steps as were learned, in the longest schedule", min=1)
    curves: dict[str, str] | None = _option(
        None,
        "a name for each curve, and the keys whose values it goes along, such as {'steps': 'distill.steps=1|10|40'}",
        example="steps:distill.steps=1|10|40",
    )
    curve_restarts: int = _option(2, "distillations of each point of a curve, side by side", min=1)
    workers: int | None = _option(
        None, "rows and points at a time; on a CPU its cores, at most 4, and one elsewhere if unset", min=1
    )
    published: dict[str, str] | None = _option(
        None,
        "accuracies to show beside the matrix, in per cent: a row of networks in the order of the columns",
        example="all at once:85.9 88.1 86.7",
    )


@dataclass(frozen=True)
class TeachSettings:
    """Teachers, and what students learn from them; `config.teach`."""

    network: str | None = _option(
        None, "the teachers', by a name as of config.distill.also; the student's own if unset"
    )
    inputs: str | None = _option(
        None, "what teachers read; as the student if unset", choices=("words", "sentences", "pieces", "images", "rows")
    )
    teachers: int = _option(3, "in the ensemble", min=1)
    epochs: int = _option(20, "passes of theirs over the training data", min=1)
    rate: float = _option(2e-3, "first learning rate of theirs", min=1e-8)
    temperatures: tuple[float, ...] = _option((1.0, 2.0, 4.0), "of soft targets, to choose among", min=1e-3)
    weights: tuple[float, ...] = _option((0.5, 0.9), "of soft targets, to choose among", min=0.0, max=1.0)


@dataclass(frozen=True)
class EvaluateSettings:
    """How methods are judged; `config.evaluate`."""

    split: str = _option("test", "validation while developing; test once, when done", choices=("test", "validation"))
    inits: int | None = _option(None, "unseen initialisations; 10, or 3 known ones, if unset", min=1)
    select_inits: int = _option(10, "initialisations that choose the best outer step", min=1)


@dataclass(frozen=True)
class Settings:
    """A whole config."""

    experiment: str = _option(
        "distill", "the question: distill, train, teach, active, annotate, transfer, study or table"
    )
    seed: int = _option(0, "of everything but the data splits", min=0, max=2**32 - 1)
    inputs: str = _option(
        "words",
        "what networks read: word vectors, one frozen MiniLM vector a text, the word pieces of a pretrained encoder, "
        "images, or rows of numbers",
        choices=("words", "sentences", "pieces", "images", "rows"),
    )
    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    vectors: VectorSettings = field(default_factory=VectorSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    learner: LearnerSettings = field(default_factory=LearnerSettings)
    full: FullSettings = field(default_factory=FullSettings)
    random: RandomSettings = field(default_factory=RandomSettings)
    coreset: CoresetSettings = field(default_factory=CoresetSettings)
    distill: DistillSettings = field(default_factory=DistillSettings)
    active: ActiveSettings = field(default_factory=ActiveSettings)
    annotate: AnnotateSettings = field(default_factory=AnnotateSettings)
    transfer: TransferSettings = field(default_factory=TransferSettings)
    table: TableSettings = field(default_factory=TableSettings)
    study: StudySettings = field(default_factory=StudySettings)
    teach: TeachSettings = field(default_factory=TeachSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)

    def __post_init__(self):
        """Checks between sections."""
        if self.distill.attention and (self.model.kind != "transformer" or self.inputs != "words"):
            raise ValueError(
                f"distill.attention = {self.distill.attention:g} needs model.kind = 'transformer' and inputs = "
                f"'words', not {self.model.kind!r} and {self.inputs!r}"
            )
        for name in self.distill.also or ():
            other = network(self.model, name, "distill.also")
            if other == self.model:
                raise ValueError(f"distill.also = {self.distill.also}: {name!r} is config.model already")
            self._check_network(other, "distill.also")
            self._check_sentences(other)
        read = self.teach.inputs or self.inputs
        if read != self.inputs and not {read, self.inputs} <= {"words", "sentences", "pieces"}:
            raise ValueError(f"teach.inputs = {read!r} is not for inputs = {self.inputs!r}")
        if self.teach.inputs and not self.teach.network:
            raise ValueError(f"teach.inputs = {self.teach.inputs!r} needs teach.network, which is not set")
        if self.teach.network:
            teacher = network(self.model, self.teach.network, "teach.network")
            if teacher.kind not in NETWORKS[read]:
                known = ", ".join(NETWORKS[read])
                raise ValueError(
                    f"teach.network = {self.teach.network!r} does not read inputs = {read!r}; networks that do: {known}"
                )
        for name in self.study.networks or ():
            self._check_network(network(self.model, name, "study.networks"), "study.networks")
        self._check_network(self.model, "model.kind")
        self._check_sentences(self.model)
        if self.full.finetuned and self.inputs != "words":
            raise ValueError(
                f"full.finetuned = True tunes word vectors, and inputs = {self.inputs!r} has none: set it to false"
            )
        if self.inputs in ("images", "rows"):
            if self.experiment not in ("distill", "train", "teach", "table", "study"):
                raise ValueError(f"inputs = {self.inputs!r} is not for experiment = {self.experiment!r}")
            if self.distill.word_dropout:
                raise ValueError(f"distill.word_dropout leaves words out, and inputs = {self.inputs!r} has none")
        elif "prototypes" in (self.coreset.methods or ()):
            raise ValueError(f"coreset.methods: 'prototypes' are means of images or rows, not of {self.inputs}")
        if self.inputs == "sentences" and self.experiment == "annotate":
            raise ValueError("inputs = 'sentences' is not for experiment = 'annotate', which reads words")
        if self.inputs == "pieces" and self.experiment not in ("train", "active"):
            raise ValueError(f"inputs = 'pieces' is for experiment = 'train' and 'active', not {self.experiment!r}")
        if self.experiment == "distill" and self.full.finetuned:
            raise ValueError("full.finetuned = True: only configs/sst_full.py compares tuned word vectors")

    def _check_network(self, model: ModelSettings, key: str):
        """A network reads some kinds of inputs only."""
        if (self.inputs == "pieces") != (model.kind == "encoder"):
            raise ValueError(
                f"inputs = 'pieces' and {key} = 'encoder' need each other, not {self.inputs!r} and {model.kind!r}"
            )
        if model.kind not in (allowed := NETWORKS[self.inputs]):
            raise ValueError(
                f"{key} = {model.kind!r} does not read inputs = {self.inputs!r}; networks that do: {', '.join(allowed)}"
            )

    def _check_sentences(self, model: ModelSettings):
        """A text that is one vector has one word."""
        if self.inputs != "sentences":
            return
        if self.distill.word_dropout:
            raise ValueError("distill.word_dropout leaves words out, and inputs = 'sentences' has none: set it to 0")
        if model.kind == "text_cnn" and max(model.windows) > 1:
            raise ValueError(
                f"inputs = 'sentences' is one vector a text: model.windows = {model.windows} must be 1, or model.kind "
                "'averaging'"
            )


def network(model: ModelSettings, name: str, key: str) -> ModelSettings:
    """The settings of a network by its name: a kind, and what differs from ``model``, as in "mlp:depth=3".

    Args:
        model: what the others of its keys are.
        name: see above.
        key: of the config that holds it, for messages.

    Raises:
        ConfigError: there is no such kind or key, or it cannot have that value.
    """
    kind, *changes = name.split(":")
    config = to_config(model)
    try:
        override(ModelSettings, config, "kind", kind)
        for change in changes:
            override(ModelSettings, config, *(part.strip() for part in change.partition("=")[::2]))
        return from_config(ModelSettings, config)
    except ConfigError as error:
        raise ConfigError(f"config.{key}, {name!r}: {error}") from error
