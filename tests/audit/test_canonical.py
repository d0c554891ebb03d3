"""One byte form for what is hashed, and refusals that name the place."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.canonical import canonical, canonical_document, digest

exact = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(exact)
def test_the_form_says_the_same_and_has_itself_as_its_form(value):
    once = canonical(value)
    assert json.loads(once) == value
    assert canonical(json.loads(once)) == once == canonical_document(value)


def test_keys_are_ordered_and_nothing_is_added():
    assert canonical({"b": [1, True, None], "a": "ü\n", "ä": {}}) == '{"a":"ü\\n","b":[1,true,null],"ä":{}}'.encode()
    assert digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, 0.5]}, r"\$\.a\[1\]"),
        ({"a": {"b": 2**53}}, r"\$\.a\.b"),
        ({"a": -(2**53)}, r"\$\.a"),
        ({"a": {1: 2}}, r"\$\.a"),
        ({"a": b"x"}, r"\$\.a"),
        ({"a": {"b": "\ud800"}}, r"\$\.a\.b"),
        ({"a": {"b", "c"}}, r"\$\.a"),
    ],
)
def test_what_has_no_exact_form_is_refused_by_its_path(value, path):
    with pytest.raises(ValueError, match=path):
        canonical(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_document_takes_finite_floats_only(value):
    assert canonical_document({"a": [0.1, 1e30, -0.0]}) == b'{"a":[0.1,1e+30,0]}'
    with pytest.raises(ValueError, match=r"\$\.a\[0\]"):
        canonical_document({"a": [value]})
