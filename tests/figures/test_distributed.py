from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from coursepkg.figures.distributed import draw_chunks, draw_schedule


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def slot(stage, microbatch, forward, start, end):
    return SimpleNamespace(
        stage=stage, microbatch=microbatch, forward=forward, start=start, end=end
    )


SLOTS = [slot(0, 0, True, 0, 1), slot(1, 0, True, 1, 2), slot(1, 0, False, 2, 4)]


def test_a_box_lies_where_its_pass_does(axis):
    draw_schedule(axis, SLOTS)
    boxes = [(box.get_x(), box.get_y() + 0.4, box.get_width()) for box in axis.patches]
    assert boxes == [(0, 0, 1), (1, 1, 1), (2, 1, 2)]
    assert axis.patches[1].get_facecolor() != axis.patches[2].get_facecolor()
    assert [text.get_text() for text in axis.texts] == ["1", "1", "1"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["stage 1", "stage 2"]
    assert axis.get_xlim() == (0, 4)


def test_the_numbers_can_be_left_out(axis):
    draw_schedule(axis, SLOTS, numbers=False)
    assert not axis.texts


def test_full_sums_are_bold(axis):
    draw_chunks(axis, np.array([[1, 2], [2, 1]]), "after step 1")
    assert [text.get_text() for text in axis.texts] == ["1", "2", "2", "1"]
    assert [text.get_fontweight() for text in axis.texts] == ["normal", "bold", "bold", "normal"]
    assert "after step 1" in {axis.get_title(), axis.get_title(loc="left")}


def test_bad_input_is_refused(axis):
    with pytest.raises(ValueError, match="at least one slot"):
        draw_schedule(axis, [])
    with pytest.raises(ValueError, match=r"shape \(workers, chunks\), got \(3,\)"):
        draw_chunks(axis, np.zeros(3), "")
