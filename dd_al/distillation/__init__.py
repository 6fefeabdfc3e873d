"""Distillation: the synthetic set, its objectives, and the outer loop that improves it."""
