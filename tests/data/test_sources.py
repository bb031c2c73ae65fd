"""Every way in, and the message of everything that is refused."""

from __future__ import annotations

import datetime
import decimal
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.data import read, read_inputs
from entrena.errors import DataError, EntrenaError, UsageError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def refusal(source, target="y", kind=DataError):
    """The text of the error that reading ends in; of exactly this class."""
    with pytest.raises(EntrenaError) as caught:
        read(source, target=target)
    assert type(caught.value) is kind
    return str(caught.value)


# What is read


def test_csv(folder):
    examples = read(write("t.csv", "a,b,y\n1,2.5,0\n3,4,1\n"), target="y")
    assert np.array_equal(examples.inputs, [[1, 2.5], [3, 4]])
    assert examples.inputs.dtype == np.float64 and examples.inputs.flags.c_contiguous
    assert np.array_equal(examples.targets, [0, 1]) and examples.targets.dtype == np.int64
    assert examples.columns == ("a", "b") and examples.target_names == ("y",) and examples.source == "t.csv"


def test_csv_with_labels_truth_values_spaces_crlf_bom_quotes_and_blank_end(folder):
    text = '\ufeffa, b ,"c,1",y\r\n 1,true,"2", setosa\r\n2 ,false,.5,virginica \r\n+3,true,1e3,setosa\r\n\r\n\r\n'
    examples = read(write("t.csv", text), target="y")
    assert examples.columns == ("a", "b", "c,1")
    assert np.array_equal(examples.inputs, [[1, 1, 2], [2, 0, 0.5], [3, 1, 1000]])
    assert examples.targets.tolist() == ["setosa", "virginica", "setosa"]


def test_csv_whose_types_show_late(folder):
    rows = "".join("1,0\n" for _ in range(1500))
    examples = read(write("t.csv", f"a,y\n{rows}1.5,2.25\n"), target="y")
    assert examples.inputs[-1, 0] == 1.5 and examples.targets[-1] == 2.25 and examples.n_rows == 1501


def test_csv_names_that_are_counts_and_glob_characters(folder):
    assert read(write("a[1]*.csv", "0,1,2\n5,6,0\n7,8,1\n"), target="2").columns == ("0", "1")


def test_several_targets(folder):
    examples = read(write("t.csv", "a,y,b,z\n1,2,3,4\n5,6,7,8\n"), target=("z", "y"))
    assert examples.columns == ("a", "b") and examples.target_names == ("z", "y")
    assert np.array_equal(examples.targets, [[4, 2], [8, 6]])


def test_parquet_keeps_the_narrow_type_that_holds_everything(folder):
    frame = pl.DataFrame({"a": [1, 200], "b": [True, False], "y": ["u", "v"]}, schema_overrides={"a": pl.UInt8})
    frame.write_parquet("t.parquet")
    examples = read(Path("t.parquet"), target="y")
    assert examples.inputs.dtype == np.float32 and np.array_equal(examples.inputs, [[1, 1], [200, 0]])
    assert examples.targets.tolist() == ["u", "v"]
    frame.with_columns(a=pl.Series([2**40 + 1, 2])).write_parquet("t.parquet")
    assert read("t.parquet", target="y").inputs[0, 0] == 2**40 + 1


def test_csv_and_parquet_give_the_same_on_real_data(folder, shared_data):
    frame = pl.read_parquet(shared_data / "phoneme.parquet")
    frame.write_csv("t.csv")
    target = frame.columns[-1]
    one, two = read("t.csv", target=target), read(shared_data / "phoneme.parquet", target=target)
    # In the Parquet file the classes are the texts '0' and '1'; a CSV file cannot say that.
    assert np.array_equal(one.inputs, two.inputs) and np.array_equal(one.targets, two.targets.astype(int))
    assert np.array_equal(one.inputs, frame.drop(target).to_numpy())


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
    assert np.array_equal(examples.inputs, [[1.25, 2.0**70], [2.5, 1]])
    assert examples.targets.tolist() == ["p", "q"]


