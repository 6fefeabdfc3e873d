"""Word vectors from counts: what stands beside a word, and which documents it stands in.

Two views of the same text are factorised and set side by side. Words that share *neighbours* are alike in use; words
that share *documents* are alike in topic and tone, which is what a sentiment classifier asks for.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

_OVERSAMPLE, _POWER_ITERATIONS = 20, 3
_FIRST_WORD = 2  # rows 0 and 1 are padding and the unknown word


class Text(NamedTuple):
    """A corpus as ids of words, ``int32[tokens]``, and the document of each token, ``int32[tokens]``, ascending."""

    words: np.ndarray
    documents: np.ndarray


def count_vectors(text: Text, size: int, dim: int, *, window: int = 5, document_share: float = 0.5) -> np.ndarray:
    """Vectors of unit length for so many words, ``float32[size, dim]``; those that were never counted get zero.

    The ``document_share`` of the columns comes from documents, the others from neighbours within the ``window``.
    """
    of_documents = round(dim * document_share)
    views = []
    if dim > of_documents:
        views.append(factorise(ppmi(neighbour_counts(text, size, window)), dim - of_documents))
    if of_documents:
        views.append(factorise(ppmi(document_counts(text, size)), of_documents))
    return _unit(np.concatenate([_unit(view) for view in views], axis=1))


def _unit(table: np.ndarray) -> np.ndarray:
    return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)


def neighbour_counts(text: Text, size: int, window: int) -> sp.csr_matrix:
    """How often words stand within ``window`` of each other, at distance d counting 1/d, ``float32[size, size]``."""
    total = sp.csr_matrix((size, size), dtype=np.float32)
    known = text.words >= _FIRST_WORD
    for distance in range(1, window + 1):
        left, right = slice(None, -distance), slice(distance, None)
        same = (text.documents[left] == text.documents[right]) & known[left] & known[right]
        rows, columns = text.words[left][same], text.words[right][same]
        weights = np.full(len(rows), 1 / distance, np.float32)
        total = total + sp.coo_matrix((weights, (rows, columns)), shape=(size, size)).tocsr()
    return (total + total.T).tocsr()


def document_counts(text: Text, size: int) -> sp.csr_matrix:
    """How often each word stands in each document, ``float32[size, documents]``."""
    known = text.words >= _FIRST_WORD
    count = int(text.documents[-1]) + 1 if len(text.documents) else 0
    ones = np.ones(int(known.sum()), np.float32)
    return sp.coo_matrix((ones, (text.words[known], text.documents[known])), shape=(size, count)).tocsr()


def ppmi(counts: sp.csr_matrix, smoothing: float = 0.75) -> sp.csr_matrix:
    """Positive pointwise mutual information of words with contexts (Levy, Goldberg & Dagan 2015, eqs. 3 and 5)."""
    counts = counts.tocoo()
    words = np.asarray(counts.sum(1)).ravel()
    contexts = np.asarray(counts.sum(0)).ravel() ** smoothing
    contexts /= max(contexts.sum(), 1e-12)
    values = np.log(counts.data / (words[counts.row] * contexts[counts.col]))
    keep = values > 0
    indices = (counts.row[keep], counts.col[keep])
    return sp.csr_matrix((values[keep].astype(np.float32), indices), shape=counts.shape)


def factorise(matrix: sp.csr_matrix, dim: int, weight: float = 0.5) -> np.ndarray:
    """U Σ^weight of a truncated SVD, ``float32[rows, dim]``; columns past the rank of the matrix are zero.

    Randomised (Halko et al. 2011, algorithm 4.4) with a fixed seed.
    """
    rank = min(dim + _OVERSAMPLE, *matrix.shape)
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], rank)).astype(np.float32)
    basis = np.linalg.qr(matrix @ start)[0]
    for _ in range(_POWER_ITERATIONS):
        basis = np.linalg.qr(matrix.T @ basis)[0]
        basis = np.linalg.qr(matrix @ basis)[0]
    u, s, _ = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    u = basis @ u
    # The sign of a singular vector is arbitrary; its largest entry is made positive.
    u *= np.sign(u[np.abs(u).argmax(0), np.arange(u.shape[1])])
    out = np.zeros((matrix.shape[0], dim), np.float32)
    out[:, : min(dim, rank)] = (u * s**weight)[:, :dim]
    return out
