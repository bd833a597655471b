from types import SimpleNamespace

from tools.sources import Source
from tools.status import filled_in

PAGE = Source("part/page", "---\njupytext: {}\nkernelspec: {}\n---\n# Page\n")
RUN = {
    "seconds": 12.3, "date": "2026-01-02", "python": "3.12.1", "backend": "jax", "device": "cpu",
}  # fmt: skip


def test_the_marker_becomes_two_tables():
    executed = {"part/page": SimpleNamespace(metadata={"executed": RUN})}
    text = filled_in("# Status\n\n% status\n", [PAGE], executed)
    assert "% status" not in text
    assert "| [](../part/page.md) | 12 | 2026-01-02 | 3.12.1 | jax | cpu |" in text
    assert "| keras | 3." in text


def test_other_pages_stay_as_they_are():
    assert filled_in("# Index\n", [PAGE], {}) == "# Index\n"
