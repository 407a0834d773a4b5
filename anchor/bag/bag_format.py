"""The format of bags (``anchor-bag/1``): names, lists of digests and ``bag-info.txt``.

A bag is one of BagIt 1.0 (RFC 8493), and stricter: ``docs/spec/bag.md`` is the specification.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from anchor.base.errors import MalformedError, MismatchError, UnknownVersionError
from anchor.base.messages.message import Message

FORMAT = "anchor-bag/1"
EVIDENCE_FORMAT = "anchor-evidence-bag/1"
"""The format of a bag that is one piece of evidence: its manifest is what was recorded."""
FORMAT_LABEL = "Bag-Format"
OXUM_LABEL = "Payload-Oxum"

BAGIT = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
SM3_SUMS = "sm3sums.txt"
REQUIRED = (BAGIT, INFO, MANIFEST, TAG_MANIFEST, SM3_SUMS)
"""The files that every bag has."""

PAYLOAD = "data/"
ORIGINALS = "data/originals/"
RECEIPTS = "receipts/"
CUSTODY = "custody/"
NOTICES = "notices/"
CAPTURES = "captures/"
"""Below it, each bag whose manifest is an original, whole."""
POLICY = "policy/trust.toml"

DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
"""The bytes of ``bagit.txt``."""

# Ten times the files of a large case; a listing of so many takes some 50 MB.
MAX_FILES = 100_000
# File systems limit a part of a path to 255 bytes, and a path often to 1,024.
MAX_NAME_BYTES = 1_024
# A list of MAX_FILES digests with names of 250 bytes.
MAX_LIST_BYTES = 1 << 25
# 16 TiB: sums of sizes stay exact in a browser's numbers.
MAX_TOTAL_BYTES = 1 << 44

_OTHER_LIST = re.compile(r"(?:tag)?manifest-[^/]*\.txt", re.IGNORECASE | re.ASCII)
_LINE = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)")
_INFO_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*): ([^\r\n]*)")
_OXUM = re.compile(r"(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})")
# Control characters, but for those that a list of digests escapes.
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# RFC 8493, section 2.1.3: these characters, and no others, are escaped.
_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}
_BAD_ESCAPE = re.compile(r"%(?!25|0D|0A)")


def check_names(sizes: Mapping[str, int], folders: Collection[str] = ()) -> None:
    """Verify the names and sizes of a bag's files, before any of them is read.

    ``folders`` are folders that are listed on their own.

    Raises:
        MalformedError: A name is unsafe, or is that of another file on some file system; there are
            too many files or bytes; or the bag leaves files to be fetched.
        UnknownVersionError: There is a list of digests by another algorithm than SHA-256.
    """
    check_count(len(sizes))
    if sum(sizes.values()) > MAX_TOTAL_BYTES:
        raise MalformedError(Message("bag-too-large", limit=MAX_TOTAL_BYTES))
    for name in (*sizes, *folders):
        check_name(name)
    known = {fold_name(name): name for name in sizes}
    if len(known) < len(sizes):
        double = next(name for name in sizes if known[fold_name(name)] != name)
        raise MalformedError(
            Message("bag-name-double", name=double, other=known[fold_name(double)])
        )
    for name in (*sizes, *(f"{folder}/" for folder in folders)):
        folder = fold_name(name)
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            if folder in known:
                raise MalformedError(Message("bag-name-also-folder", name=known[folder]))
    for name in sizes:
        if name.lower() == "fetch.txt":
            raise MalformedError(Message("bag-fetch-file"))
        if _OTHER_LIST.fullmatch(name) and name not in REQUIRED:
            raise UnknownVersionError(Message("bag-algorithm-unknown", name=name))


def check_count(count: int) -> None:
    """Verify that a bag has no more files than a verifier lists."""
    if count > MAX_FILES:
        raise MalformedError(Message("bag-files-too-many", limit=MAX_FILES))


def check_name(name: str) -> None:
    """Verify that a name is that of one file below the bag's folder on every system."""
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise MalformedError(Message("bag-name-not-utf8", name=name)) from None
    if length > MAX_NAME_BYTES:
        raise MalformedError(Message("bag-name-too-long", name=name[:80], limit=MAX_NAME_BYTES))
    # Drive letters and streams of Windows have a colon.
    if "\\" in name or ":" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise MalformedError(Message("bag-name-unsafe", name=name))
    if _CONTROL.search(name):
        raise MalformedError(Message("bag-name-control", name=name))
    if not unicodedata.is_normalized("NFC", name):
        raise MalformedError(Message("bag-name-not-nfc", name=name))


def fold_name(name: str) -> str:
    """Return what is equal for names that file systems may take for the same one."""
    # Upper-casing alone leaves U+1E9E apart from U+00DF, and U+03F4 from U+03B8.
    return unicodedata.normalize("NFC", name.lower().upper())


