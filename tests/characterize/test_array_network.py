"""A whole quantized CNN on a simulated array: ``benchmarks/array_network.py``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.array_network import DESIGN, expected, infer, network_and_images
from characterize.array_simulation import ArraySimulator

pytestmark = pytest.mark.tool

IMAGES = 2


def test_every_activation_of_a_cnn_is_that_of_the_integer_model(tmp_path: Path) -> None:
    network, images, labels = network_and_images(DESIGN.pe)
    found = [expected(DESIGN.pe, network, image)[-1].argmax() for image in images]
    assert np.mean(np.array(found) == labels) > 0.94
    simulator = ArraySimulator(DESIGN, tmp_path)
    for image in images[:IMAGES]:
        values, _ = infer(simulator, network, image, tmp_path)
        wanted = expected(DESIGN.pe, network, image)
        assert [value.tolist() for value in values] == [value.tolist() for value in wanted]
        assert all((value != 0).any() for value in values)
