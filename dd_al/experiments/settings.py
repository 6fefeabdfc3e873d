"""Every key of a config, with its default, its bounds and what it means."""

from __future__ import annotations

from dataclasses import dataclass, field

from dd_al.config.active import ActiveSettings, AnnotateSettings
from dd_al.core.settings import option
from dd_al.data.minilm_files import EncoderSettings
from dd_al.data.sources import DataSettings
from dd_al.data.vectors import VectorSettings
from dd_al.experiments.compare.settings import CompareSettings
from dd_al.experiments.distill.settings import DistillSettings
from dd_al.experiments.learner_settings import (
    KINDS,
    NETWORKS,
    CoresetSettings,
    FullSettings,
    LearnerSettings,
    ModelSettings,
    RandomSettings,
    network,
)

METHODS = ("full", "distilled", "random")
SCHEDULES = ("learned", "repeated", "continued", "rising")


@dataclass(frozen=True)
class TransferSettings:
    """A distilled set on other networks and in other ways; `config.transfer`."""

    artefact: str | None = option(None, "the distilled set: a work directory or a .safetensors file")
    networks: tuple[str, ...] | None = option(
        ("text_cnn", "lstm", "transformer", "averaging"),
        "networks to try, beside the set's own",
        choices=KINDS,
    )
    widths: tuple[float, ...] | None = option((0.5, 2.0), "factors of the set's own network's width", min=1e-3)
    init_scales: tuple[float, ...] | None = option((0.5, 2.0), "factors of the set's own initial weights", min=1e-3)
    full_rates: tuple[float, ...] = option(
        (1e-3, 4e-3, 1.6e-2), "first rates on all data to choose among, for each network", min=1e-8
    )
    steps: tuple[int, ...] = option((5, 10, 20, 40, 80, 160, 320), "steps at one rate to choose among", min=1)
    rates: tuple[float, ...] = option(
        (1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1), "rates of Adam to choose among", min=1e-8
    )
    sgd_rates: tuple[float, ...] = option((0.03, 0.1, 0.3, 1.0, 3.0), "rates of SGD to choose among", min=1e-8)


@dataclass(frozen=True)
class TableSettings:
    """Several distillations side by side; `config.table`."""

    rows: dict[str, str] | None = option(
        None,
        "a name for each row, and the keys that its runs change, such as {'SST-5': 'data.name=sst5; distill.items=10'}",
        example="SST-2:data.name=sst2;distill.items=8,SST-5:data.name=sst5",
    )
    seeds: tuple[int, ...] = option((0, 1, 2), "a run of every row for each", min=0, max=2**32 - 1)
    published: dict[str, str] | None = option(
        None,
        "accuracies to show beside a row, in per cent, such as {'SST-5': 'full=45.5; distilled=38.0 ± 1.2'}",
        example="SST-2:full=98.59;distilled=87.99;random=62.90",
    )
    source: str | None = option(None, "where the published numbers are from, and how to read them")


@dataclass(frozen=True)
class StudySettings:
    """Sets for one network or several, on all of them, and along values of keys; `config.study`."""

    networks: tuple[str, ...] | None = option(
        None, "networks to compare, by names as of config.distill.also; that of config.model if unset"
    )
    matrix: bool = option(True, "try the sets of each network, and those for all at once, on all networks")
    together: bool = option(True, "also distil for all of the networks at once")
    restarts: int = option(10, "distillations of each row of the matrix, side by side", min=1)
    schedules: tuple[str, ...] = option(
        SCHEDULES, "rates to train networks with on a distilled set, of which the longer ones end by validation",
        choices=SCHEDULES,
    )  # fmt: skip
    longest: int = option(5, "times as many inner steps as were learned, in the longest schedule", min=1)
    curves: dict[str, str] | None = option(
        None,
        "a name for each curve, and the keys whose values it goes along, such as {'steps': 'distill.steps=1|10|40'}",
        example="steps:distill.steps=1|10|40",
    )
    curve_restarts: int = option(2, "distillations of each point of a curve, side by side", min=1)
    workers: int | None = option(
        None, "rows and points at a time; on a CPU its cores, at most 4, and one elsewhere if unset", min=1
    )
    published: dict[str, str] | None = option(
        None,
        "accuracies to show beside the matrix, in per cent, in the order of the networks: of a row by its learned "
        "rates, of 'ROW longer' by a longer schedule, of 'all data'",
        example="all at once:85.9 88.1 86.7",
    )
    source: str | None = option(None, "where the published numbers are from, and how to read them")


@dataclass(frozen=True)
class TeachSettings:
    """Teachers, and what students learn from them; `config.teach`."""

    network: str | None = option(None, "the teachers', by a name as of config.distill.also; the student's own if unset")
    inputs: str | None = option(
        None, "what teachers read; as the student if unset", choices=("words", "sentences", "pieces", "images", "rows")
    )
    teachers: int = option(3, "in the ensemble", min=1)
    epochs: int = option(20, "passes of theirs over the training data", min=1)
    rate: float = option(2e-3, "first learning rate of theirs", min=1e-8)
    temperatures: tuple[float, ...] = option((1.0, 2.0, 4.0), "of soft targets, to choose among", min=1e-3)
    weights: tuple[float, ...] = option((0.5, 0.9), "of soft targets, to choose among", min=0.0, max=1.0)


@dataclass(frozen=True)
class EvaluateSettings:
    """How methods are judged; `config.evaluate`."""

    split: str = option("test", "validation while developing; test once, when done", choices=("test", "validation"))
    inits: int | None = option(None, "unseen initialisations; 10, or 3 known ones, if unset", min=1)
    select_inits: int = option(10, "initialisations that choose the best outer step", min=1)


@dataclass(frozen=True)
class Settings:
    """A whole config."""

    experiment: str = option(
        "distill", "the question: distill, train, teach, active, annotate, transfer, study, table or compare"
    )
    seed: int = option(0, "of everything but the data splits", min=0, max=2**32 - 1)
    tensorboard: bool = option(False, "write metrics.jsonl for TensorBoard, too, into events/; needs tensorboardX")
    inputs: str = option(
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
    compare: CompareSettings = field(default_factory=CompareSettings)
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
        for key in ("study", "compare"):
            for name in getattr(self, key).networks or ():
                self._check_network(network(self.model, name, f"{key}.networks"), f"{key}.networks")
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
        if self.learner.shift and self.inputs != "images":
            raise ValueError(
                f"learner.shift = {self.learner.shift} moves images, and inputs = {self.inputs!r} has none"
            )
        if self.learner.shift and self.distill.init == "known":
            raise ValueError(
                f"learner.shift = {self.learner.shift} needs distill.init = 'random' or 'pool': a known initialisation "
                "would know where the images go"
            )
        if self.inputs not in ("images", "rows") and "prototypes" in (self.coreset.methods or ()):
            raise ValueError(f"coreset.methods: 'prototypes' are means of images or rows, not of {self.inputs}")
        if self.coreset.methods and self.experiment == "study":
            raise ValueError("coreset.methods: a study has no rows of real examples; set it to none")
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
