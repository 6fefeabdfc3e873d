"""Keys of distillation."""

from dataclasses import dataclass

from dd_al.config.schema import option

LABELS = ("soft", "hard", "unrestricted")
OBJECTIVES = ("unrolled", "kernel_regression", "gradient_matching", "distribution_matching")
INITS = ("random", "known", "pool")
HYPERGRADIENTS = ("full", "checkpoint", "reverse", "truncated", "random_truncated")


@dataclass(frozen=True)
class DistillSettings:
    """Distillation; `config.distill`."""

    examples: int | None = option(
        None,
        "synthetic ones; 0.1 % of train in whole classes, or one of each for a known init, if unset",
        min=1,
        was="items",
    )
    steps: int = option(10, "inner steps", min=1)
    batches: int = option(1, "the examples are dealt to so many batches, which inner steps see in turn", min=1)
    iterations: int = option(1500, "outer steps", min=1)
    length: int | None = option(24, "words of a synthetic sentence (1 of sentence vectors); as texts if unset", min=1)
    candidates: int = option(64, "random real subsets of which the best is the start", min=1)
    method: str = option(
        "unrolled", "minimises the loss after an unroll, or a distance without one", choices=OBJECTIVES
    )
    init: str = option(
        "random", "learners start fresh, from a known draw, or from a partly trained pool", choices=INITS
    )
    pool: int = option(10, "learners in the pool", min=1)
    pool_age: int = option(20, "steps of training after which a learner of the pool is replaced", min=1)
    labels: str = option("soft", "learned labels, or fixed ones", choices=LABELS)
    start: str = option("real", "what the examples start from", choices=("real", "noise"))
    also: tuple[str, ...] | None = option(
        None,
        "further networks that the set must train, by rates of their own: lstm, or mlp:depth=3 where a key differs",
    )
    nets: int = option(4, "fresh initialisations in an outer step (1 if known)", min=1)
    batch_size: int = option(256, "real sentences in an outer step", min=1)
    rate: float = option(0.05, "first rate of the outer Adam", min=1e-8)
    schedule: str = option("cosine", "how that rate falls", choices=("cosine", "constant"))
    b1: float = option(0.9, "decay of the outer Adam's first moment", min=0.0, max=0.9999)
    b2: float = option(0.99, "decay of its second moment", min=0.0, max=0.99999)
    clip: float = option(0.25, "largest norm of a hypergradient", min=1e-8)
    teacher: float = option(0.0, "weight in real labels of predictions by learners of all data", min=0.0, max=1.0)
    rate_noise: float = option(0.0, "spread of log-normal factors on rates, for a set that serves other ones", min=0.0)
    average: float = option(0.99, "decay of the moving average of the set", min=0.0, max=0.9999)
    inner_rate: float = option(0.02, "learning rate that every inner step starts from", min=1e-8)
    inner_schedule: str = option("constant", "how these fall along the inner steps", choices=("constant", "cosine"))
    rate_map: str = option("exp", "inner rates move by shares, or, once large, by amounts", choices=("exp", "softplus"))
    shared_rates: bool = option(False, "learn one rate for each inner step, instead of one for each layer in it")
    attention: float = option(0.0, "weight of learned attention labels in the inner loss (transformer)", min=0.0)
    label_scale: float = option(2.0, "first log-odds of an example's own class (1 for unrestricted labels)", min=1e-3)
    hypergradient: str = option("full", "how training is differentiated", choices=HYPERGRADIENTS)
    window: int | None = option(None, "inner steps that a truncated hypergradient goes through", min=1)
    log_every: int = option(25, "outer steps between lines of metrics.jsonl", min=1)
    evaluate_every: int = option(50, "outer steps between looks at validation (and checkpoints)", min=1)

    def __post_init__(self):
        unrolled, truncated = self.method == "unrolled", "truncated" in self.hypergradient
        if self.init == "pool" and self.nets > self.pool:
            raise ValueError(f"nets = {self.nets} learners cannot be drawn from a pool of pool = {self.pool}")
        default = {"hypergradient": "full", "rate_noise": 0, "attention": 0, "shared_rates": False, "rate_map": "exp"}
        given = next((key for key, value in default.items() if getattr(self, key) != value), None)
        if given and not unrolled:
            raise ValueError(f"{given} = {getattr(self, given)!r} is for method = 'unrolled', not {self.method!r}")
        if self.method == "gradient_matching" and self.init != "pool":
            raise ValueError(
                "method = 'gradient_matching' needs init = 'pool': the output layer of a fresh learner is zero, and so "
                "are the gradients of all layers below"
            )
        if self.method in OBJECTIVES[2:] and self.labels == "unrestricted":
            raise ValueError(f"method = {self.method!r} needs labels that are shares of classes: 'soft' or 'hard'")
        if not unrolled and self.init == "known":
            raise ValueError(f"method = {self.method!r} matches networks in general: init must be 'random' or 'pool'")
        if self.also and self.init == "known":
            raise ValueError("also needs init = 'random': a known initialisation is one network's")
        if self.examples and self.examples % self.batches:
            raise ValueError(f"examples = {self.examples} cannot be dealt to batches = {self.batches} of one size")
        if self.batches > self.steps:
            raise ValueError(f"batches = {self.batches}: no inner step would see the last, for steps = {self.steps}")
        if self.batches > 1 and (not unrolled or self.init == "pool"):
            raise ValueError(f"batches = {self.batches} needs method = 'unrolled', and init = 'random' or 'known'")
        if self.window and not truncated:
            raise ValueError(f"window = {self.window} is for a truncated hypergradient, not {self.hypergradient!r}")
        if truncated and not 1 <= (self.window or 0) <= self.steps:
            raise ValueError(
                f"hypergradient = {self.hypergradient!r} needs window, the inner steps it goes through, between 1 and "
                f"steps = {self.steps}, not {self.window}"
            )


# What suits one known initialisation: a net in each outer step is cheap, validation rises for longer, and so few items
# learn single labels by heart.
KNOWN = {"init": "known", "iterations": 3000, "teacher": 0.5}
