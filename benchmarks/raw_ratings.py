"""Ratings files as their publishers write them, as large and as skewed, from a seed: nothing is downloaded."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from scipy.stats import norm

from utils.system.files import written_whole

#: MovieLens 20M (its README): ratings, users and films; ids of films go up to the last number.
ML_RATINGS, ML_USERS, ML_ITEMS, _ML_LAST_ITEM = 20_000_263, 138_493, 26_744, 131_262
#: Amazon Movies & TV, 5-core of 2014: reviews, reviewers, films.
AMAZON_REVIEWS, AMAZON_USERS, AMAZON_ITEMS = 1_697_533, 123_960, 50_052

_STARS = np.arange(1, 11) / 2
_SHARES = np.array([1.2, 3.4, 1.4, 7.2, 4.4, 21.5, 11.0, 27.8, 7.6, 14.5])  # half of all above 3.5, as there
_ROWS = 1 << 21  # written at once
_WORDS, _POOL = 20_000, 4_000_000
_LEVEL = 3  # of gzip: quicker to write than its default
_SYLLABLES = [
    "a", "an", "be", "ca", "co", "de", "di", "en", "er", "es", "fi", "ge", "he", "in", "is", "la",
    "le", "li", "ma", "me", "mo", "na", "ne", "no", "on", "or", "pa", "per", "pro", "ra", "re", "ri",
    "ro", "sa", "se", "si", "so", "sta", "ta", "te", "ter", "the", "ti", "to", "tra", "un", "ver", "vi",
    "wa",
]  # fmt: skip


def write_movielens_csv(path: Path, n_ratings: int = ML_RATINGS, seed: int = 1) -> None:
    """Write ``ratings.csv`` of MovieLens: ``userId,movieId,rating,timestamp``, by user, then film.

    Users and films grow and shrink with ``n_ratings``. Users' numbers of ratings are log-normal with ML-20M's median
    (68) and mean (144), at least 20; films' are log-normal too (a median of about 20 to a mean of 748, the largest
    cut).
    """
    share = n_ratings / ML_RATINGS
    n_users, n_items = max(int(ML_USERS * share), 20), max(int(ML_ITEMS * min(1.0, 20 * share)), 100)
    random = np.random.default_rng(seed)
    counts = 20 + random.lognormal(np.log(48), 1.38, n_users)
    counts = _summing_to(np.minimum(counts, n_items / 3), n_ratings)
    users, items = _distinct_pairs(random, counts, _popularity(random, n_items, 2.8))
    film_ids = 1 + np.sort(random.choice(_ML_LAST_ITEM, n_items, replace=False))
    begun = random.integers(800_000_000, 1_400_000_000, n_users)
    stars = pa.array([f"{value:.1f}" for value in _STARS])
    schema = pa.schema(
        [("userId", pa.int64()), ("movieId", pa.int64()), ("rating", pa.string()), ("timestamp", pa.int64())]
    )
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    with written_whole(path) as temporary, open(temporary, "wb") as stream:
        stream.write((",".join(schema.names) + "\n").encode())
        with pyarrow.csv.CSVWriter(stream, schema, write_options=options) as writer:
            for start in range(0, len(users), _ROWS):
                who, what = users[start : start + _ROWS], items[start : start + _ROWS]
                drawn = random.choice(len(_STARS), len(who), p=_SHARES / _SHARES.sum())
                when = begun[who] + random.integers(0, 1_000_000, len(who))
                writer.write(pa.table([who + 1, film_ids[what], stars.take(pa.array(drawn)), when], schema=schema))


def write_amazon_reviews(path: Path, n_reviews: int = AMAZON_REVIEWS, seed: int = 1) -> None:
    """Write ``reviews_Movies_and_TV_5.json.gz``: one JSON object a line, with a text of about 160 words, by film."""
    share = n_reviews / AMAZON_REVIEWS
    n_users, n_items = max(int(AMAZON_USERS * share), 10), max(int(AMAZON_ITEMS * share), 20)
    random = np.random.default_rng(seed)
    counts = _summing_to(np.minimum(5 + random.lognormal(np.log(2.7), 1.5, n_users), n_items / 3), n_reviews)
    users, items = _distinct_pairs(random, counts, _popularity(random, n_items, 1.3))
    by_item = np.argsort(items, kind="stable")
    columns = (
        users[by_item], items[by_item], _text_slices(random, n_reviews),
        random.choice(5, n_reviews, p=[0.06, 0.06, 0.12, 0.23, 0.53]) + 1,
        random.integers(900_000_000, 1_400_000_000, n_reviews) // 86_400 * 86_400,
    )  # fmt: skip
    with written_whole(path) as temporary, gzip.open(temporary, "wb", compresslevel=_LEVEL) as stream:
        pending = []
        for user, item, text, stars, when in zip(*columns, strict=True):
            day = time.strftime("%m %d, %Y", time.gmtime(when))
            summary = text[:30].rpartition(" ")[0]  # a whole number of words: an escaped quote must not be cut in two
            pending.append(
                f'{{"reviewerID": "A{user * 7919 + 10**12:014X}", "asin": "B{item:09X}", '
                f'"reviewerName": "Reader {user}", "helpful": [0, {stars}], "reviewText": "{text}", '
                f'"overall": {stars}.0, "summary": "{summary}", "unixReviewTime": {when}, "reviewTime": "{day}"}}\n'
            )
            if len(pending) == 1000:
                stream.write("".join(pending).encode())
                pending.clear()
        stream.write("".join(pending).encode())


def _summing_to(counts: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers in the proportions of ``counts`` with the sum ``total``."""
    ends = np.rint(np.cumsum(counts) * (total / counts.sum())).astype(np.int64)
    return np.diff(ends, prepend=0)


