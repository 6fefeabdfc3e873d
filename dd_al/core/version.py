"""The version of the package, for setup.py too."""

VERSION = "0.1.0"
