"""Coreference-like items whose answers are drawn by chance, with leaks put in on purpose."""

import random
from typing import Any

from mcu.items import Question

THINGS = """
    laptop headphones book cup lamp scarf bicycle guitar kettle plant camera suitcase umbrella clock
    mug blanket violin notebook sandwich pillow vase jacket mirror basket teapot drum hat ladder
    candle puzzle rug globe kite telescope wallet apron radio statue bench fountain
""".split()  # noqa: SIM905
TOPICS = """
    exam rain sister holiday marathon deadline birthday winter market neighbour garden train concert
    recipe doctor island museum promise accident harvest
""".split()  # noqa: SIM905
KOREAN = """
    노트북 헤드폰 책 커피잔 램프 목도리 자전거 기타 주전자 화분 카메라 가방 우산 시계 담요 바이올린
    공책 베개 꽃병 거울 바구니 북 모자 사다리 촛불 퍼즐 지구본 연 망원경 지갑
""".split()  # noqa: SIM905
SAID = ("look at", "remember", "I like", "what about", "so nice,")


def items(
    n: int, seed: int = 0, leak: str = "", strength: float = 1.0, language: str = "en"
) -> list[Question]:
    """`n` items in twins, twenty a group; `leak` gives the answer away in a share of them."""
    random_ = random.Random(f"{seed}:{leak}")
    made: list[Question] = []
    for pair in range(n // 2):
        things = random_.sample(THINGS if language == "en" else KOREAN, 4)
        golds = random_.sample(range(4), 2)
        for twin, gold in enumerate(golds):
            told = leak if random_.random() < strength else ""
            made.append(_item(random_, things, gold, told, pair, twin, language))
    return made


def _item(
    random_: random.Random,
    things: list[str],
    gold: int,
    leak: str,
    pair: int,
    twin: int,
    language: str,
) -> Question:
    if leak == "object" and THINGS.index(things[gold]) % 3:
        better = [at for at in range(4) if not THINGS.index(things[at]) % 3]
        gold = better[0] if better else gold
    if leak == "place":
        gold = 3
    speaker = random_.choice("AB")
    demonstrative = random_.choice(["this", "that", "it"])
    if leak == "demonstrative":
        demonstrative = "this" if (speaker == "A") == (gold < 2) else "that"
    topic = random_.choice(TOPICS)
    if leak == "topic":
        topic = TOPICS[sum(map(ord, things[gold])) % len(TOPICS)]
    order = random_.sample(range(4), 4)
    if leak == "last":
        order = [at for at in order if at != gold] + [gold]
    if leak == "twice":
        order = [*order, gold]
        random_.shuffle(order)
    lines = [
        f"{'AB'[k % 2]}: {random_.choice(SAID)} the {things[at]}" for k, at in enumerate(order)
    ]
    last = f"{speaker}: after the {topic} I want {demonstrative} again"
    options = [_option(at, thing, language) for at, thing in enumerate(things)]
    if leak == "longest":
        options[gold] += " over there"
    fields: dict[str, Any] = {
        "id": f"item-{pair:05}-{twin}",
        "group": f"person-{pair // 10}",
        "split": "train",
        "options": tuple(options),
        "answer": gold,
        "photos": (0, 0, 1, 1),
        "language": language,
        "pair": f"item-{pair:05}-{1 - twin}",
        "bins": {"turns since": str(pair % 3)},
    }
    captions = random_.sample(things, 4)
    views = {
        "last turn": last,
        "captions": f"A shares {captions[0]} and {captions[1]}\nB shares {captions[2:]}",
        "no captions": "\n".join([*lines, last]),
        "full": "\n".join([*captions, *lines, last]),
    }
    rules = {
        "other speaker's photo": (2, 3) if speaker == "A" else (0, 1),
        "last mentioned": (order[-1],),
    }
    return Question(views=views, rules=rules, **fields)


def _option(at: int, thing: str, language: str) -> str:
    owner = "AABB"[at]
    if language == "ko":
        return f"{owner}가 올린 사진 속 {thing}"
    return f"the {thing} in {owner}'s photo"
