"""Text classification data: sources, splits, words and word vectors (numpy only)."""
