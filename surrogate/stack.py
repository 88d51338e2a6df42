"""Many boosters in one: all targets from a single pass of XGBoost's own predictor."""

from __future__ import annotations

import json
from collections.abc import Sequence

import xgboost


def stacked(boosters: Sequence[xgboost.Booster], *, n_jobs: int = 1) -> xgboost.Booster:
    """A booster with an output for each of these, which predicts exactly what they do.

    Each call of a booster has a cost of its own, and its features are converted anew; a design has
    dozens of targets. XGBoost's format has trees of several outputs side by side (``tree_info``):
    the trees of all boosters are put into one list, with one start (``base_score``) each.

    Args:
        boosters: one or more, of as many features, each of one output that is not transformed.
        n_jobs: threads.
    """
    documents = [json.loads(booster.save_raw("json")) for booster in boosters]
    stack = documents[0]
    models = [document["learner"]["gradient_booster"]["model"] for document in documents]
    trees = [(output, tree) for output, model in enumerate(models) for tree in model["trees"]]
    parameters = stack["learner"]["learner_model_param"]
    starts = [d["learner"]["learner_model_param"]["base_score"].strip("[]") for d in documents]
    parameters["base_score"] = f"[{','.join(starts)}]"
    parameters["num_target"] = str(len(boosters))
    models[0].update(
        trees=[{**tree, "id": number} for number, (_, tree) in enumerate(trees)],
        tree_info=[output for output, _ in trees],
        iteration_indptr=[0, len(trees)],
    )
    models[0]["gbtree_model_param"]["num_trees"] = str(len(trees))
    stack["learner"]["objective"] = {
        "name": "reg:squarederror", "reg_loss_param": {"scale_pos_weight": "1"},
    }  # fmt: skip
    return xgboost.Booster({"nthread": n_jobs}, model_file=bytearray(json.dumps(stack).encode()))
