"""Dataset distillation: the start, the outer loop, and the run around them."""
