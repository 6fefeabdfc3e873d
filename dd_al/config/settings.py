"""Every key of a config, with its default, its bounds and what it means."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, ClassVar

from dd_al.config.active import ActiveSettings, AnnotateSettings
from dd_al.config.data import DataSettings, EncoderSettings, VectorSettings
from dd_al.config.distill import DistillSettings
from dd_al.config.learner import (
    INPUTS,
    NETWORKS,
    CoresetSettings,
    FullSettings,
    LearnerSettings,
    ModelSettings,
    RandomSettings,
    network,
)
from dd_al.config.schema import is_retired, option
from dd_al.config.sweeps import CompareSettings, StudySettings, TableSettings, TransferSettings
from dd_al.core.files import flattened, jsonable


@dataclass(frozen=True)
class EvaluateSettings:
    """How methods are judged; `config.evaluate`."""

    split: str = option("test", "validation while developing; test once, when done", choices=("test", "validation"))
    inits: int | None = option(None, "unseen initialisations; 10, or 3 known ones, if unset", min=1)
    select_inits: int = option(10, "initialisations that choose the best outer step", min=1)


# Keys that version 0.1 had: what they always are now, as JSON has it, and what to do for another value.
_COUNTED = "word vectors are always counted so"
_NO_GAIN = "it gave no gain: docs/results.md"
RETIRED = {
    "data.phrases": (False, "train on sentences alone, or give a file of your own"),
    "data.points": (1500, "give points of your own by data.dir"),
    "data.noise": (0.05, "give points of your own by data.dir"),
    "vectors.window": (5, _COUNTED),
    "vectors.smoothing": (0.75, _COUNTED),
    "vectors.shift": (1.0, _COUNTED),
    "vectors.weight": (0.5, _COUNTED),
    "vectors.document_share": (0.5, _COUNTED),
    "vectors.scale": (0.5, _COUNTED),
    "distill.word_dropout": (0.0, _NO_GAIN),
    "distill.inner_dropout": (False, _NO_GAIN),
    "distill.flat_rates": (0.0, _NO_GAIN),
    "distill.shuffled_rates": (0.0, _NO_GAIN),
    "distill.segment": (None, "every square root of the inner steps is held"),
    "active.warm": (False, "every round trains from the first weights"),
    "active.score": ("predictive_entropy", "ret, rect and sud go by predictive entropy"),
    "active.share": (0.01, "set active.size"),
    "active.given": (None, "set active.start to another choice"),
    "active.charge_validation": (False, "the report has the labels of validation beside the others"),
    "active.stop_agreement": (0.99, "set active.thresholds, as in stable:0.99"),
    "active.stop_uncertainty": (None, "set active.thresholds, as in certain:0.2"),
    "active.stop_accuracy": (None, "set active.thresholds, as in accurate:0.8"),
    "study.together": (True, "a study always distils for all networks at once, too"),
    "study.schedules": (["learned", "repeated", "continued", "rising"], "all four are tried"),
    "study.longest": (5, "longer schedules have up to five times the learned steps"),
    "teach": (
        {
            "network": None,
            "inputs": None,
            "teachers": 3,
            "epochs": 20,
            "rate": 0.002,
            "temperatures": [1.0, 2.0, 4.0],
            "weights": [0.5, 0.9],
        },
        "run python -m examples.knowledge_distillation",
    ),  # fmt: skip
}


@dataclass(frozen=True)
class Settings:
    """A whole config."""

    RETIRED: ClassVar = RETIRED
    experiment: str = option("distill", "distill, train, active, annotate, transfer, study, table or compare")
    seed: int = option(0, "of everything but the data splits", min=0, max=2**32 - 1)
    tensorboard: bool = option(False, "write metrics.jsonl for TensorBoard, too, into events/; needs tensorboardX")
    inputs: str = option(
        "words",
        "what networks read: word vectors, a frozen MiniLM vector, pieces of an encoder, images, or rows of numbers",
        choices=INPUTS,
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
    compare: CompareSettings = field(default_factory=CompareSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)

    def __post_init__(self):
        inputs, experiment, model, shift = self.inputs, self.experiment, self.model, self.learner.shift
        if self.distill.attention and (model.kind, inputs) != ("transformer", "words"):
            raise ValueError(
                f"distill.attention = {self.distill.attention:g} needs model.kind = 'transformer' and inputs = 'words'"
                f", not {model.kind!r} and {inputs!r}"
            )
        for key in ("distill.also", "study.networks", "compare.networks"):
            section, leaf = key.split(".")
            for name in getattr(getattr(self, section), leaf) or ():
                other = network(model, name, key)
                if key == "distill.also" and other == model:
                    raise ValueError(f"distill.also = {self.distill.also}: {name!r} is config.model already")
                self._check_network(other, key)
        self._check_network(model, "model.kind")
        if self.full.finetuned and inputs != "words":
            raise ValueError(
                f"full.finetuned = True tunes word vectors, and inputs = {inputs!r} has none: set it false"
            )
        if self.full.finetuned and experiment == "distill":
            raise ValueError("full.finetuned = True: only configs/sst_full.py compares tuned word vectors")
        if shift and inputs != "images":
            raise ValueError(f"learner.shift = {shift} moves images, and inputs = {inputs!r} has none")
        if shift and self.distill.init == "known":
            raise ValueError(
                f"learner.shift = {shift} needs distill.init = 'random' or 'pool': a known initialisation would know "
                "where the images go"
            )
        if self.coreset.methods and experiment == "study":
            raise ValueError("coreset.methods: a study has no rows of real examples; set it to none")
        if inputs not in ("images", "rows") and "prototypes" in (self.coreset.methods or ()):
            raise ValueError(f"coreset.methods: 'prototypes' are means of images or rows, not of {inputs}")
        if inputs in ("images", "rows") and experiment not in ("distill", "train", "table", "study"):
            raise ValueError(f"inputs = {inputs!r} is not for experiment = {experiment!r}")
        if inputs == "sentences" and experiment == "annotate":
            raise ValueError("inputs = 'sentences' is not for experiment = 'annotate', which reads words")
        if inputs == "pieces" and experiment not in ("train", "active"):
            raise ValueError(f"inputs = 'pieces' is for experiment = 'train' and 'active', not {experiment!r}")

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
        trained = key in ("model.kind", "distill.also")
        if trained and self.inputs == "sentences" and model.kind == "text_cnn" and max(model.windows) > 1:
            raise ValueError(
                f"inputs = 'sentences' is one vector a text: model.windows = {model.windows} must be 1, or model.kind "
                "'averaging'"
            )


def recorded(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a recorded config by `"config.SECTION.KEY"`, as this version would have recorded them.

    A key has its name of today, and its default where it was not there yet; one that is gone is left out if it had what
    always holds now.
    """
    sections = {one.name: one.default_factory for one in fields(Settings) if one.default_factory is not MISSING}
    renamed = {
        f"config.{name}.{key.metadata['was']}": f"config.{name}.{key.name}"
        for name, section in sections.items()
        for key in fields(section)
        if "was" in key.metadata
    }
    found = {}
    for one in (asdict(Settings()), config):
        for name, value in one.items():
            inner = value if name in sections and isinstance(value, Mapping) else {"": value}
            for key, leaf in jsonable(inner).items():
                path = f"config.{name}.{key}".removesuffix(".")
                if not is_retired(Settings, path, leaf):
                    found |= flattened(leaf, renamed.get(path, path))
    return found
