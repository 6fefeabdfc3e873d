"""How a command starts JAX, and JAX's own flags."""

import logging
import re
from collections.abc import Sequence

from absl import flags

from dd_al.core.errors import UserError
from dd_al.io import compilation_cache

logger = logging.getLogger(__name__)


def define_jax_flags(argv: Sequence[str]) -> None:
    """Defines JAX's flags, such as `--jax_debug_nans`, if a command line asks for one or for a list of all flags.

    Otherwise JAX, which takes a second to import, is not: `--help` and mistakes are answered at once.
    """
    if any(re.match("--?(no)?jax_|--?helpfull", arg) for arg in argv) and "jax_debug_nans" not in flags.FLAGS:
        import jax

        jax.config.config_with_absl()


def start_jax() -> None:
    """Imports JAX with its persistent compilation cache on, and says what it runs on."""
    import jax

    for name in filter(re.compile("jax_").match, flags.FLAGS):
        if flags.FLAGS[name].present:  # `absl.app.run` has done so already, if it runs the command
            jax.config.update(name, flags.FLAGS[name].value)
    if jax.config.jax_enable_x64:
        logger.warning("jax_enable_x64 is set (JAX_ENABLE_X64); this program computes in single precision all the same")
        jax.config.update("jax_enable_x64", False)
    cache = compilation_cache.enable()
    try:
        devices = jax.devices()
    except (RuntimeError, AssertionError) as error:  # without CUDA's plugin it is an assertion, and says nothing
        wanted, why = jax.config.jax_platforms, f" ({error})" if str(error) else ""
        raise UserError(
            f"JAX finds no device for the platform {wanted!r} (JAX_PLATFORMS){why}. For CUDA install its plugin, pip "
            'install "jax[cuda12]", for a TPU "jax[tpu]"; JAX_PLATFORMS=cpu runs on the CPU'
        ) from error
    logger.info("jax %s on %d %s, cache %s", jax.__version__, len(devices), devices[0].device_kind, cache)
