"""Scores: answers to items, leakage probes of items, retrieval by descriptions, intervals."""