def test_pandas_frames():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1, 2], "b": [True, False], 3: pd.array([4, 5], dtype="Int64"), "y": ["u", "v"]})
    examples = read(frame, target="y")
    assert examples.columns == ("a", "b", "3")
    assert np.array_equal(examples.inputs, [[1, 1, 4], [2, 0, 5]])
    assert examples.targets.tolist() == ["u", "v"]
    pair = read((frame[["a", 3]], frame["y"]))
    assert pair.columns == ("a", "3") and pair.target_names == ("y",)
    assert "'3' has a missing value in row 2" in refusal(
        frame.assign(**{"3": [1.0, 2.0]}).drop(columns=[3]).assign(**{"3": pd.array([4, None], dtype="Int64")})
    )
    assert "column 'a', row 2 holds 'x'" in refusal(pd.DataFrame({"a": [1, "x"], "y": [0, 1]}))
    assert "target 'y' has a missing value in row 1" in refusal(pd.DataFrame({"a": [1, 2], "y": [None, "u"]}))
    twice = pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=["a", "a", "y"])
    assert "columns 1 and 2 are both called 'a'" in refusal(twice)


def test_arrow_capsules():
    class Capsule:
        """Only the Arrow stream, as an Arrow table without Polars' or pandas' methods has it."""

        def __arrow_c_stream__(self, requested_schema=None):
            return pl.DataFrame({"a": [1, 2], "y": [0.5, 1.5]}).__arrow_c_stream__(requested_schema)

    examples = read(Capsule(), target="y")
    assert np.array_equal(examples.inputs, [[1], [2]]) and np.array_equal(examples.targets, [0.5, 1.5])


def test_a_duck_of_a_frame():
    class Duck:
        columns = ("a", "y")

        def __len__(self):
            return 2

        def __getitem__(self, name):
            return {"a": [1.5, 2.5], "y": [0, 1]}[name]

        def to_numpy(self):
            raise AssertionError("columns are read one by one")

    assert np.array_equal(read(Duck(), target="y").inputs, [[1.5], [2.5]])


def test_arrays():
    examples = read(([[1, 2], [3, 4]], ["a", "b"]))
    assert examples.columns == ("x0", "x1") and examples.target_names == ("target",) and examples.source == "array"
    assert examples.inputs.dtype == np.float64 and examples.targets.tolist() == ["a", "b"]
    given = np.ones((2, 3), np.float32)
    assert read((given, [0, 1]), target="price").inputs is given
    assert read((given, [0, 1]), target="price").target_names == ("price",)
    assert read((given, np.ones((2, 1)))).targets.shape == (2,)
    several = read((given, [[1, 2], [3, 4]]))
    assert several.target_names == ("target0", "target1") and several.targets.dtype == np.float64
    assert read((np.array([[1, True], [2.5, decimal.Decimal(3)]], dtype=object), [0, 1])).inputs.tolist() == [
        [1, 1],
        [2.5, 3],
    ]


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
    numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float)
    values = np.array(
        data.draw(st.lists(numbers, min_size=n_rows * (n_columns + 1), max_size=n_rows * (n_columns + 1)))
    )
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
    assert np.array_equal(examples.inputs, values[:, :-1])
    assert np.array_equal(examples.targets, values[:, -1])


# Files that cannot be read


def test_missing_file(folder):
    write("houses.csv", "a,y\n1,2\n")
    assert refusal("house.csv", kind=UsageError) == "there is no file house.csv: did you mean 'houses.csv'?"
    assert refusal("houses", kind=UsageError) == "there is no data set or file houses: did you mean 'houses.csv'?"
    assert refusal("digts", kind=UsageError) == "there is no data set or file digts: did you mean 'digits'?"
    assert refusal("zzz.csv", kind=UsageError) == "there is no file zzz.csv"
    assert refusal("zzz", kind=UsageError) == (
        "there is no data set or file zzz; the embedded data sets are digits, iris, wine, breast_cancer, diabetes, "
        "two_spirals, moons, drifting_stream"
    )
    assert refusal("no/such.csv", kind=UsageError) == "there is no file no/such.csv: its folder no does not exist"
    Path("sub").mkdir()
    write("sub/cars.csv", "a,y\n1,2\n")
    assert refusal("sub/cats.csv", kind=UsageError) == "there is no file sub/cats.csv: did you mean 'sub/cars.csv'?"


