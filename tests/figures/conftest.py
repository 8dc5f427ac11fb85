"""What tests of figures share; no figure outlives the test that drew it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def grow_evenly():
    """Check that widths grow with weights, by equal amounts for equal differences."""

    def check(widths, weights):
        widths, weights = np.array(list(widths)), np.array(list(weights))
        slope, least = np.polyfit(weights, widths, 1)
        np.testing.assert_allclose(least + slope * weights, widths, atol=1e-6)
        assert slope > 1  # points: differences can be seen
        assert least > 0  # and so can a weight of 0

    return check
