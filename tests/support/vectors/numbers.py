"""numbers.json: preservation numbers of records, and what is read as one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from support.vectors.cases import Case, invalid, valid

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECORDS = ("", "abc", '{"schema":"evidence-record/1"}', "证据", *(f"record {n}" for n in range(20)))
RULES = {
    "symbol": "a number has no symbols but the 32, in either case, I, L and O for 1, 1 and 0, "
    "spaces and hyphens",
    "length": "a number has 17 symbols",
    "record": "the number is the record's",
    "check": "the last symbol is the remainder of the 80 bits and five zero bits modulo "
    "x^5 + x^2 + 1",
}


def build_numbers() -> dict[str, object]:
    """Return numbers.json."""
    return {
        "about": "Preservation numbers: the first 80 bits of the SHA-256 of a record's exact "
        "bytes (UTF-8) in Crockford's base32, and a check symbol.",
        "rules": RULES,
        "records": [
            valid(json.dumps(record)[1:-1] or "an empty record", record=record, number=number)
            for record, number in ((record, number_of(record)) for record in RECORDS)
        ]
        + [*others_numbers()],
        "numbers": [*spellings(), *others()],
    }


def others_numbers() -> Iterator[Case]:
    """Yield records with the number of another one."""
    for record in RECORDS[:4]:
        for name, other in (("a space", record + " "), ("a newline", record + "\n")):
            text = json.dumps(record)[1:-1] or "an empty record"
            number = number_of(other)
            yield invalid(f"{text}, {name} added", "record", record=record, number=number)


def remainder_of(bits: int, width: int) -> int:
    """Return the remainder of a polynomial over GF(2) of ``width`` bits, by long division."""
    for at in reversed(range(5, width)):
        if bits >> at & 1:
            bits ^= 0b100101 << (at - 5)
    return bits


def spell(bits: int) -> str:
    symbols = bits << 5 | remainder_of(bits << 5, 85)
    text = "".join(ALPHABET[symbols >> 5 * at & 31] for at in reversed(range(17)))
    return "-".join(text[at : at + 4] for at in range(0, 17, 4))


def number_of(record: str) -> str:
    return spell(int.from_bytes(hashlib.sha256(record.encode()).digest()[:10], "big"))


def spellings() -> Iterator[Case]:
    """Yield ways to write a number that are read."""
    # One with a 0 and a 1, which people write as letters.
    bits = next(n for n in range(1 << 40, 1 << 41, 0x1234567) if {"0", "1"} < set(spell(n)))
    number, digest = spell(bits), bits.to_bytes(10, "big").hex()
    ways = {
        "as printed": number,
        "in lower case": number.lower(),
        "without hyphens": number.replace("-", ""),
        "with spaces": f" {number.replace('-', ' ')} ",
        "with a hyphen after each symbol": "-".join(number.replace("-", "")) + "-",
        "with O for 0": number.replace("0", "O"),
        "with o for 0": number.replace("0", "o"),
        "with I for 1": number.replace("1", "I"),
        "with l for 1": number.replace("1", "l"),
    }
    for name, text in ways.items():
        yield valid(name, text=text, digest=digest, number=number)
    odd = next(n for n in range(1 << 40, 1 << 44, 0x1234567) if {"A", "Z"} < set(spell(n)))
    number = spell(odd)
    yield valid(
        "an A and a Z in lower case",
        text=number.lower(), digest=odd.to_bytes(10, "big").hex(), number=number,
    )  # fmt: skip
    for name, each in (("the smallest", 0), ("the greatest", (1 << 80) - 1)):
        yield valid(
            name, text=spell(each), digest=each.to_bytes(10, "big").hex(), number=spell(each)
        )


def others() -> Iterator[Case]:
    """Yield what is no number."""
    number = number_of("abc")
    text = number.replace("-", "")
    yield invalid("nothing", "length", text="")
    yield invalid("hyphens alone", "length", text="----")
    yield invalid("a symbol too few", "length", text=number[1:])
    yield invalid("without its check symbol", "length", text=number[:-2])
    yield invalid("a symbol too many", "length", text=number + "0")
    yield invalid("twice", "length", text=f"{number} {number}")
    yield invalid("a digest", "length", text=hashlib.sha256(b"abc").hexdigest())
    for symbol in "U*~$=_.,:;/+\t\n\0\u2013\uff10\u0660é证":
        yield invalid(f"with U+{ord(symbol):04X}", "symbol", text=symbol + number[1:])
    last = spell((1 << 80) - 1)
    yield invalid("a star for the last symbol of the alphabet", "symbol", text=f"*{last[1:]}")
    for at in range(len(text)):
        value = ALPHABET.index(text[at])
        for change in (1, 2, 16, 31):
            bent = text[:at] + ALPHABET[value ^ change] + text[at + 1 :]
            yield invalid(f"symbol {at + 1} changed by {change}", "check", text=bent)
    for at in range(len(text) - 1):
        if text[at] != text[at + 1]:
            bent = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            yield invalid(f"symbols {at + 1} and {at + 2} exchanged", "check", text=bent)