def test_directory_fifo_and_suffix(folder):
    Path("d.csv").mkdir()
    assert refusal("d.csv", kind=UsageError) == "d.csv is a directory; name one file, .csv or .parquet"
    os.mkfifo("f.csv")
    assert refusal("f.csv", kind=UsageError) == "f.csv is no ordinary file"
    write("t.xlsx", "x")
    assert (
        refusal("t.xlsx", kind=UsageError)
        == "t.xlsx: files that end in .xlsx cannot be read yet; .csv and .parquet can"
    )
    write("t", "x")
    assert refusal("t", kind=UsageError) == "t: files without a suffix cannot be read yet; .csv and .parquet can"


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that opens and cannot be read")
def test_unreadable_file(folder):
    Path("t.csv").symlink_to("/proc/self/mem")
    assert refusal("t.csv") == "t.csv cannot be read: Input/output error"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "t.csv is empty"),
        (b"\n\n", "t.csv is empty"),
        (b"a,y\n", "t.csv has columns but no rows"),
        (b"a,y\n\n\n", "t.csv has columns but no rows"),
        (b"a,y\n1,2\n3,4,5\n", "t.csv: row 3 has 3 values, the header has 2"),
        (b"a,b,y\n1,2,3\n4,5\n", "t.csv: row 3 has 2 values, the header has 3"),
        (b"a,b,y\n1,2,3\n4\n", "t.csv: row 3 has 1 value, the header has 3"),
        (b"a,y\n1,2\n\n3,4\n", "t.csv: row 3 is blank; delete the line"),
        (b'a,y\n1,2\n"3,4\n5,6\n', "t.csv: row 3 is malformed: unexpected end of data"),
        (b"a;b;y\n1;2;3\n", "t.csv: values are separated by semicolons; they must be separated by commas"),
        (b"a\tb\ty\n1\t2\t3\n", "t.csv: values are separated by tabs; they must be separated by commas"),
        (b"a,b,a,y\n1,2,3,4\n", "t.csv: columns 1 and 3 are both called 'a'; names must differ"),
        (b"a, a,y\n1,2,3\n", "t.csv: columns 1 and 2 are both called 'a'; names must differ"),
        (
            b",a,y\n0,1,2\n",
            "t.csv: column 1 has no name; name it or leave it out (pandas writes row numbers so: "
            "to_csv(…, index=False) leaves them out)",
        ),
        (b"5.1,3.5,0\n4.9,3.0,1\n", "t.csv: the first row holds numbers (5.1, 3.5, 0, …); it must name the columns"),
        (
            "a,y\n1,2\né,4\n".encode("latin-1"),
            "t.csv is not a CSV file in UTF-8: line 3 holds the byte 0xe9; save it as CSV in UTF-8",
        ),
        (b"PAR1xxxx", "t.csv is not a CSV file but a Parquet file: name it .parquet"),
        (b"PK\x03\x04xx", "t.csv is not a CSV file but a zip archive or an Excel file: export it as CSV"),
        (b"\x1f\x8bxx", "t.csv is not a CSV file but compressed with gzip: unpack it"),
        ("a,y\n1,2\n".encode("utf-16"), "t.csv is not a CSV file but text in UTF-16: save it as UTF-8"),
    ],
)
def test_malformed_csv(folder, content, message):
    Path("t.csv").write_bytes(content)
    assert refusal("t.csv") == message


def test_one_row_is_read_and_no_row_is_not(folder):
    assert read(write("t.csv", "a,y\n1,2\n"), target="y").n_rows == 1
    assert read_inputs(write("t.csv", "a\n1\n"), ["a"]).n_rows == 1
    with pytest.raises(DataError, match=r"^t\.csv has columns but no rows$"):
        read_inputs(write("t.csv", "a\n"), ["a"])


def test_binary_noise_ends_in_a_message(folder, generator):
    for _ in range(30):
        Path("t.csv").write_bytes(b"a,y\n" + generator.bytes(200))
        with pytest.raises(EntrenaError, match=r"^t\.csv"):
            read("t.csv", target="y")


