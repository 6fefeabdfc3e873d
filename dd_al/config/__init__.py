"""Every key of a config: its default, its bounds and what it means; checks, and configs made out of configs.

A config file needs three names: ``to_config(Settings())`` to edit, and ``parse_variant`` for what follows its name.
"""

from dd_al.config.pairs import parse_variant
from dd_al.config.schema import from_config, to_config
from dd_al.config.settings import Settings

__all__ = ["Settings", "from_config", "parse_variant", "to_config"]
