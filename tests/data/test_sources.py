"""Every way in, and the message of everything that is refused."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from entrena.data import ColumnRole, ReadOptions, RowColumns, Schema, read, read_columns, read_inputs
from entrena.data.sparse import SparseMatrix, check_dense
from entrena.errors import DataError, EntrenaError, UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def numbers(examples):
    """The input columns as [rows, columns] numbers."""
    return np.stack([column.values.astype(float) for column in examples.inputs], axis=1)


def model_of(columns, target="y", roles="number", classes=None):
    """The schema of a model of these columns."""
    every = tuple(ColumnRole(name, roles) for name in columns)
    return Schema(every, (target,), "regression" if classes is None else "classification", classes)


def refusal(source, target="y", kind=DataError):
    """The text of the error that reading ends in; of exactly this class."""
    with pytest.raises(EntrenaError) as caught:
        read(source, target=target)
    assert type(caught.value) is kind
    return str(caught.value)


# What is read


def test_csv(folder):
    examples = read(write("t.csv", "a,b,y\n1,2.5,0\n3,4,1\n"), target="y")
    assert np.array_equal(numbers(examples), [[1, 2.5], [3, 4]])
    assert np.array_equal(examples.targets, [0, 1]) and examples.targets.dtype == np.int64
    assert examples.columns == ("a", "b") and examples.target_names == ("y",) and examples.source == "t.csv"


def test_csv_with_labels_truth_values_spaces_crlf_bom_quotes_and_blank_end(folder):
    text = '\ufeffa, b ,"c,1",y\r\n 1,true,"2", setosa\r\n2 ,false,.5,virginica \r\n+3,true,1e3,setosa\r\n\r\n\r\n'
    examples = read(write("t.csv", text), target="y")
    assert examples.columns == ("a", "b", "c,1")
    assert np.array_equal(numbers(examples), [[1, 1, 2], [2, 0, 0.5], [3, 1, 1000]])
    assert examples.targets.tolist() == ["setosa", "virginica", "setosa"]


def test_csv_whose_types_show_late(folder):
    rows = "".join("1,0\n" for _ in range(1500))
    examples = read(write("t.csv", f"a,y\n{rows}1.5,2.25\n"), target="y")
    assert examples.inputs.column("a").values[-1] == 1.5 and examples.targets[-1] == 2.25 and examples.n_rows == 1501


def test_csv_names_that_are_counts_and_glob_characters(folder):
    assert read(write("a[1]*.csv", "0,1,2\n5,6,0\n7,8,1\n"), target="2").columns == ("0", "1")


def test_several_targets(folder):
    examples = read(write("t.csv", "a,y,b,z\n1,2,3,4\n5,6,7,8\n"), target=("z", "y"))
    assert examples.columns == ("a", "b") and examples.target_names == ("z", "y")
    assert np.array_equal(examples.targets, [[4, 2], [8, 6]])


def test_csv_and_parquet_give_the_same_on_real_data(folder, shared_data):
    frame = pl.read_parquet(shared_data / "phoneme.parquet")
    frame.write_csv("t.csv")
    target = frame.columns[-1]
    one, two = read("t.csv", target=target), read(shared_data / "phoneme.parquet", target=target)
    # In the Parquet file the classes are the texts '0' and '1'; a CSV file cannot say that.
    assert np.array_equal(numbers(one), numbers(two)) and np.array_equal(one.targets, two.targets.astype(int))
    assert np.array_equal(numbers(one), frame.drop(target).to_numpy())


@pytest.mark.parametrize("as_lazy", [False, True])
def test_polars_frames_with_unusual_types(as_lazy):
    frame = pl.DataFrame(
        {
            "d": [decimal.Decimal("1.25"), decimal.Decimal("2.5")],
            "i": pl.Series([2**70, 1], dtype=pl.Int128),
            "y": pl.Series(["p", "q"], dtype=pl.Categorical),
        }
    )
    examples = read(frame.lazy() if as_lazy else frame, target="y")
    assert np.array_equal(numbers(examples), [[1.25, 2.0**70], [2.5, 1.0]])
    assert examples.targets.tolist() == ["p", "q"]


def test_pandas_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], 3: pd.array([4, 5], dtype="Int64"), "y": ["u", "v"]})
    examples = read(frame, target="y")
    assert examples.columns == ("a", "b", "3")
    assert np.array_equal(numbers(examples), [[1, 1, 4], [2, 0, 5]])
    assert examples.targets.tolist() == ["u", "v"]
    pair = read((frame[["a", 3]], frame["y"]))
    assert pair.columns == ("a", "3") and pair.target_names == ("y",)
    gaps = read(pd.DataFrame({"a": pd.array([4, None], dtype="Int64"), "b": [1, "x"], "y": ["u", None]}), target="y")
    assert gaps.n_rows == gaps.n_without_target == 1
    assert [column.kind for column in gaps.inputs] == ["number", "text"]
    twice = pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["a", "a", "y"])
    assert "columns 1 and 2 are both called 'a'" in refusal(twice)


def test_arrow_capsules():
    class Capsule:
        """Only the Arrow stream, as an Arrow table without Polars' or pandas' methods has it."""

        def __arrow_c_stream__(self, requested_schema=None):
            return pl.DataFrame({"a": [1, 2], "y": [0.5, 1.5]}).__arrow_c_stream__(requested_schema)

    examples = read(Capsule(), target="y")
    assert np.array_equal(numbers(examples), [[1], [2]]) and np.array_equal(examples.targets, [0.5, 1.5])


def test_a_duck_of_a_frame():
    class Duck:
        columns = ("a", "y")

        def __len__(self):
            return 2

        def __getitem__(self, name):
            return {"a": [1.5, 2.5], "y": [0, 1]}[name]

        def to_numpy(self):
            raise AssertionError("columns are read one by one")

    assert np.array_equal(numbers(read(Duck(), target="y")), [[1.5], [2.5]])


def test_arrays():
    examples = read(([[1, 2], [3, 4]], ["a", "b"]))
    assert examples.columns == ("x0", "x1") and examples.target_names == ("target",) and examples.source == "array"
    assert np.array_equal(numbers(examples), [[1, 2], [3, 4]]) and examples.targets.tolist() == ["a", "b"]
    given = np.ones((2, 3), np.float32)
    assert read((given, [0, 1]), target="price").inputs.matrix is given
    assert read((given, [0, 1]), target="price").target_names == ("price",)
    assert read((given, np.ones((2, 1)))).targets.shape == (2,)
    several = read((given, [[1, 2], [3, 4]]))
    assert several.target_names == ("target0", "target1") and several.targets.dtype == np.float64
    objects = read((np.array([[1, "u"], [None, "v"], [2.5, None]], dtype=object), [0, 1, 0])).inputs
    assert [column.kind for column in objects] == ["number", "text"]
    assert objects.column("x0").missing().tolist() == [False, True, False]
    assert objects.column("x1").as_written().tolist() == ["u", "v", None]
    days = read((np.array([["2024-01-01"], ["NaT"]], "datetime64[D]"), [0, 1])).inputs
    assert days.columns[0].kind == "date" and days.columns[0].missing().tolist() == [False, True]


def test_sparse_matrices_become_dense_as_far_as_they_fit(monkeypatch):
    matrix = sparse.random_array((30, 4), density=0.2, random_state=0, format="csr")
    assert np.array_equal(read((matrix, np.arange(30))).inputs.matrix[:], matrix.toarray())
    huge = sparse.csr_array((10_000_000, 100_000))
    with pytest.raises(DataError) as caught:
        check_dense(SparseMatrix(huge), np.float32, "X")
    assert str(caught.value) == (
        "X: the sparse matrix of 10,000,000 × 100,000 values would take 3.6 TB as inputs of a network: take fewer "
        "columns"
    )
    check_dense(matrix.toarray(), np.float64, "X")  # an array is there already


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([True, False], np.bool_),
        ([1, 2], np.int64),
        ([1, 2.5], np.float64),
        (np.array([1, 2], object), np.int64),
        (np.array([1, 2.5], object), np.float64),
        (np.array([True, False], object), np.bool_),
        (np.array([1, 2], np.uint8), np.uint8),
    ],
)
def test_targets_keep_their_type(values, dtype):
    targets = read((np.ones((2, 1)), values)).targets
    assert targets.dtype == dtype and targets.tolist() == list(values)


def test_frames_and_arrays_do_not_import_what_they_do_not_need():
    code = (
        "import sys, numpy as np; from entrena.data import read; read((np.ones((2, 2)), [0, 1])); "
        "print([m for m in ('sklearn', 'scipy', 'polars', 'pandas', 'pyarrow', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(st.data(), st.sampled_from(["csv", "parquet", "polars", "array"]))
def test_what_is_written_is_what_is_read(tmp_path_factory, data, kind):
    n_rows, n_columns = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 5))
    finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float)
    values = np.array(data.draw(st.lists(finite, min_size=n_rows * (n_columns + 1), max_size=n_rows * (n_columns + 1))))
    values = values.reshape(n_rows, n_columns + 1)
    names = [f"c{column}" for column in range(n_columns)] + ["y"]
    frame = pl.DataFrame(values, schema=names)
    path = tmp_path_factory.mktemp("table") / f"t.{kind}"
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    source = {"polars": frame, "array": (values[:, :-1], values[:, -1])}.get(kind, path)
    examples = read(source, target="y")
    assert np.array_equal(numbers(examples), values[:, :-1])
    assert np.array_equal(examples.targets, values[:, -1])


# Columns and values that cannot be used


def test_targets_that_are_not_there(folder):
    write("t.csv", "rooms,price\n1,2\n3,4\n")
    assert refusal("t.csv", None, UsageError) == (
        "t.csv: which column is to be predicted? say --target NAME (in Python target=NAME); there are rooms, price"
    )
    assert refusal("t.csv", "prce", UsageError) == (
        "t.csv: there is no column 'prce' to predict; did you mean 'price'?"
    )
    assert refusal("t.csv", "zzzz", UsageError) == (
        "t.csv: there is no column 'zzzz' to predict; there are rooms, price"
    )
    assert refusal("t.csv", ["price", "price"], UsageError) == "target: 'price' is named twice"
    assert refusal("t.csv", [], UsageError) == "target: [] is not allowed: a column's name or several"
    assert refusal("t.csv", ["price", "rooms"]) == "t.csv: no input column is left beside the target price, rooms"
    assert refusal("iris", "petal", UsageError) == "iris: its target is 'species', not petal; leave --target out"
    assert read("iris", target="species").target_names == ("species",)
    many = pl.DataFrame({f"c{number}": [1, 2] for number in range(100)})
    assert refusal(many, None, UsageError).endswith("c28, c29 and 70 more")


@pytest.mark.parametrize(
    ("text", "kinds", "missing"),
    [
        ("a,city,y\n1,2,0\n1,Oslo,1\n", ["number", "text"], [0, 0]),
        ("a,b,y\n1,2,0\n,4,1\n,5,0\n", ["number", "number"], [2, 0]),
        ("a,b,y\n1,2,0\n2,NA,1\n", ["number", "number"], [0, 1]),
        ("a,b,y\n1,2,0\n2,nan,1\n", ["number", "number"], [0, 1]),
        ("a,b,y\n1,,0\n2,,1\n", ["number", "number"], [0, 2]),
        ("a,b,y\n007,x,0\n008,?,1\n", ["text", "text"], [0, 1]),
    ],
)
def test_columns_of_every_kind(folder, text, kinds, missing):
    columns = list(read(write("t.csv", text), target="y").inputs)
    assert [column.kind for column in columns] == kinds
    assert [int(column.missing().sum()) for column in columns] == missing


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a,y\n1,2.5\n3,\n4,1\n", [2.5, 1.0]),
        ("a,y\n1,u\n3,\n4,v\n", ["u", "v"]),
        ('a,y\n1,u\n3," "\n4,v\n', ["u", "v"]),
        ("a,y\n1,2\n3,NA\n4,7\n", [2, 7]),
        ("a,y\n1,true\n3,\n4,false\n", [True, False]),
    ],
)
def test_rows_without_a_target_are_left_out(folder, text, kept):
    examples = read(write("t.csv", text), target="y")
    assert examples.targets.tolist() == kept
    assert [type(value) for value in examples.targets.tolist()] == [type(value) for value in kept]
    assert examples.inputs.column("a").values.tolist() == [1, 4]
    assert examples.n_without_target == 1


def test_targets_that_cannot_be_predicted(folder):
    write("t.csv", "a,y\n1,2\n3,inf\n")
    assert refusal("t.csv") == "t.csv: target 'y', row 3 holds inf; numbers must be finite"
    write("t.csv", "a,y,z\n1,2,u\n3,,v\n")
    assert refusal("t.csv", ["y", "z"]) == "t.csv: target 'z', row 2 holds 'u' where a number is needed"
    assert refusal(pl.DataFrame({"a": [1, 2], "y": [[1], [2]]})) == (
        "table: target 'y' holds lists or structures; a target is a text, a number or true/false"
    )
    dates = pl.DataFrame({"a": [1, 2], "y": [datetime.date(2020, 1, 2)] * 2})
    assert refusal(dates) == "table: target 'y' holds dates; a target is a text, a number or true/false"
    long = pl.DataFrame({"a": [1, 2], "y": ["u", "v" * 2000]})
    assert refusal(long) == (
        "table: target 'y', row 2 holds a text of 2,000 characters; a class's name has at most 1,000"
    )
    assert refusal(pl.DataFrame({"a": [1], "y": [None]}, schema={"a": pl.Int64, "y": pl.String})) == (
        "table: target y is missing in every row"
    )


def test_several_targets_are_numbers(folder):
    write("t.csv", "a,y,z\n1,2,3\n3,,4\n5,6,7\n")
    examples = read("t.csv", target=["y", "z"])
    assert examples.targets.tolist() == [[2, 3], [6, 7]]
    assert examples.n_without_target == 1


# Weights, groups, times


def test_columns_that_speak_of_the_rows(folder):
    write("t.csv", "a,w,g,t,y\n1,0.5,p2,2024-01-03,0\n2,2,p1,2024-01-01,1\n3,1,p2,2024-01-02,0\n")
    examples = read("t.csv", target="y", rows=RowColumns(weight="w", group="g"))
    assert examples.columns == ("a", "t")
    assert examples.weight.tolist() == [0.5, 2, 1]
    assert examples.groups.tolist() == ["p2", "p1", "p2"]
    timed = read("t.csv", target="y", rows=RowColumns(time="t"))
    assert timed.columns == ("a", "w", "g", "t")
    assert timed.times.argsort().tolist() == [1, 2, 0]
    with pytest.raises(
        UsageError, match=r"^--group and --time are two ways to split, and together neither would hold: "
    ):
        read("t.csv", target="y", rows=RowColumns(group="g", time="t"))


@pytest.mark.parametrize(
    ("rows", "kind", "message"),
    [
        (RowColumns(weight="v"), UsageError, "t.csv: there is no weight column 'v'; there are a, w, g, t"),
        (RowColumns(group="y"), UsageError, "t.csv: 'y' is the target; it cannot be the group as well"),
        (RowColumns(weight="w"), DataError, "t.csv: weight 'w', row 3 is -2; a weight is at least 0"),
        (RowColumns(weight="a"), DataError, "t.csv: column 'a', row 3 is empty; every row needs a weight"),
        (
            RowColumns(time="g"),
            DataError,
            "t.csv: time 'g' holds neither dates nor numbers; --date-order helps to read dates",
        ),
        (RowColumns(group="t"), DataError, "t.csv: column 't', row 2 is empty; every row needs a group"),
    ],
)
def test_columns_that_cannot_speak_of_the_rows(folder, rows, kind, message):
    write("t.csv", "a,w,g,t,y\n1,0.5,p2,,0\n,-2,p1,2024-01-01,1\n")
    with pytest.raises(kind) as caught:
        read("t.csv", target="y", rows=rows)
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_weights_of_zero_only(folder):
    with pytest.raises(DataError, match=r"^t.csv: weight 'w' is 0 in every row; at least one row must count$"):
        read(write("t.csv", "a,w,y\n1,0,1\n2,0,2\n"), target="y", rows=RowColumns(weight="w"))


# Arrays that cannot be used


X = np.ones((3, 2))
ADVICE = "; X[:, None] makes one column of it, X[None, :] one row"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((X, [1, 2]), "array: inputs have 3 rows and targets 2; they must be equal"),
        ((X[:, 0], [1, 2, 3]), f"array: inputs need two dimensions, rows × columns; these have shape (3,){ADVICE}"),
        (
            (np.ones((2, 2, 2, 2, 2)), [1, 2]),
            "array: inputs need two dimensions, rows × columns; these have shape (2, 2, 2, 2, 2); images are [n, "
            "height, width] or [n, height, width, channels]; X.reshape(len(X), -1) makes one row of numbers of each",
        ),
        ((np.ones((0, 2)), []), "array: there are no rows (the inputs have shape (0, 2))"),
        ((np.ones((2, 0)), [1, 2]), "array: there are no input columns (the inputs have shape (2, 0))"),
        ((X, None), "(X, y): y is None; training needs targets"),
        (
            (X, np.ones((3, 0))),
            "array: targets need one value a row, or one row of numbers a row; they have shape (3, 0)",
        ),
        ((X, [1, np.nan, 3]), "array: target 'target' has a missing value in row 2; leave those rows out"),
        ((X, ["u", None, "u"]), "array: target 'target' has a missing value in row 2; leave those rows out"),
        ((X, [1, np.inf, 3]), "array: target 'target', row 2 holds inf; numbers must be finite"),
        (
            (X, [[1, 2], [np.nan, 3], [1, 2]]),
            "array: target 'target0' has a missing value in row 2; leave those rows out",
        ),
        (
            (X, np.array(["u", 1, "u"], object)),
            "array: target 'target' mixes str ('u' in row 1) and int (1 (int) in row 2); give it values of one kind",
        ),
        (
            (X, np.array([1, datetime.date(2020, 1, 1), 2], object)),
            "array: target 'target', row 2 holds 2020-01-01 (date); a target is a text, a whole number, a number or a "
            "truth value",
        ),
        (
            (np.array([[1, 10**400]], object), [1]),
            "array: column 'x1', row 1 holds a number beyond the range of float64",
        ),
        (([[1, 2], [3, np.inf]], [1, 2]), "array: column 'x1', row 2 holds inf; numbers must be finite"),
        (
            (np.array([[1j, 2]]), [1]),
            "array: column 'x0', row 1 holds 1j (complex128) where a number is needed",
        ),
        (
            (X, ["u", "v" * 2000, "w"]),
            "array: target 'target', row 2 holds a text of 2,000 characters; a class's name has at most 1,000",
        ),
    ],
)
def test_arrays_that_cannot_be_used(source, message):
    assert refusal(source, None) == message


def test_sources_that_are_none():
    assert refusal(X, None, UsageError) == (
        "cannot train on inputs without targets: hand in (X, y), a table with target=…, or a file's name"
    )
    assert refusal({"a": [1]}, None, UsageError).startswith("cannot train on a dict: hand in (X, y)")
    assert refusal(None, None, UsageError).startswith("cannot train on a NoneType")
    assert refusal((X,), None, UsageError) == "a tuple is read as (X, y): two parts, not 1"
    assert refusal((X, [1, 2, 3]), ["a", "b"]) == "array: the number of targets is 1, and of their names 2: a, b"
    assert refusal(([[1, 2], [3]], [1, 2]), None).startswith("array cannot be read as an array: ")


# Data for a trained model


def test_columns_are_picked_by_name(folder):
    write("t.csv", "note,b,y,a\nhello,1,u,2\nworld,3,v,4\n")
    schema = model_of(["a", "b"], classes=("u", "v"))
    examples = read_inputs("t.csv", schema)
    assert np.array_equal(numbers(examples), [[2, 1], [4, 3]])
    assert examples.columns == ("a", "b") and examples.targets.tolist() == ["u", "v"]
    assert examples.target_names == ("y",)
    bare = read_inputs("t.csv", schema, targets=False)
    assert bare.targets is None and bare.target_names == () and bare.n_rows == 2
    assert read_inputs(pl.DataFrame({"b": [1], "a": [2]}), schema).targets is None
    iris = read_inputs("iris", model_of(["petal width (cm)"], "species", classes=("setosa",)))
    assert np.array_equal(numbers(iris)[:, 0], read("iris").inputs.matrix[:, 3]) and iris.targets[0] == "setosa"
    assert read_inputs("iris", model_of(["petal width (cm)"], "petal")).targets is None


def test_a_models_categories_are_read_as_they_are_written(folder):
    write("t.csv", "zip,y\n007,1\n12,2\n")
    column = read_inputs("t.csv", model_of(["zip"], roles="category")).inputs.column("zip")
    assert column.as_written().tolist() == ["007", "12"]


def test_rows_without_a_target_are_kept_for_predictions_only(folder):
    write("t.csv", "a,y\n1,2\n3,\n")
    assert read_inputs("t.csv", model_of(["a"]), targets=False).n_rows == 2
    scored = read_inputs("t.csv", model_of(["a"]))
    assert (scored.n_rows, scored.n_without_target) == (1, 1)


def test_the_model_says_that_the_target_is_a_number(folder):
    write("t.csv", "a,y\n1,u\n3,v\n")
    with pytest.raises(DataError, match="^t.csv: target 'y', row 2 holds 'u' where a number is needed$"):
        read_inputs("t.csv", model_of(["a"]))


def test_how_a_file_is_written_can_be_said_for_a_model_as_well(folder):
    write("t.csv", "a;b\n1,5;2\n")
    schema = model_of(["a"])
    assert numbers(read_inputs("t.csv", schema, options=ReadOptions(separator=";", decimal=",")))[0, 0] == 1.5
    assert read_columns("t.csv", schema).names == ("a", "b")


def test_arrays_are_counted():
    schema = model_of(["a", "b"])
    examples = read_inputs(X, schema)
    assert examples.columns == ("a", "b") and examples.targets is None and examples.inputs.matrix is X
    pair = read_inputs((X, [1, 2, 3]), schema)
    assert pair.targets.tolist() == [1, 2, 3] and pair.target_names == ("y",)
    with pytest.raises(DataError, match=r"^array: the inputs have 2 columns, the model was trained on 3$"):
        read_inputs(X, model_of(["a", "b", "c"]))


def test_columns_that_are_not_there(folder):
    write("t.csv", "rooms,price\n1,2\n")
    with pytest.raises(UsageError, match=r"^t\.csv: the model needs a column 'room'; did you mean 'rooms'\?$"):
        read_inputs("t.csv", model_of(["room"]))
    with pytest.raises(
        UsageError, match=r"^t\.csv: the model needs 2 columns that are not there: u, v; there are rooms, "
    ):
        read_inputs("t.csv", model_of(["u", "rooms", "v"]))


def test_nothing_of_the_users_is_changed(generator):
    inputs, targets = generator.random((5, 2)), generator.integers(0, 2, 5)
    inputs.flags.writeable = targets.flags.writeable = False
    examples = read((inputs, targets))
    taken = examples.take(np.array([3, 1]))
    assert np.array_equal(numbers(taken), inputs[[3, 1]])
    assert np.array_equal(taken.targets, targets[[3, 1]])
    assert read_inputs(inputs, model_of(["a", "b"])).take(np.array([0])).targets is None