def _popularity(random: np.random.Generator, n_items: int, sigma: float) -> np.ndarray:
    """Shares of ``n_items`` in random order, log-normal, none above 0.35 % (MovieLens' most rated film)."""
    shares = np.exp(sigma * norm.ppf((np.arange(n_items) + 0.5) / n_items))
    for _ in range(20):
        shares = np.minimum(shares / shares.sum(), 0.0035)
    return random.permutation(shares / shares.sum())


def _distinct_pairs(
    random: np.random.Generator, counts: np.ndarray, popularity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``counts[u]`` different items for each user u, int64, by user, then item; drawn again where one comes twice."""
    n_items = len(popularity)
    pairs, missing = np.empty(0, dtype=np.int64), counts
    for attempt in range(1_000):
        users = np.repeat(np.arange(len(counts)), missing)
        if not len(users):
            break
        shares = popularity ** (0.9**attempt)  # who has rated what is popular goes on to the rest
        cumulated = np.cumsum(shares / shares.sum())
        items = np.minimum(np.searchsorted(cumulated, random.random(len(users))), n_items - 1)
        pairs = np.unique(np.concatenate([pairs, users * n_items + items]))
        missing = counts - np.bincount(pairs // n_items, minlength=len(counts))
    return pairs // n_items, pairs % n_items


def _text_slices(random: np.random.Generator, n: int):
    """n texts of log-normal length (about 160 words), cut from one long text of a Zipf vocabulary."""
    vocabulary = ["".join(random.choice(_SYLLABLES, size)) for size in random.integers(1, 5, _WORDS)]
    vocabulary[50] = r"\"" + vocabulary[50] + r"\""  # quotes and line ends stand escaped in JSON
    vocabulary[90] += r".\n"
    popularity = 1.0 / (np.arange(_WORDS) + 2.7)
    words = np.searchsorted(np.cumsum(popularity / popularity.sum()), random.random(_POOL))
    text = " ".join(vocabulary[word] for word in np.minimum(words, _WORDS - 1).tolist())
    lengths = np.array([len(word) + 1 for word in vocabulary])[np.minimum(words, _WORDS - 1)]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    sizes = np.clip(random.lognormal(np.log(90), 1.05, n), 5, 4_000).astype(np.int64)
    first = random.integers(0, _POOL - 4_001, n)
    return (text[a : b - 1] for a, b in zip(starts[first].tolist(), starts[first + sizes].tolist(), strict=True))
