import re
from collections import Counter
from pathlib import Path

import pytest

from coursepkg.background.events import EVENTS, TRACKS, year_of

BIBLIOGRAPHY = Path(__file__).parents[2] / "book" / "references.bib"


def test_every_event_has_a_date_a_track_and_a_source():
    known = set(re.findall(r"^@\w+\{([^,]+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.M))
    for event in EVENTS:
        assert re.fullmatch(r"(19|20)\d\d(-[01]\d(-[0-3]\d)?)?", event.date), event
        assert event.track in TRACKS, event
        assert event.source in known, event


def test_events_are_in_order_and_names_are_unique():
    years = [event.year for event in EVENTS]
    assert years == sorted(years)
    assert Counter(event.name for event in EVENTS).most_common(1)[0][1] == 1


def test_years_by_name():
    assert year_of("Manchester Baby") == 1948
    with pytest.raises(ValueError, match="got 'Deep Thought'"):
        year_of("Deep Thought")
