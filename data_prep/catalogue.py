"""The known data sets: files, published filters, where they come from, the counts a correct preparation gives.

Filters and counts: Liang et al. 2018 (arXiv 1802.05814), section 4.1, table 1 and the published notebook; the
dual-framework study of 2020 for Amazon. A checksum or size stands here only where its publisher states it or we
have verified it; where it is None, the SHA-256 of what arrived is computed, shown and recorded instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_GROUPLENS = "for research; not to be redistributed or used commercially without permission (GroupLens, {readme})"
_MOVIELENS_20M = _GROUPLENS.format(readme="https://files.grouplens.org/datasets/movielens/ml-20m-README.html")
_MOVIELENS_1M = _GROUPLENS.format(readme="https://files.grouplens.org/datasets/movielens/ml-1m-README.txt")
_MOVIELENS_100K = _GROUPLENS.format(readme="https://files.grouplens.org/datasets/movielens/ml-100k-README.txt")
_NCF = "https://raw.githubusercontent.com/hexiangnan/neural_collaborative_filtering/master/Data/"


@dataclass(frozen=True)
class Download:
    """A file that anyone may fetch: its address and whatever its publisher says of it.

    ``size`` is in bytes; ``sha256`` and ``md5`` are hexadecimal; each is None where it is not known for certain.
    """

    url: str
    licence: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def filename(self) -> str:
        """The name of the file in the cache: the last part of the address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class DataSet:
    """A known data set.

    Parameters
    ----------
    name, title : str
        Its name on the command line, and in full.
    formats : tuple of str
        The layouts its source may have (names of ``data_prep.readers.published.LAYOUTS``).
    min_rating, min_user_click, min_item_click, test_users_size
        The published filter and held-out size, the defaults of ``DataOptions``.
    downloads : tuple of Download
        What ``--download`` fetches; empty where the set is not freely downloadable.
    by_hand : str
        Where to get it otherwise.
    expected : mapping
        Counts that the published options must give; keys as in a manifest's ``counts``. ``items`` may be met by the
        items of the training users where ``items_either`` says so.
    rounded : int
        ``events`` is known to this precision only.
    """

    name: str
    title: str
    formats: tuple[str, ...]
    min_rating: float | None
    test_users_size: float | int
    min_user_click: int = 5
    min_item_click: int = 0
    downloads: tuple[Download, ...] = ()
    by_hand: str = ""
    expected: Mapping[str, int] = field(default_factory=dict)
    items_either: bool = False
    rounded: int = 1


_ALL = (
    DataSet(
        name="movielens",
        title="MovieLens 20M",
        formats=("movielens-csv",),
        min_rating=3.5,
        test_users_size=10_000,
        downloads=(
            Download(
                url="https://files.grouplens.org/datasets/movielens/ml-20m.zip",
                md5="cd245b17a1ae2cc31bb14903e1204af3",
                licence=_MOVIELENS_20M,
            ),
        ),
        expected={
            "events": 9_990_682,
            "users": 136_677,
            "items": 20_720,
            "training_users": 116_677,
            "training_events": 8_538_846,
            "training_items": 20_108,
            "validation_users": 10_000,
            "validation_held_out_events": 142_514,
            "test_users": 10_000,
            "test_held_out_events": 139_775,
        },
    ),
    DataSet(
        name="movielens-1m",
        title="MovieLens 1M",
        formats=("movielens-dat",),
        min_rating=3.5,
        test_users_size=0.1,
        downloads=(
            Download(
                url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
                md5="c4d9eecfca2ab87c1945afe126590906",
                licence=_MOVIELENS_1M,
            ),
        ),
        expected={
            "events": 575_272,
            "users": 6_034,
            "items": 3_533,
            "training_users": 4_828,
            "training_events": 462_561,
            "training_items": 3_497,
            "validation_users": 603,
            "test_users": 603,
        },
    ),
    DataSet(
        name="movielens-100k",
        title="MovieLens 100K",
        formats=("movielens-tab", "movielens-inter"),
        min_rating=3.5,
        test_users_size=0.1,
        downloads=(
            Download(
                url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
                md5="0e33842e24a9c977be4e0107933c0723",
                licence=_MOVIELENS_100K,
            ),
        ),
        expected={  # counted from the table whose SHA-256 is checked
            "events": 55_361,
            "users": 938,
            "items": 1_447,
            "training_users": 752,
            "training_events": 44_415,
            "training_items": 1_417,
            "validation_users": 93,
            "test_users": 93,
        },
    ),
    DataSet(
        name="amazon",
        title="Amazon Movies & TV, 5-core, 2014",
        formats=("amazon-json", "amazon-csv"),
        min_rating=None,
        test_users_size=0.1,
        downloads=(
            Download(
                url="http://snap.stanford.edu/data/amazon/productGraph/categoryFiles/reviews_Movies_and_TV_5.json.gz",
                licence="no licence is stated; please cite McAuley et al. (http://jmcauley.ucsd.edu/data/amazon/)",
            ),
        ),
        expected={
            "events": 1_697_533,
            "users": 123_960,
            "items": 50_052,
            "training_users": 99_168,
            "training_items": 50_049,
            "validation_users": 12_396,
            "test_users": 12_396,
        },
    ),
    DataSet(
        name="netflix",
        title="Netflix Prize",
        formats=("netflix",),
        min_rating=3.5,
        test_users_size=40_000,
        by_hand="its publisher has withdrawn it; a folder with mv_*.txt or combined_data_*.txt is what is read",
        expected={"events": 56_900_000, "users": 463_435, "items": 17_769},
        items_either=True,
        rounded=100_000,
    ),
    DataSet(
        name="msd",
        title="Million Song Dataset, Taste Profile",
        formats=("msd",),
        min_rating=None,
        min_user_click=20,
        min_item_click=200,
        test_users_size=50_000,
        downloads=(
            Download(
                url="http://millionsongdataset.com/sites/default/files/challenge/train_triplets.txt.zip",
                licence="for research, non-commercial (The Echo Nest Taste Profile, http://millionsongdataset.com)",
            ),
        ),
        expected={"events": 33_600_000, "users": 571_355, "items": 41_140},
        items_either=True,
        rounded=100_000,
    ),
    DataSet(
        name="pinterest",
        title="Pinterest-20 (as He et al. 2017, NCF, publish it)",
        formats=("pinterest",),
        min_rating=None,
        test_users_size=0.1,
        downloads=tuple(
            Download(
                url=f"{_NCF}pinterest-20.{part}.rating",
                licence="published with the code of NCF (Apache-2.0); data of Geng et al. 2015",
            )
            for part in ("train", "test")
        ),
    ),
)

#: The known data sets, by the name the command line takes.
DATASETS: Mapping[str, DataSet] = {each.name: each for each in _ALL}
