import pytest

from coursepkg.hardware.energy import energy, kilowatt_hours, training_seconds


def test_a_kilowatt_for_an_hour():
    assert kilowatt_hours(energy(3600, 1000)) == 1


def test_time_of_a_run_from_its_operations():
    assert training_seconds(1e15, peak=1e12, share=0.5) == 2000


@pytest.mark.parametrize("wrong", [(-1, 1), (1, -1)])
def test_impossible_energies_are_refused(wrong):
    with pytest.raises(ValueError, match="expected seconds and watts not negative"):
        energy(*wrong)


@pytest.mark.parametrize("wrong", [(-1, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.1)])
def test_impossible_runs_are_refused(wrong):
    with pytest.raises(ValueError, match="a share above 0 and at most 1"):
        training_seconds(*wrong)
