"""Saved documents: the version before is read, any change shows, and what is damaged is answered with file and field."""

import copy
import json
import random
import re

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.errors import ArgumentError, DataError, LawError
from tests.edited import BEFORE, edited

ASKED = {
    "chinchilla": (pd.DataFrame({"N": [2e9, 7e10], "D": [2e11, 1.4e12]}), {}),
    "multi_power_5": ("wsd:peak=3e-3,steps=320,warmup=16,decay=0.2", {"steps": [200, 320]}),
    "relation": ([2.2, 2.6], {}),
}


@pytest.mark.parametrize("name", ASKED)
def test_documents_of_the_version_before_predict_as_they_did(name, tmp_path):
    expected = json.loads((BEFORE / "expected.json").read_text())[name]
    data, options = ASKED[name]
    found = scaling.load(BEFORE / f"{name}.json")
    found.save(tmp_path / "again.json")
    written = json.loads((tmp_path / "again.json").read_text())
    assert written["schema"] == 2 and written["kind"] == ("relation" if name == "relation" else "fit")
    for one in (found, scaling.load(tmp_path / "again.json")):
        made = one.predict(data, **options)
        for column, values in expected.items():
            np.testing.assert_allclose(made[column], values, rtol=1e-9)


def edits(saved, seed, count):
    """Documents with one thing changed: a field gone, of another type or length, or a number that is none."""
    draw = random.Random(seed)

    def places(node, path=()):
        yield path
        for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
            yield from places(node[key], (*path, key))

    all_places = [path for path in places(saved) if path]
    for _ in range(count):
        changed = copy.deepcopy(saved)
        *above, last = draw.choice(all_places)
        node = changed
        for key in above:
            node = node[key]
        kind = draw.randrange(4)
        if kind == 0:
            del node[last]
        elif kind == 1 and isinstance(node[last], list):
            node[last] = node[last][:-1] if draw.random() < 0.5 else [*node[last], *node[last][:1], 7]
        elif kind == 2 and isinstance(node[last], float):
            node[last] = draw.choice(["nan", "inf", -1e308, 10**400])
        else:
            node[last] = draw.choice([None, "text", 3, -2, [], {}, [[1.0]], {"a": [1]}, True, 1e300])
        yield (*above, last), changed


@pytest.mark.parametrize("name", ASKED)
def test_any_change_of_a_document_shows(name, tmp_path):
    path = tmp_path / "changed.json"
    scaling.load(BEFORE / f"{name}.json").save(path)
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved, indent=2, sort_keys=True))  # another layout is no change
    scaling.load(path)
    for place, changed in edits(saved, seed=1, count=150):
        if changed == saved:
            continue
        path.write_text(json.dumps(changed))
        with pytest.raises(DataError, match=re.escape(str(path))) as problem:
            scaling.load(path)
        assert "sha256" in str(problem.value) or place[0] in ("schema", "sha256"), place


@pytest.mark.parametrize("name", ASKED)
def test_what_is_damaged_is_answered_with_file_and_field(name, tmp_path):
    """Edits without a digest that would show them: documents of the version before."""
    path, refused = tmp_path / "changed.json", 0
    saved = json.loads((BEFORE / f"{name}.json").read_text())
    for place, changed in edits(saved, seed=2, count=250):
        path.write_text(json.dumps(changed))
        try:
            scaling.load(path)
        except LawError as problem:  # another law, which nobody has defined
            assert "law" in place or "conventions" in place or "ties" in place
            assert str(path) in str(problem)
        except DataError as problem:
            said = str(problem)
            assert str(path) in said
            assert "field '" in said or place == ("schema",), (place, said)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("covariance", "root"), [[1.0], [2.0, 3.0]], r"field 'covariance.root' must be a list of n x n numbers"),
        (("covariance", "root"), [[1.0], [2.0]], r"field 'covariance.root' must be a list of 5 x n numbers"),
        (("internal", "t"), [1.0, 2.0], r"field 'internal.t' must be a list of 5 numbers"),
        (("internal", "params", 1, "log"), 1, r"field 'internal.params.1.log' must be true or false"),
        (("internal", "params", 1, "name"), "Q", r"field 'internal.params' are not the parameters of law 'chinchilla'"),
        (("values", "E"), "nan", r"field 'values.E' must be a number"),
        (("objective",), None, r"field 'objective' must be a number"),
        (("loss", "name"), "l2", r"field 'loss.name' and delta are those of no objective"),
        (("data", "columns", "loss"), [2.0], r"field 'data' cannot be used"),
        (("data",), {}, r"field 'data.columns' is missing"),
        (("kind",), "report", r"field 'kind' must be fit, relation, registration, score"),
    ],
)
def test_fields_are_named(place, value, said, tmp_path):
    path = edited(tmp_path / "fit.json", place, value)
    with pytest.raises(DataError, match=re.escape(str(path)) + ": " + said):
        scaling.load(path)


def test_a_law_that_computes_other_numbers_is_told_and_sums_in_other_blocks_are_the_same(tmp_path):
    """A later version may sum the rates of a schedule otherwise; an objective further off is another law's."""
    objective = scaling.load(BEFORE / "multi_power_5.json").objective
    near = edited(tmp_path / "near.json", ("objective",), objective * (1 + 1e-5), "multi_power_5")
    assert scaling.load(near).values == scaling.load(BEFORE / "multi_power_5.json").values
    far = edited(tmp_path / "far.json", ("objective",), objective * 1.1, "multi_power_5")
    with pytest.raises(DataError, match="'multi_power_5' computes other numbers here than where this was saved, or the file"):
        scaling.load(far)


def test_infinite_bounds_survive(tmp_path):
    rows = pd.DataFrame({"x": np.linspace(1, 3, 9)}).assign(loss=lambda r: 2 - 0.3 * np.log(r["x"]))
    law = scaling.law(name="straight_line_in_ln_x")(lambda x, *, a, b: a + b * np.log(x))
    fit = scaling.fit(rows, law, objective="squares")
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert np.isinf(fit.coordinates.upper).all() and np.isinf(again.coordinates.upper).all()
    pd.testing.assert_frame_equal(again.predict(rows), fit.predict(rows))


def test_what_is_no_document_is_refused(tmp_path):
    path = tmp_path / "fit.json"
    for text, said in (
        ("{", "not a saved fit"),
        ('{"schema": 2, "x": NaN}', "NaN is no number of JSON"),
        ("[]", "JSON, but not a saved fit"),
        ('{"schema": "2"}', "field 'schema' must be a whole number"),
        ('{"schema": 3, "scaling": "9.0"}', "newer version"),
        ('{"schema": 2}', "field 'sha256' is not the digest"),
        ("[" * 100_000, "not a saved fit"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            scaling.load(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not a saved fit"):
        scaling.load(path)


def test_no_folder_is_made_for_a_document(tmp_path):
    fit = scaling.load(BEFORE / "chinchilla.json")
    with pytest.raises(ArgumentError, match="there is no folder"):
        fit.save(tmp_path / "nowhere" / "fit.json")
    assert not list(tmp_path.iterdir())
