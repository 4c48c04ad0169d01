"""A CSV file is read as the mapping says, nothing is guessed, and a row out of shape is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.ingest.loading.csv_file import read_header
from mbp.ingest.loading.load_sources import LoadReport, load_folder
from mbp.warehouse import connect

HEADER = "trade,market,at,price,shares,user\n"
GOOD = "t1,m1,2026-01-05 09:00:00,0.5,10,zoe\n"


@pytest.fixture(autouse=True)
def warehouse_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "loaded.duckdb"
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(path))
    return path


def load(root: Path, folder: Path) -> LoadReport:
    return load_folder(root, folder, folder / "mapping.yaml")


OUT_OF_SHAPE: list[tuple[str, str, str]] = [
    ("too few", HEADER + GOOD + "t2,m1,2026\n", r"quotes\.csv:3: 3 fields, the header has 6"),
    ("too many", HEADER + GOOD * 2 + "t2,m1,2026,0,5,1,bob\n", r":4: 7 fields, the header has 6"),
    ("one", HEADER + "t2\n", r":2: 1 field, the header has 6"),
    ("spaces", HEADER + GOOD + "  \n" + GOOD, r":3: 1 field, the header has 6"),
    ("after a blank line", HEADER + GOOD + "\n\n" + "t2,m1\n", r":5: 2 fields"),
    (
        "after and with line ends in quotes",
        HEADER + GOOD.replace("zoe", '"a\nn\nn"') + 't2,"m\n1"\n',
        r":5: 2 fields",
    ),
    ("windows line ends", (HEADER + GOOD + "t2,m1\n").replace("\n", "\r\n"), r":3: 2 fields"),
    (
        "open quote",
        HEADER + GOOD + '"t2,m1\n' + GOOD,
        r":3: not CSV: .*end of data.* write the quote",
    ),
    ("text after a quote", HEADER + '"t1"x' + GOOD[2:], r":2: not CSV: "),
    ("blank first line", "\n" + HEADER + GOOD, r":1: no header"),
    ("a name twice", HEADER.replace("user", "Price") + GOOD, r":1: the header has 'Price' twice"),
    (
        "another delimiter",
        (HEADER + GOOD.replace("0.5", "0#5")).replace(",", ";").replace("#", ","),
        r":2: 2 fields, the header has 1\. .*another delimiter says so in the mapping",
    ),
]


@pytest.mark.parametrize(
    ("name", "text", "message"), OUT_OF_SHAPE, ids=[one[0] for one in OUT_OF_SHAPE]
)
def test_a_row_out_of_shape_is_told_with_its_line(
    project_root: Path, folder: Path, warehouse_file: Path, name: str, text: str, message: str
) -> None:
    (folder / "quotes.csv").write_bytes(text.encode())
    with pytest.raises(MbpError, match=message) as caught:
        load(project_root, folder)
    assert "zoe" not in str(caught.value), "values stay in the file"
    assert not warehouse_file.exists(), name


def test_text_that_is_not_utf_8_is_told(project_root: Path, folder: Path) -> None:
    (folder / "quotes.csv").write_bytes((HEADER + GOOD).replace("zoe", "ã").encode("latin-1"))
    with pytest.raises(
        MbpError,
        match=r"quotes\.csv: not text in UTF-8. Fix: save it as UTF-8, or",
    ):
        load(project_root, folder)


@pytest.mark.parametrize("delimiter", [";", "|", "\t", "#"])
def test_the_mapping_names_the_delimiter(project_root: Path, folder: Path, delimiter: str) -> None:
    text = HEADER + 't1,m1,2026-01-05 09:00:00,0.5,10,"a;|\t#n"\n'
    head, _, user = text.rpartition(",")
    (folder / "quotes.csv").write_text(head.replace(",", delimiter) + delimiter + user)
    mapping = folder / "mapping.yaml"
    shown = delimiter.replace("\t", "\\t")
    mapping.write_text(
        mapping.read_text().replace(
            "file: quotes.csv\n", f'file: quotes.csv\n    delimiter: "{shown}"\n'
        )
    )
    assert load(project_root, folder).tables[1].loaded == 1


@pytest.mark.parametrize("delimiter", ["", ", ", ";\\n", '\\"', "\\n"])
def test_a_delimiter_is_one_character_that_means_nothing_else(
    project_root: Path, folder: Path, delimiter: str
) -> None:
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        mapping.read_text().replace(
            "file: quotes.csv\n", f'file: quotes.csv\n    delimiter: "{delimiter}"\n'
        )
    )
    with pytest.raises(MbpError, match=r"mapping\.yaml:19: .*delimiter"):
        load(project_root, folder)


def test_quotes_are_read_and_not_guessed(project_root: Path, folder: Path) -> None:
    """Values that a guess would take for another delimiter, quote, comment or type stay as they are."""
    names = ['a "b", c', "it's; 'so'", "#1", "007", "two\nlines", "2026-01-05"]
    rows = [
        f'm{number},"{name.replace(chr(34), chr(34) * 2)}",2026-01-05 08:00,2026-01-06 08:00'
        for number, name in enumerate(names)
    ]
    text = "\ufeff" + "\r\n".join(["id,question,opens,closes", *rows, ""])
    (folder / "markets.csv").write_bytes(text.encode())
    assert load(project_root, folder).tables[0].loaded == len(names)
    with connect(project_root) as warehouse:
        _, found = warehouse.query("select name from raw_mbp.markets order by market_id")
    assert [name for (name,) in found] == names


def test_a_column_without_a_name_is_called_by_its_position(
    project_root: Path, folder: Path
) -> None:
    quotes = folder / "quotes.csv"
    quotes.write_text("," + HEADER + "0," + GOOD)
    assert read_header(quotes, ",", '"', "utf-8", "quotes.csv")[:2] == ["column0", "trade"]
    assert load(project_root, folder).tables[1].loaded == 1