def test_damaged_parquet_ends_in_a_message(folder, generator):
    path = Path("t.parquet")
    pl.DataFrame({"a": generator.random(300), "y": generator.integers(0, 9, 300)}).write_parquet(path)
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert refusal("t.parquet") == "t.parquet is empty"
    path.write_bytes(b"a,y\n1,2\n")
    assert refusal("t.parquet") == "t.parquet is not a Parquet file: it does not begin with PAR1"
    for length in (4, 12, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert refusal("t.parquet").startswith("t.parquet is a damaged Parquet file (")
    refused = 0
    for _ in range(60):
        noisy = bytearray(whole)
        for position in generator.integers(4, len(whole), 8):
            noisy[position] = generator.integers(256)
        path.write_bytes(noisy)
        try:
            read(path, target="y")
        except EntrenaError as error:
            assert str(error).startswith("t.parquet")
            refused += 1
    assert refused > 10


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


LEAVE_OUT = "columns that hold anything but numbers cannot be used yet: leave them out or turn them into numbers"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,city,y\n1,2,0\n1,Oslo,1\n",
            f"t.csv: column 'city', row 3 holds 'Oslo' where a number is needed; {LEAVE_OUT}",
        ),
        (
            "street,a,city,y\nx,1,Rome,0\ny,1,Oslo,1\n",
            f"t.csv: column 'street', row 2 holds 'x' where a number is needed (so do 'city'); {LEAVE_OUT}",
        ),
        ("a,b,y\n1_0,2,0\n", f"t.csv: column 'a', row 2 holds '1_0' where a number is needed; {LEAVE_OUT}"),
        (
            "a,b,y\n1,2,0\n,4,1\n,5,0\n",
            "t.csv: column 'a' has 2 missing values, the first in row 3; "
            "fill them in, or leave out those rows or the column",
        ),
        (
            "a,b,y\n1,2,0\n2,NA,1\n",
            "t.csv: column 'b' has a missing value in row 3; fill them in, or leave out those rows or the column",
        ),
        (
            "a,b,y\n1,2,0\n2,nan,1\n",
            "t.csv: column 'b' has a missing value in row 3; fill them in, or leave out those rows or the column",
        ),
        (
            "a,b,y\n1,,0\n2,,1\n",
            "t.csv: column 'b' has 2 missing values, the first in row 2; "
            "fill them in, or leave out those rows or the column",
        ),
        ("a,b,y\n1,2,0\n2,-inf,1\n", "t.csv: column 'b', row 3 holds -inf; numbers must be finite"),
        ("a,b,y\n1,2,0\n2,1e400,1\n", "t.csv: column 'b', row 3 holds inf; numbers must be finite"),
        ("a,y\n1,2.5\n3,\n", "t.csv: target 'y' has a missing value in row 3; leave those rows out"),
        ("a,y\n1,u\n3,\n", "t.csv: target 'y' has a missing value in row 3; leave those rows out"),
        ('a,y\n1,u\n3," "\n', "t.csv: target 'y' has a missing value in row 3; leave those rows out"),
        ("a,y\n1,2\n3,NA\n", "t.csv: target 'y' has a missing value in row 3; leave those rows out"),
        ("a,y\n1,2\n3,inf\n", "t.csv: target 'y', row 3 holds inf; numbers must be finite"),
    ],
)
def test_values_that_cannot_be_used(folder, text, message):
    assert refusal(write("t.csv", text)) == message


def test_several_targets_are_numbers(folder):
    write("t.csv", "a,y,z\n1,2,u\n3,,v\n")
    assert refusal("t.csv", ["y", "z"]) == "t.csv: target 'z', row 2 holds 'u' where a number is needed"
    write("t.csv", "a,y,z\n1,2,3\n3,,4\n")
    assert refusal("t.csv", ["y", "z"]) == "t.csv: target 'y' has a missing value in row 3; leave those rows out"


def test_rows_of_frames_are_counted_from_one():
    frame = pl.DataFrame({"a": [1.0, None, float("inf")], "y": [1, 2, 3]})
    assert refusal(frame).startswith("table: column 'a' has a missing value in row 2;")
    assert refusal(frame.with_columns(a=pl.Series([1.0, 2.0, float("inf")]))) == (
        "table: column 'a', row 3 holds inf; numbers must be finite"
    )
    dates = pl.DataFrame({"a": [None, datetime.date(2020, 1, 2)], "y": [1, 2]})
    assert refusal(dates).startswith("table: column 'a', row 2 holds 2020-01-02 (date) where a number is needed;")
    assert refusal(pl.DataFrame({"a": ["1", "2"], "y": [1, 2]})).startswith("table: column 'a', row 1 holds '1'")
    assert refusal(pl.DataFrame({"a": [1, 2], "y": [None, "u"]})).startswith("table: target 'y' has a missing value")
    assert refusal(pl.DataFrame({"a": [[1], [2]], "y": [1, 2]})).startswith("table: column 'a', row 1 holds")


