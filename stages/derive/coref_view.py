"""What is made of a coreference item: text, partial views for probes, and other forms."""

from typing import Any

from mcu.derive import Message
from mcu.items import Question
from mcu.stages.derive.coref_item import CorefItem
from mcu.stages.derive.coref_scene import Mention, photo_line

_NEAR, _FAR = 2, 4  # turns since the evidence, of the bins


def lines(item: CorefItem, *, talk: bool = True, last: bool = True, captions: bool = True) -> str:
    """A chat as text, line by line, as far as it is to be seen."""
    found = []
    for line in item.turns if last else item.turns[:-1]:
        if talk:
            found.append(f'{line.speaker}: "{line.text}"')
        if line.photo:
            caption = item.images[line.photo - 1].caption
            shown = photo_line(line.photo, caption, item.words, not captions)
            found.append(shown if talk else f"{line.speaker}: {shown}")
    return "\n".join(found)


def question(item: CorefItem) -> Question:
    """The item as probes and scores see it."""
    hard = item.difficulty
    last = f'{item.target.speaker}: "{item.target.text}"'
    return Question(
        id=item.item_id,
        group=item.split_group,
        split=item.split,
        options=tuple(option.text for option in item.options),
        answer=item.gold,
        views={
            "full": lines(item),
            "last turn": last,
            "captions": lines(item, talk=False),
            "captions and last turn": f"{lines(item, talk=False)}\n{last}",
            "no captions": lines(item, captions=False),
            "no last turn": lines(item, last=False),
            "what was said of it": _evidence(item).words,
        },
        rules=_rules(item),
        photos=tuple(int(o.image_key != item.images[0].key) for o in item.options),
        bins={
            "turns since the evidence": _since(hard.turns_since),
            "rivals": str(hard.rivals),
            "named in the talk": "yes" if hard.named else "no",
            "told by place": "yes" if hard.by_place else "no",
            "sessions": hard.sessions,
            "demonstrative": item.target.demonstrative,
        },
        pair=item.twin_id,
        language=item.language,
    )


def _evidence(item: CorefItem) -> Mention:
    """Where the answer was spoken of, as a reader finds who follows the talk without captions."""
    return next(mention for mention in item.mentions if mention.topic == item.target.topic)


def _since(turns: int) -> str:
    if turns <= _NEAR:
        return f"up to {_NEAR}"
    return f"{_NEAR + 1}-{_FAR}" if turns <= _FAR else f"over {_FAR}"


def _rules(item: CorefItem) -> dict[str, tuple[int, ...]]:
    """What one would choose who goes by owners, demonstratives or the order of the talk alone."""
    speaker, forms = item.target.speaker, item.words
    own = tuple(i for i, o in enumerate(item.options) if o.owner == speaker)
    theirs = tuple(i for i, o in enumerate(item.options) if o.owner != speaker)
    first = tuple(i for i, o in enumerate(item.options) if o.image_key == item.images[0].key)
    spoken = [_option_of(item, mention) for mention in item.mentions]
    by_last = [at for at, m in zip(spoken, item.mentions, strict=True) if _by(item, m) == speaker]
    convention = {forms.near: own, forms.far: theirs}
    return {
        "other speaker's photo": theirs,
        "own photo": own,
        "first photo": first,
        "last photo": tuple(i for i in range(len(item.options)) if i not in first),
        "first mentioned": (spoken[0],),
        "last mentioned": (spoken[-1],),
        "mentioned by the last speaker": tuple(by_last),
        "demonstrative": convention.get(item.target.demonstrative, (spoken[-1],)),
    }


def _by(item: CorefItem, mention: Mention) -> str:
    return item.turns[mention.turn - 1].speaker


def _option_of(item: CorefItem, mention: Mention) -> int:
    """The option of the object that a mention speaks of."""
    shown = item.images[(mention.object - 1) // 2]
    name = shown.objects[(mention.object - 1) % 2].name_in(item.language)
    return next(
        at
        for at, option in enumerate(item.options)
        if option.image_key == shown.key and option.object == name
    )


def chat(item: CorefItem) -> list[Message]:
    """The item as messages for fine-tuning; the answer is the option, letter and text."""
    asked = item.words.ask.format(demonstrative=item.target.demonstrative)
    options = "\n".join(f"{option.label}) {option.text}" for option in item.options)
    return [
        {"role": "system", "content": item.words.system},
        {"role": "user", "content": f"{lines(item)}\n\n{asked}\n{options}"},
        {"role": "assistant", "content": f"{item.answer}) {item.answer_text}"},
    ]


def seed(item: CorefItem) -> dict[str, Any]:
    """The item in the seed's form: dialogue with captions, choices, answer and reasons as text."""
    return {
        "id": item.item_id,
        "language": item.language,
        "split": item.split,
        "dialogue": lines(item),
        "choices": [f"{option.label}) {option.text}" for option in item.options],
        "answer": f"{item.answer}) {item.answer_text}",
        "reason": item.rationale.answer,
        "reasons_against": {
            f"{o.label}) {o.text}": item.rationale.wrong[o.label]
            for o in item.options
            if o.label in item.rationale.wrong
        },
        "twin": item.twin_id,
    }
