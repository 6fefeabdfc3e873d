"""What a run leaves on disk and shows on screen: the work directory, checkpoints, metrics, artefacts, progress."""