X = np.ones((3, 2))
ADVICE = "; X[:, None] makes one column of it, X[None, :] one row"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((X, [1, 2]), "array: inputs have 3 rows and targets 2; they must be equal"),
        ((X[:, 0], [1, 2, 3]), f"array: inputs need two dimensions, rows × columns; these have shape (3,){ADVICE}"),
        ((np.ones((2, 2, 2)), [1, 2]), "array: inputs need two dimensions, rows × columns; these have shape (2, 2, 2)"),
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
            (np.array([[1, "x"]], object), [1]),
            f"array: column 'x1', row 1 holds 'x' where a number is needed; {LEAVE_OUT}",
        ),
        (
            (np.array([["1", "2"]]), [1]),
            f"array: column 'x0', row 1 holds '1' where a number is needed; {LEAVE_OUT}",
        ),
        (
            (np.array([[1, None]], object), [1]),
            "array: column 'x1' has a missing value in row 1; fill them in, or leave out those rows or the column",
        ),
        (
            (np.array([[1, 10**400]], object), [1]),
            "array: column 'x1', row 1 holds a number beyond the range of float64",
        ),
        (([[1, 2], [3, np.inf]], [1, 2]), "array: column 'x1', row 2 holds inf; numbers must be finite"),
        (
            (np.array([[1j, 2]]), [1]),
            f"array: column 'x0', row 1 holds 1j (complex128) where a number is needed; {LEAVE_OUT}",
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
    from scipy import sparse

    assert refusal((sparse.csr_array(X), [1, 2, 3]), None) == (
        "array: sparse matrices cannot be used yet; hand in .toarray()"
    )


# Data for a trained model


def test_columns_are_picked_by_name(folder):
    write("t.csv", "note,b,y,a\nhello,1,u,2\nworld,3,v,4\n")
    examples = read_inputs("t.csv", ["a", "b"], target_names=["y"])
    assert np.array_equal(examples.inputs, [[2, 1], [4, 3]])
    assert examples.columns == ("a", "b") and examples.targets.tolist() == ["u", "v"]
    assert examples.target_names == ("y",)
    bare = read_inputs("t.csv", ["b"])
    assert bare.targets is None and bare.target_names == () and bare.inputs.tolist() == [[1], [3]]
    other = read_inputs(pl.DataFrame({"b": [1]}), ["b"], target_names=["y"])
    assert other.targets is None
    iris = read_inputs("iris", ["petal width (cm)"], target_names=["species"])
    assert np.array_equal(iris.inputs[:, 0], read("iris").inputs[:, 3]) and iris.targets[0] == "setosa"
    assert read_inputs("iris", ["petal width (cm)"]).targets is None


def test_arrays_are_counted():
    examples = read_inputs(X, ["a", "b"])
    assert examples.columns == ("a", "b") and examples.targets is None and examples.inputs is X
    pair = read_inputs((X, [1, 2, 3]), ["a", "b"], target_names=["y"])
    assert pair.targets.tolist() == [1, 2, 3] and pair.target_names == ("y",)
    with pytest.raises(DataError, match=r"^array: the inputs have 2 columns, the model was trained on 3$"):
        read_inputs(X, ["a", "b", "c"])


def test_columns_that_are_not_there(folder):
    write("t.csv", "rooms,price\n1,2\n")
    with pytest.raises(UsageError, match=r"^t\.csv: the model needs a column 'room'; did you mean 'rooms'\?$"):
        read_inputs("t.csv", ["room"])
    with pytest.raises(
        UsageError, match=r"^t\.csv: the model needs 2 columns that are not there: u, v; there are rooms, "
    ):
        read_inputs("t.csv", ["u", "rooms", "v"])


def test_nothing_of_the_users_is_changed(generator):
    inputs, targets = generator.random((5, 2)), generator.integers(0, 2, 5)
    inputs.flags.writeable = targets.flags.writeable = False
    examples = read((inputs, targets))
    assert np.array_equal(examples.take(np.array([3, 1])).inputs, inputs[[3, 1]])
    assert np.array_equal(examples.take(np.array([3, 1])).targets, targets[[3, 1]])
    assert read_inputs(inputs, ["a", "b"]).take(np.array([0])).targets is None