def find_capture(name: str) -> str:
    """Return the folder, with a slash, of the capture that a file in ``captures/`` belongs to."""
    return CAPTURES + name.removeprefix(CAPTURES).partition("/")[0] + "/"


def is_covered(name: str) -> bool:
    """Return whether the receipt of a capture covers this file, through the capture's manifest."""
    inside = name.removeprefix(find_capture(name)) if name.startswith(CAPTURES) else ""
    return inside == MANIFEST or inside.startswith(PAYLOAD)


def encode_list(digests: Mapping[str, bytes]) -> bytes:
    """Encode a list of digests as ``sha256sum`` prints it, in the order of the names' bytes."""
    names = sorted(digests, key=lambda name: name.encode("utf-8"))
    lines = [f"{digests[name].hex()}  {_escape(name)}\n" for name in names]
    return "".join(lines).encode("utf-8")


def _escape(name: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in name)


def parse_list(data: bytes, *, subject: str) -> dict[str, bytes]:
    """Parse the list of digests in the file ``subject``.

    Raises:
        MalformedError: A line is not "DIGEST  NAME", has a bad escape or repeats a name.
    """
    digests: dict[str, bytes] = {}
    for number, line in enumerate(_split_lines(data, subject), 1):
        match = _LINE.fullmatch(line)
        if match is None or _BAD_ESCAPE.search(match[2]):
            raise MalformedError(Message("bag-list-line", list=subject, line=number))
        name = re.sub("%..", lambda escape: _UNESCAPES[escape[0]], match[2])
        check_name(name)
        if name in digests:
            raise MalformedError(Message("bag-list-twice", list=subject, name=name))
        digests[name] = bytes.fromhex(match[1])
    return digests


def _split_lines(data: bytes, subject: str) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(Message("bag-list-not-utf8", list=subject)) from None
    lines = text.split("\n")
    if lines.pop() != "":
        raise MalformedError(Message("bag-list-unended", list=subject))
    return lines


def check_listed(listed: Collection[str], names: Iterable[str], *, subject: str) -> None:
    """Verify that the list of digests in ``subject`` names exactly the files ``names``."""
    expected = set(names)
    for name in listed:
        if name not in expected:
            raise MismatchError(Message("bag-file-missing", name=name, list=subject))
    for name in sorted(expected):
        if name not in listed:
            raise MismatchError(Message("bag-file-unlisted", name=name, list=subject))


def check_declaration(data: bytes) -> None:
    """Verify ``bagit.txt``."""
    if data == DECLARATION:
        return
    match = re.match(rb"BagIt-Version: ([0-9]{1,4}\.[0-9]{1,4})\n", data)
    if match and match[1] != b"1.0":
        raise UnknownVersionError(Message("bag-version-unknown", actual=match[1].decode()))
    raise MalformedError(Message("bag-declaration-invalid"))


def parse_info(data: bytes) -> dict[str, str]:
    """Parse ``bag-info.txt``, and verify that it names one of the two formats.

    Raises:
        MalformedError: A line is not "Label: value", a label is repeated, or none names a format.
    """
    members: dict[str, str] = {}
    labels: set[str] = set()
    for number, line in enumerate(_split_lines(data, INFO), 1):
        match = _INFO_LINE.fullmatch(line)
        if match is None or match[1].lower() in labels:
            raise MalformedError(Message("bag-list-line", list=INFO, line=number))
        members[match[1]] = match[2]
        labels.add(match[1].lower())
    stated = members.get(FORMAT_LABEL)
    if stated is None:
        raise MalformedError(
            Message("bag-format-missing", label=FORMAT_LABEL), hint=Message("bag-foreign-hint")
        )
    if stated not in (FORMAT, EVIDENCE_FORMAT):
        raise UnknownVersionError(
            Message("bag-format-unknown", actual=stated[:80], expected=FORMAT)
        )
    return members


def check_oxum(info: Mapping[str, str], sizes: Mapping[str, int]) -> None:
    """Verify the sum of sizes and the count of payload files that ``bag-info.txt`` states."""
    match = _OXUM.fullmatch(info.get(OXUM_LABEL, ""))
    if match is None:
        raise MalformedError(Message("bag-oxum-invalid", label=OXUM_LABEL))
    actual = describe_oxum(sizes)
    if match[0] != actual:
        raise MismatchError(Message("bag-oxum-differs", expected=match[0], actual=actual))


def describe_oxum(sizes: Mapping[str, int]) -> str:
    """Return the payload's bytes and files as ``Payload-Oxum`` states them."""
    payload = [size for name, size in sizes.items() if name.startswith(PAYLOAD)]
    return f"{sum(payload)}.{len(payload)}"
