"""Every key of a config: its default, its bounds and what it means."""
