"""The gallery: the starter set as a web search, objects before charts."""

from collections import Counter
from pathlib import Path

import pytest

from mcu.backends import Hit, Search
from mcu.backends.gallery import Gallery
from mcu.errors import Reject
from mcu.indexes import STARTER
from mcu.indexes.encoders import CaptionEncoder
from mcu.indexes.search import FaissIndex, open_starter


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> FaissIndex:
    return open_starter(CaptionEncoder(), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def gallery(index: FaissIndex) -> Search:
    return Gallery(index)


def test_a_hit_is_fetched_as_it_is_stored(gallery: Search) -> None:
    hit = gallery.search(["A photo of a golden trumpet lying on a table"], 1)[0][0]
    assert (hit.file, hit.source, hit.copy) == ("clip/trumpet.webp", "gallery", True)
    assert gallery.fetch(hit) == (STARTER / hit.file).read_bytes()


def test_objects_come_before_charts(gallery: Search, index: FaissIndex) -> None:
    queries = ["the moon", "a frog in our pond", "blood and the heart", "a family", "ice cream"]
    folders = Counter(h.file.split("/")[0] for hits in gallery.search(queries, 5) for h in hits)
    plain = Counter(h.file.split("/")[0] for hits in index.search(queries, 5) for h in hits)
    assert folders["clip"] + folders["photo"] > plain["clip"] + plain["photo"]
    assert gallery.search(["the phases of the moon, a diagram"], 1)[0][0].file.startswith("diagram")


def test_shared_keywords_lift_a_picture(gallery: Search, index: FaissIndex) -> None:
    query = "our trip along the coast and the sea"
    plain = {hit.file: hit.score for hit in index.search([query], 40)[0]}
    lifted = {hit.file: hit.score for hit in gallery.search([query], 40)[0]}
    file = "clip/lighthouse.webp"  # keywords: coast, sea, landmark
    assert lifted[file] == pytest.approx(plain[file] + 0.04, abs=1e-6)


def test_batches_are_ordered_and_cut(gallery: Search) -> None:
    queries = ["a guitar", "a dog", "a guitar"]
    found = gallery.search(queries, 7)
    assert found[0] == found[2]
    assert found == [gallery.search([query], 7)[0] for query in queries]
    for hits in found:
        assert len(hits) == 7
        assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.file))
    assert gallery.search([], 3) == []


@pytest.mark.parametrize("file", ["", "../pictures.jsonl", "/etc/hosts", "clip/none.webp"])
def test_unknown_names_are_refused(gallery: Search, file: str) -> None:
    with pytest.raises(Reject):
        gallery.fetch(Hit(file=file, caption="", source="gallery"))


def test_it_opens_the_starter_set_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Gallery().search(["a cat"], 1)[0]
