"""A few small settings of every model, by model and name: what the contracts (``test_contract_*.py``) try it with.

The first is the plainest; expensive contracts take that one alone.
"""

_DEEP = {"p_dims": (5, 9, 13), "dropout_enc": (0.5, 0.2, 0.1), "dropout_dec": (0.3, 0.1, 0.2)}
_MULT = {
    "two layers": {"p_dims": (6, 11)},
    "one layer": {"p_dims": (7,), "dropout_enc": (0.5,), "dropout_dec": (0.0,)},
    "three layers, dropout everywhere": _DEEP,
    "another encoder": {"p_dims": (6, 11), "q_dims": (9, 8, 6)},
    "gaussian": {"p_dims": (6, 11), "likelihood": "gaussian"},
    "gaussian, dropout everywhere": {**_DEEP, "likelihood": "gaussian", "confidence": 5.0},
    "logistic": {"p_dims": (6, 11), "likelihood": "logistic"},
    "logistic, dropout everywhere": {**_DEEP, "likelihood": "logistic"},
}

TINY = {
    "vae": _MULT,
    "dae": _MULT,
    "cdae": {
        "five units": {"hidden": 5},
        "tied, with a penalty": {"hidden": 4, "tied": True, "l2": 0.1},
        "all items, for users without a node": {
            "hidden": 6,
            "no_user_node": True,
            "scenario": "strong",
            "negatives": 0,
            "l2": 0.05,
        },
        "square loss, gaussian noise": {
            "hidden": 5,
            "likelihood": "gaussian",
            "confidence": 2.0,
            "corruption": "gaussian",
            "negatives": 2,
        },
    },
    "recvae": {
        "seven units": {"hidden": 7, "latent": 4},
        "three, as the second published code": {
            "hidden": 3,
            "latent": 5,
            "gamma": 0.05,
            "dropout": 0.2,
            "deviations": ("small_epsilon", "own_start"),
        },
    },
    "popularity": {"plain": {}},
    "itemknn": {"five": {"k": 5}, "shrunk": {"k": 9, "shrink": 20.0}, "all": {"k": 200}},
    "rp3beta": {"five": {"k": 5}, "likelier steps": {"k": 9, "rp3_alpha": 0.7, "rp3_beta": 0.3}, "its own": {}},
    "slim": {"few": {"slim_alpha": 0.01, "tol": 1e-14}, "lasso": {"slim_alpha": 2e-3, "l1_ratio": 1.0, "tol": 1e-14}},
    "ials": {
        "five factors": {"factors": 5, "l2": 3.0, "iterations": 4},
        "every click alike": {"factors": 3, "l2": 1.0, "confidence": 2.5, "iterations": 2, "seed": 4},
    },
    "ease": {"a small penalty": {"l2": 7.0}, "its own penalty": {}},
    "edlae": {"a small penalty": {"l2": 7.0}, "hardly any dropout": {"l2": 7.0, "dropout_p": 0.01}},
    "dlae": {"a small penalty": {"l2": 7.0}, "much dropout": {"l2": 7.0, "dropout_p": 0.9}},
}
