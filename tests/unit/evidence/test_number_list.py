"""Lists of numbers: pasted, or from text and CSV files as spreadsheets write them."""

from __future__ import annotations

import pytest

from anchor.errors import MalformedError
from anchor.evidence.number_list import MAX_NUMBERS, read_number_file, read_pasted


def test_a_pasted_text_has_a_number_a_line_or_between_commas() -> None:
    text = "\ufeffBZPE PSQZ\r\n\r\n ab ; cd，ef、gh\rij\tkl\n"
    assert read_pasted(text) == ["BZPE PSQZ", "ab", "cd", "ef", "gh", "ij", "kl"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("heading", ["Number", "存证编号"])
def test_a_csv_file_names_its_column(encoding: str, delimiter: str, heading: str) -> None:
    rows = [["名称", heading], ['"a, b; c"', "N1"], ["合同", '"N2"'], ["short"], ["=cmd", "N3"]]
    data = "\r\n".join(delimiter.join(row) for row in rows).encode(encoding)
    assert read_number_file(data) == ["N1", "N2", "N3"]


def test_a_file_without_heading_has_the_numbers_in_its_first_column() -> None:
    assert read_number_file(b"N1,x\nN2,y\n\nN3") == ["N1", "N2", "N3"]
    assert read_number_file(b"N1\nN2") == ["N1", "N2"]
    assert read_number_file(b"") == []


def test_what_is_no_text_and_no_csv_stays_a_line() -> None:
    long = b"9" * 300_000
    assert [len(line) for line in read_number_file(long + b"\nN2")] == [201, 2]
    assert len(read_number_file(b'"open\nN2\n\xff\xfe\x00\n')) == 3


def test_a_list_that_is_too_long_says_by_how_much() -> None:
    full = "\n".join(["N"] * MAX_NUMBERS)
    assert len(read_pasted(full)) == len(read_number_file(full.encode())) == MAX_NUMBERS
    for read in (read_pasted, lambda text: read_number_file(text.encode())):
        with pytest.raises(MalformedError, match="1,001 numbers; at most 1,000"):
            read(f"{full}\nN")
