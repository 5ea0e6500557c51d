"""A sample of the comparison of tokenizers with the reference: every component
and option, some texts of every kind. `make parity` compares them all. It must
never pass with a tokenizer that was not compared.
"""

import types

import pytest

import tokenizer_parity
from tokenizer_pair import CUTS, Library

GROUPS = ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder",
          "added", "realistic")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return tokenizer_parity.generated_cases(
        tmp_path_factory.mktemp("tokenizers"))


@pytest.fixture(scope="module")
def corpus():
    return tokenizer_parity.Corpus(
        types.SimpleNamespace(fast=True, seed=1, real=0))


def rows_of(cases, group, corpus, library):
    rows = [tokenizer_parity.run_case(case, library, corpus, 0, corpus.options)
            for case in cases if case.group == group]
    for row in rows:
        tokenizer_parity.printed(row)
    assert rows
    return rows


@pytest.fixture(scope="module")
def library(build):
    return Library("tokenizer-check", archive=build / "libremora.a")


@pytest.mark.parametrize("group", GROUPS)
def test_equals_the_reference(group, cases, corpus, library):
    rows = rows_of(cases, group, corpus, library)
    assert tokenizer_parity.summary(rows)
    compared = [row for row in rows if not row.refused]
    assert all(row.tokens or row.unanswered for row in compared)


def test_equals_the_reference_when_cut(cases, corpus, build):
    """The same with windows of a few bytes."""
    rows = rows_of(cases, "realistic", corpus, Library(
        "tokenizer-check-cuts", *CUTS, archive=build / "libremora.a"))
    assert tokenizer_parity.summary(rows)
