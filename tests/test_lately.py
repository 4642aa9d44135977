"""Values are made once, and the one asked for longest ago goes first."""

from mcu.lately import Lately


def test_the_one_asked_for_longest_ago_is_forgotten() -> None:
    made: list[str] = []
    known: Lately[str, str] = Lately(2)

    def ask(key: str) -> str:
        return known.of(key, lambda: made.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [ask(key) for key in "aababca"] == [*"AABABCA"]
    assert made == ["a", "b", "c", "a"], "c sent away a, which was asked for before b"
    known.clear()
    ask("c")
    assert made[-1] == "c" and len(made) == 5
