"""All boosters in one predict what each does alone, bit by bit."""

from __future__ import annotations

import numpy as np
import xgboost

from surrogate.stack import stacked


def booster(features: np.ndarray, target: int, trees: int, **parameters: object) -> xgboost.Booster:
    values = features[:, target] * features[:, target + 1] + target
    return xgboost.train({"eta": 0.1, **parameters}, xgboost.DMatrix(features, values), trees)


def test_a_stack_is_its_parts() -> None:
    generator = np.random.default_rng(0)
    features = generator.random((300, 6))
    boosters = [
        booster(features, 0, 5, max_depth=2, tree_method="exact"),
        booster(features, 1, 40, max_depth=4, tree_method="exact"),
        booster(features, 2, 9, objective="reg:quantileerror", quantile_alpha=0.9),
    ]
    unseen = generator.random((1000, 6))
    alone = np.column_stack([one.inplace_predict(unseen) for one in boosters])
    np.testing.assert_array_equal(stacked(boosters, n_jobs=2).inplace_predict(unseen), alone)
    first = stacked(boosters[:1]).inplace_predict(unseen)
    np.testing.assert_array_equal(first.reshape(-1), alone[:, 0])
