from dd_al.core.settings import parse_variant, to_config
from dd_al.experiments.settings import Settings


def get_config(arg=None):
    given = parse_variant(
        arg, {"items": int, "soft": int, "init": ("known", "random"), "network": ("lenet", "convnet", "mlp")}
    )
    config = to_config(Settings())
    config.inputs = "images"
    config.data.name = "mnist"
    config.model.kind = given.get("network", "lenet")
    config.model.dropout = 0.0
    config.distill.init = given.get("init", "known")
    config.distill.items = given.get("items", 10)
    config.full.epochs = 20
    config.full.rate = 2e-3
    return config
