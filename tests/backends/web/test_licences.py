"""Licences: one name each, and which let a picture be copied."""

import pytest

from mcu.backends.web.licences import Wanted, may_copy, normalise


@pytest.mark.parametrize(
    ("name", "url", "made"),
    [
        ("CC BY-SA 4.0", "", "CC-BY-SA-4.0"),
        ("CC BY 2.5", "", "CC-BY-2.5"),
        ("CC BY-SA 3.0 de", "", "CC-BY-SA-3.0-DE"),
        ("cc-by-sa-3.0-migrated", "", "CC-BY-SA-3.0"),
        ("CC BY-SA 3.0 igo", "", "CC-BY-SA-3.0-IGO"),
        ("CC BY-SA 4.0,3.0,2.5,2.0,1.0", "", "CC-BY-SA-4.0"),
        ("CC by-nc-nd 2.0", "", "CC-BY-NC-ND-2.0"),
        ("CC BY", "", "CC-BY"),
        ("CC cc0 1.0", "", "CC0-1.0"),
        ("CC0", "", "CC0-1.0"),
        ("Public Domain Dedication (CC0)", "", "CC0-1.0"),
        ("CC pdm 1.0", "", "PDM-1.0"),
        ("Public Domain Mark", "", "PDM-1.0"),
        ("Public domain", "", "public-domain"),
        ("PD-old-70", "", "public-domain"),
        ("Attribution License", "https://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0"),
        ("", "http://creativecommons.org/licenses/by-sa/3.0/nl/deed.en", "CC-BY-SA-3.0-NL"),
        ("", "https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("", "https://creativecommons.org/publicdomain/mark/1.0/", "PDM-1.0"),
        ("All Rights Reserved", "", "All Rights Reserved"),
        ("By permission of the author", "", "By permission of the author"),
        ("GFDL\n1.2", "", "GFDL 1.2"),
        ("CC sampling+ 1.0", "", "CC sampling+ 1.0"),
        ("", "", ""),
        ("x" * 500, "", "x" * 80),
    ],
)
def test_names(name: str, url: str, made: str) -> None:
    assert normalise(name, url) == made


@pytest.mark.parametrize(
    ("licence", "open_", "commercial"),
    [
        ("CC0-1.0", True, True),
        ("PDM-1.0", True, True),
        ("public-domain", True, True),
        ("CC-BY-4.0", True, True),
        ("CC-BY", True, True),
        ("CC-BY-SA-3.0-DE", True, True),
        ("CC-BY-NC-2.0", True, False),
        ("CC-BY-NC-SA-4.0", True, False),
        ("CC-BY-ND-4.0", False, False),
        ("CC-BY-NC-ND-2.0", False, False),
        ("GFDL 1.2", False, False),
        ("All Rights Reserved", False, False),
        ("No known copyright restrictions", False, False),
        ("", False, False),
    ],
)
def test_what_may_be_copied(licence: str, open_: bool, commercial: bool) -> None:
    wishes: dict[Wanted, bool] = {"open": open_, "commercial": commercial, "any": False}
    assert {wish: may_copy(licence, wish) for wish in wishes} == wishes
