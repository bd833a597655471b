"""Dates from the history of computing, each with the source that was checked for it."""

from __future__ import annotations

from typing import NamedTuple

TRACKS = ("machines", "networks", "programs people write", "rules and search", "learning")


class Event(NamedTuple):
    """One event.

    Attributes
    ----------
    date : str
        Year, year and month, or the whole date: ``"1948-06-21"``.
    name : str
        A short name.
    track : str
        One of `TRACKS`.
    source : str
        The key of its source in the course's bibliography.
    """

    date: str
    name: str
    track: str
    source: str

    @property
    def year(self) -> int:
        """The year of the event."""
        return int(self.date[:4])


EVENTS = tuple(
    Event(*event)
    for event in (
        ("1943", "model neuron", "learning", "mcculloch1943"),
        ("1945-06-30", "EDVAC report", "machines", "haigh2020"),
        ("1946-02", "ENIAC shown", "machines", "winegrad1996"),
        ("1947", "transistor", "machines", "garfinkel2018"),
        ("1948-06-21", "Manchester Baby", "machines", "williams1948"),
        ("1949-05-06", "EDSAC", "machines", "chmedsac"),
        ("1952", "A-0 compiler", "programs people write", "hopper1952"),
        ("1953-11-16", "transistor computer", "machines", "grimsdale2003"),
        ("1955-08-31", "name AI", "rules and search", "mccarthy2006"),
        ("1957", "FORTRAN", "programs people write", "backus1957"),
        ("1958", "perceptron", "learning", "rosenblatt1958"),
        ("1958-09-12", "integrated circuit", "machines", "cchkilby"),
        ("1959", "draughts player", "learning", "samuel1959"),
        ("1968-12-09", "mouse shown", "machines", "engelbart1968"),
        ("1969-10-29", "ARPANET", "networks", "eun2023"),
        ("1969", "limits of perceptrons", "learning", "minsky1969"),
        ("1970", "reverse mode", "learning", "linnainmaa1970"),
        ("1973", "Alto", "machines", "reimer2005"),
        ("1975", "MYCIN", "rules and search", "shortliffe1975"),
        ("1977-04", "Apple II", "machines", "smithsonian"),
        ("1979", "VisiCalc", "programs people write", "byte1989"),
        ("1980", "neocognitron", "learning", "fukushima1980"),
        ("1981-08-12", "IBM PC", "machines", "chmibmpc"),
        ("1983-01-01", "TCP/IP", "networks", "postel1981"),
        ("1983-01", "Lisa", "machines", "lowendmac2014"),
        ("1984-01-24", "Macintosh", "machines", "lowendmac2014"),
        ("1986", "backpropagation", "learning", "rumelhart1986"),
        ("1989-03", "Web proposal", "networks", "bernerslee1989"),
        ("1989", "zip codes read", "learning", "lecun1989"),
        ("1997", "LSTM", "learning", "hochreiter1997"),
        ("2004", "MapReduce", "networks", "dean2004"),
        ("2006-03-14", "Amazon S3", "networks", "barr2014"),
        ("2009", "ImageNet", "learning", "deng2009"),
        ("2012", "AlexNet", "learning", "krizhevsky2012"),
        ("2016-01-28", "AlphaGo", "rules and search", "silver2016"),
        ("2017", "Transformer", "learning", "vaswani2017"),
        ("2020", "GPT-3", "learning", "brown2020"),
    )
)
"""The events, in the order of their years."""


def year_of(name: str) -> int:
    """Return the year of the event with this name.

    Raises
    ------
    ValueError
        If there is no such event.
    """
    for event in EVENTS:
        if event.name == name:
            return event.year
    raise ValueError(f"expected one of {[event.name for event in EVENTS]}, got {name!r}")
