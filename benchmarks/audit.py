"""What the audit finds: clean sets that fail, planted leaks that are found, and a run's own items.

`python benchmarks/audit.py [--smoke]`. The last part makes coreference items of an offline run, in
English and Korean, and audits them: the share of each answer, and the look that is highest.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from common import mcu, say

sys.path.append(str(Path(__file__).parents[1] / "tests" / "scores"))
from made_items import items

from mcu.scores.audit import audit

LEAKS = ("last", "twice", "longest", "place", "topic", "demonstrative")
STRENGTHS = (0.15, 0.25)
SETS = 5  # with each leak


def main() -> None:
    """Print the figures; end with 1 where clean items fail, or a run's items leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small size that proves no figure")
    smoke: bool = parser.parse_args().smoke
    number, sets, episodes = (200, 4, 20) if smoke else (2_000, 200, 340)
    good = clean(number, sets)
    planted(number, 1 if smoke else SETS)
    for language in ("en", "ko"):
        good &= derived(language, episodes)
    raise SystemExit(int(not good and not smoke))


def clean(number: int, sets: int) -> bool:
    """How many sets without a leak fail, where a risk of 5 % is allowed."""
    started = time.perf_counter()
    failed = sum(not audit(items(number, seed)).passed for seed in range(sets))
    seconds = (time.perf_counter() - started) / sets
    say(f"clean: {failed} of {sets} sets of {number} items fail; {seconds:.1f} s a set")
    return failed <= 0.05 * sets + 2 * (0.05 * 0.95 * sets) ** 0.5


def planted(number: int, sets: int) -> None:
    """How many sets with a leak in a share of their items are caught."""
    for leak in LEAKS:
        found = {
            strength: sum(
                not audit(items(number, 1_000 + seed, leak, strength)).passed
                for seed in range(sets)
            )
            for strength in STRENGTHS
        }
        told = ", ".join(f"{n} of {sets} at {share:.0%}" for share, n in found.items())
        say(f"leak {leak!r}: found in {told}")


def derived(language: str, episodes: int) -> bool:
    """Audit the coreference items of an offline run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        setting = f'derive.languages=["{language}"]'
        mcu("run", "--episodes", str(episodes), "--name", "a", cwd=folder)
        mcu("derive", "coref", "a", "--set", setting, cwd=folder)
        made = folder / "outputs" / "a" / "release" / "stark-coref" / "seed"
        rows = [row for path in made.glob("*.json") for row in json.loads(path.read_bytes())]
        mcu("derive", "coref", "a", "--audit", cwd=folder)
        facts = json.loads((made.parent / "audit.json").read_bytes())["all"]
    shares = [sum(row["answer"][0] == label for row in rows) / len(rows) for label in "ABCD"]
    looks = [look for look in facts["looks"] if look["kind"] != "control"]
    highest = max(looks, key=lambda look: look["low"] - look["chance"])
    told = ", ".join(f"{share:.1%}" for share in shares)
    say(f"{language}: {len(rows)} items of {episodes} episodes; answers A-D {told}")
    say(
        f"  {len(looks)} looks, {'none' if facts['passed'] else 'one'} above chance; nearest: "
        f"{highest['name']} {highest['share']:.1%}, {highest['low']:.1%} to {highest['high']:.1%}"
    )
    return bool(facts["passed"])


if __name__ == "__main__":
    main()
