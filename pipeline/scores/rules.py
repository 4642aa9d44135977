"""Rules that need no learning, which a sound set of items must not reward."""

from collections.abc import Callable, Iterator, Sequence

from mcu.items import Question
from mcu.scores.answers import LETTERS
from mcu.scores.features import distinct, mentions

Choices = dict[str, tuple[int, ...]]


def chosen(question: Question) -> Choices:
    """The options that each rule would choose; several are a tie, none is no opinion.

    Those of the item itself come first, then those that every item has: a fixed place, the
    longest and the shortest text, the option most and least like the others, and for each view but
    `full` the option whose own words stand in it most often.
    """
    options = question.options
    found: Choices = {name: tuple(own) for name, own in question.rules.items()}
    for at in range(len(options)):
        found[f"always {LETTERS[at]}"] = (at,)
    lengths = [len(option) for option in options]
    found["longest option"] = _best(lengths, max)
    found["shortest option"] = _best(lengths, min)
    marks = distinct(options)
    alike = [sum(len(own & other) for other in marks) - len(own) for own in marks]
    found["most like the others"] = _best(alike, max)
    found["least like the others"] = _best(alike, min)
    for view, text in question.views.items():
        if view != "full":
            counts, _, _ = mentions(text, marks)
            found[f"overlap with {view}"] = _best(counts, max)
    return found


def worth(question: Question, options: Sequence[int]) -> float:
    """The share of a tie that is right; no opinion is worth a guess."""
    if not options:
        return 1 / len(question.options)
    return (question.answer in options) / len(options)


def photo_worth(question: Question, options: Sequence[int]) -> float:
    """The share of a tie that is in the answer's photo."""
    at = options or range(len(question.options))
    return sum(question.photos[one] == question.photos[question.answer] for one in at) / len(at)


def decided(questions: Sequence[Question]) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Each rule with its choices for all items; not those that tie all options of every item."""
    choices = [chosen(question) for question in questions]
    for name in dict.fromkeys(name for own in choices for name in own):
        picks = [own.get(name, ()) for own in choices]
        if any(0 < len(p) < len(q.options) for p, q in zip(picks, questions, strict=True)):
            yield name, picks


def _best(values: Sequence[int], choose: Callable[[Sequence[int]], int]) -> tuple[int, ...]:
    best = choose(values)
    return tuple(at for at, value in enumerate(values) if value == best)
