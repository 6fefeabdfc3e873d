"""Keys of the network, of how it is trained, and of what it is trained on instead of a distilled set."""

from dataclasses import dataclass

from dd_al.config.pairs import changed, split
from dd_al.config.schema import option
from dd_al.core.errors import named

KINDS = ("text_cnn", "rnn", "lstm", "gru", "transformer", "averaging")
IMAGE_KINDS = ("lenet", "convnet", "alex_cifar", "mlp")
NETWORKS = {"words": KINDS, "sentences": KINDS, "pieces": ("encoder",), "images": IMAGE_KINDS, "rows": ("mlp",)}
INPUTS = tuple(NETWORKS)
OPTIMIZERS = ("sgd", "momentum", "adam")
CORESETS = ("prototypes", "herding", "k_center", "k_medoids", "support_vectors", "condensed")


@dataclass(frozen=True)
class ModelSettings:
    """The network; `config.model`."""

    kind: str = option(
        "text_cnn",
        "the network: of texts the first six, of pieces the pretrained encoder, of images the others, of rows mlp",
        choices=(*KINDS, "encoder", *IMAGE_KINDS),
    )
    windows: tuple[int, ...] = option((1, 2, 3), "words per window, a group of filters each (text_cnn)", min=1)
    filters: int = option(64, "filters per window size (text_cnn)", min=1)
    width: int = option(64, "of states, hidden layers (averaging: 0 for none), streams, or filters of a convnet", min=0)
    depth: int = option(1, "hidden layers (mlp), or blocks (convnet)", min=0)
    weights: str = option(
        "lecun", "LeCun's, with outputs of zero, or Glorot's (images, rows)", choices=("lecun", "xavier")
    )
    one_logit: bool = option(False, "one output unit for two classes, their log-odds (mlp)")
    blocks: int = option(1, "blocks (transformer)", min=1)
    heads: int = option(4, "attention heads in each block (transformer)", min=1)
    dropout: float = option(0.5, "in the head, and inside an encoder, when training on real data", min=0.0, max=0.99)

    def __post_init__(self):
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

    optimizer: str = option("adam", "inner optimizer", choices=OPTIMIZERS)
    momentum: float = option(0.9, "decay of the first moment (momentum, adam)", min=0.0, max=0.9999)
    b2: float = option(0.999, "decay of the second moment (adam)", min=0.0, max=0.99999)
    eps_root: float = option(1e-6, "added under adam's square root; positive", min=1e-12)
    shift: int = option(0, "pixels by which every training step moves the images that it sees, at most", min=0)


@dataclass(frozen=True)
class FullSettings:
    """Training on all of the data; `config.full`."""

    epochs: int = option(5, "passes over the training data", min=1)
    min_steps: int = option(250, "more epochs than that where they have fewer steps than this in all", min=0)
    batch_size: int = option(128, "sentences in a minibatch", min=1)
    rate: float = option(4e-3, "first learning rate, decayed along a half cosine", min=1e-8)
    finetuned: bool = option(False, "also train learners that tune their word vectors")


@dataclass(frozen=True)
class RandomSettings:
    """Random real subsets of the distilled set's size; `config.random`."""

    steps: tuple[int, ...] = option((5, 10, 20, 40, 80, 160), "training steps to choose among", min=1)
    dropout: tuple[bool, ...] = option((False, True), "whether with the model's dropout, to choose among")
    rates: tuple[float, ...] = option((3e-4, 1e-3, 3e-3, 1e-2, 3e-2), "learning rates to choose among", min=1e-8)


@dataclass(frozen=True)
class CoresetSettings:
    """Instance selection beside the random subsets, trained on like them; `config.coreset`."""

    methods: tuple[str, ...] | None = option(
        None, "what chooses real examples, by all of their labels, or makes means of images and rows", choices=CORESETS
    )
    features: str = option(
        "network", "compares examples by features of a learner of all data, or by inputs", choices=("network", "inputs")
    )


def network(model: ModelSettings, name: str, key: str) -> ModelSettings:
    """The settings of a network by its name: a kind, and `:key=value` for what differs from `model`, as "mlp:depth=3".

    A ConfigError names `key`, the key of the config that holds the name, and what does not exist or is not allowed.
    """
    kind, colon, rest = name.partition(":")
    changes = [(key, value) for key, _, value in split(rest, ":")] if colon else []
    with named(f"config.{key}, {name!r}"):
        return changed(model, [("kind", kind), *changes])
