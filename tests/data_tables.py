"""Small ratings tables in every format, for the tests of the readers."""

from __future__ import annotations

import io
import zipfile

import pyarrow as pa
import pyarrow.parquet

from data_prep import DataOptions
from data_prep.readers import open_source

#: user, item, rating, timestamp; ids that sort otherwise as text, and one that is no canonical integer
ROWS = [("10", "b", 4.0, 300), ("9", "a", 2.5, 200), ("10", "a", 5.0, 100), ("-1", "007", 3.5, 400)]
USERS, ITEMS = [-1, 9, 10], ["007", "a", "b"]


def read(path, dataset="mine", columns=None):
    return open_source(path, DataOptions(dataset, columns=columns).resolved()).read()


def rows_of(table):
    ratings = [None] * len(table) if table.ratings is None else table.ratings.tolist()
    times = [None] * len(table) if table.timestamps is None else table.timestamps.tolist()
    users, items = table.user_ids[table.users].tolist(), table.item_ids[table.items].tolist()
    return list(zip(users, items, ratings, times, strict=True))


def delimited(separator, header=True, rows=ROWS):
    lines = [separator.join(map(str, row)) for row in rows]
    return "\n".join(([separator.join(("user", "item", "rating", "timestamp"))] if header else []) + lines) + "\n"


def parquet_bytes(**columns):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


def movielens_zip(path, folder, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{folder}/{name.replace('__', '.')}", content)
