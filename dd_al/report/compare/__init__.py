"""The report of a comparison: its results from its points, then tables, pictures, words and files."""
