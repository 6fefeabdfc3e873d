"""What the package's commands share: absl's flags, config files, exit codes, and how logging and JAX start."""
