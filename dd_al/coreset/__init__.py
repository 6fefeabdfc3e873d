"""Instance selection: which real examples stand for all of them, when every label is known."""
