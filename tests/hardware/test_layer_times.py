import pytest

from coursepkg.hardware import layer_times
from coursepkg.hardware.roofline import Roofline


def test_prediction_and_measurement_stand_side_by_side():
    roof = Roofline(1e10, 1e9, 1e-5)
    names = ["dense 1024, one example", "relu"]
    dense, relu = layer_times.layer_times(roof, names, repeats=1)
    assert [dense.name, relu.name] == names
    assert dense.operations == 2 * 1024**2 + 1024
    assert dense.predicted == pytest.approx(1e-5 + dense.moved / 1e9)
    assert dense.limit == "bandwidth"
    assert dense.measured > 0
    assert dense.intensity == pytest.approx(0.5, rel=0.01)
    assert dense.rate == dense.operations / dense.measured
    assert relu.moved == 2 * 4 * relu.operations


def test_the_error_is_a_share_of_the_measured_time():
    row = layer_times.LayerTime("x", 1, 1, predicted=3.0, measured=4.0, limit="peak")
    assert row.error == 0.25


@pytest.mark.parametrize("name", layer_times.LAYERS)
def test_every_layer_can_be_built(name):
    model, x = layer_times.build(name)
    assert model.input_shape[1:] == x.shape[1:]


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="got 'sparse'"):
        layer_times.build("sparse")
