"""Texts, images and rows of numbers: sources, splits, words and word vectors (no JAX).

What cannot be found, read or used is a `DataError`, whose message names file and line where it can, and what to do.
"""
