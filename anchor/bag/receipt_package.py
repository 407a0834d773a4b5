"""A packed folder of receipts without originals: the form in which a service hands a case out.

It is no bag yet, because a service that takes digests has no originals: the instructions say where
they go, and how the whole is verified or packed then.  The same contents give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape

from anchor.bag.bag_format import POLICY, RECEIPTS, TAG_MANIFEST, encode_list
from anchor.bag.bag_readme import PAGE, README, VERIFIER, explain_page
from anchor.bag.bag_writer import pack_zip
from anchor.bag.exhibit_list import (
    read_statements,
    render_list,
    render_statements,
    render_table,
    say_both,
    show_statement,
    show_time,
    spell_name,
)
from anchor.bag.packed_names import assign_names
from anchor.base.messages.catalogue import Language
from anchor.base.messages.message import Message, translate
from anchor.base.units import format_stored_time
from anchor.evidence.record_submitter import (
    PartyLine,
    list_depositor_lines,
    list_submitter_lines,
    read_submitter,
)
from anchor.project.files import RECEIPT_SUFFIX

FORMAT = "anchor-package/1"

_STATED = {
    "label": Message("certificate-exhibit-number"),
    "purpose": Message("certificate-fact-to-prove"),
    "note": Message("exhibit-note"),
}
_CASE = {
    "number": Message("case-number"),
    "title": Message("case-title"),
    "authority": Message("case-authority"),
}

_VERIFY = """\
```sh
anchor verify receipts/*.anchor.json --trust POLICY.toml --rpc https://NODE --rpc https://ANOTHER
anchor pack receipts/*.anchor.json --trust POLICY.toml \\
  --rpc https://NODE --rpc https://ANOTHER -o CASE.zip
```"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCase:
    """The case, in the words of the tenant; ``parties`` are pairs of role and name."""

    number: str
    title: str
    authority: str
    parties: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCertificate:
    """A certificate of an exhibit: its files by name, none once it is revoked.

    Times are RFC 3339 texts.
    """

    number: str
    issued_at: str
    revoked_at: str | None
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageExhibit:
    """An exhibit: what the tenant states, and what the record says.

    ``receipt`` is None until the evidence is sealed, and with the members of the record from then
    on when it was erased.  ``certificates`` are in the order of issue.  ``account`` is whose
    evidence it is at the service, ``submitter`` the person or key there that submitted it, as far
    as known.
    """

    label: str
    purpose: str
    note: str
    leaf: str
    erased_at: str | None
    number: str | None
    name: str | None
    recorded_at: str | None
    sha256: str | None
    sm3: str | None
    receipt: bytes | None
    is_anchored: bool
    certificates: Sequence[PackageCertificate]
    record: bytes | None = None
    account: str | None = None
    submitter: str | None = None
    submitter_name: str | None = None

    def find_replacement(self, certificate: PackageCertificate) -> PackageCertificate | None:
        """Return the certificate that replaced one in force: the last that is not revoked."""
        standing = [each for each in self.certificates if each.revoked_at is None]
        is_replaced = certificate in standing[:-1]
        return standing[-1] if is_replaced else None

    @property
    def certificate_files(self) -> Mapping[str, bytes]:
        """Return the files of all certificates, by name."""
        return {name: data for each in self.certificates for name, data in each.files.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageVerifiers:
    """The verifiers and the operator's policy that are put into each folder."""

    program: str
    standalone: bytes
    page: bytes
    policy: bytes


def build_package(
    case: PackageCase | None, exhibits: Sequence[PackageExhibit], verifiers: PackageVerifiers
) -> bytes:
    """Return the folder as a ZIP file; without a case it is about its exhibits alone."""
    with_name = [exhibit for exhibit in exhibits if exhibit.receipt is not None]
    names = iter(assign_names([_last_part(exhibit.name or "") for exhibit in with_name]))
    places = [next(names) if exhibit.receipt is not None else None for exhibit in exhibits]
    parts: dict[str, bytes] = {
        POLICY: verifiers.policy,
        VERIFIER: verifiers.standalone,
        PAGE: verifiers.page,
        "exhibits/exhibits.json": _encode(case, exhibits, places),
        "exhibits/exhibits.html": _render(case, exhibits, places),
    }
    for place, exhibit in zip(places, exhibits, strict=True):
        if place is not None and exhibit.receipt is not None:
            parts[f"{RECEIPTS}{place}{RECEIPT_SUFFIX}"] = exhibit.receipt
        parts |= {f"certificate/{name}": data for name, data in exhibit.certificate_files.items()}
    for language, name in README.items():
        parts[name] = _write_readme(verifiers, exhibits, language)
    digests = {name: hashlib.sha256(data).digest() for name, data in parts.items()}
    parts[TAG_MANIFEST] = encode_list(digests)
    file = io.BytesIO()
    ordered = sorted(parts.items(), key=lambda entry: entry[0].encode("utf-8"))
    pack_zip(file, dict(ordered), "package")
    return file.getvalue()


def _last_part(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _encode(
    case: PackageCase | None, exhibits: Sequence[PackageExhibit], places: Sequence[str | None]
) -> bytes:
    document = {
        "format": FORMAT,
        "case": None
        if case is None
        else asdict(case) | {"parties": [{"role": r, "name": n} for r, n in case.parties]},
        "exhibits": [
            {
                "position": position,
                "stated": {name: getattr(exhibit, name) for name in _STATED},
                "original": None if place is None else RECEIPTS + place,
                "receipt": None if place is None else f"{RECEIPTS}{place}{RECEIPT_SUFFIX}",
                "preservation_number": exhibit.number,
                "name": exhibit.name,
                "recorded_at": exhibit.recorded_at,
                "sha256": exhibit.sha256,
                "sm3": exhibit.sm3,
                "leaf": exhibit.leaf,
                "anchored": exhibit.is_anchored,
                "erased_at": exhibit.erased_at,
                "certificates": [f"certificate/{name}" for name in exhibit.certificate_files],
                "certificate_states": list(_encode_certificates(exhibit)),
                "account": exhibit.account,
                "submitter": exhibit.submitter,
                "submitter_name": exhibit.submitter_name,
                "stated_in_record": exhibit.record and read_statements(exhibit.record),
            }
            for position, (place, exhibit) in enumerate(zip(places, exhibits, strict=True), 1)
        ],
    }
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode("utf-8")


def _encode_certificates(exhibit: PackageExhibit) -> Iterator[Mapping[str, object]]:
    """Yield each certificate with its state, and the one that replaced it."""
    for each in exhibit.certificates:
        newer = exhibit.find_replacement(each)
        state = "revoked" if each.revoked_at is not None else "replaced" if newer else "current"
        yield {
            "number": each.number,
            "issued_at": each.issued_at,
            "state": state,
            "replaced_by": newer and {"number": newer.number, "issued_at": newer.issued_at},
            "revoked_at": each.revoked_at,
            "files": [f"certificate/{name}" for name in each.files],
        }


def _describe_certificates(exhibit: PackageExhibit) -> Iterator[Message]:
    """Yield each certificate's number, time of issue and state."""
    for each in exhibit.certificates:
        newer = exhibit.find_replacement(each)
        number, time = each.number, format_stored_time(each.issued_at)
        if each.revoked_at is not None:
            revoked = format_stored_time(each.revoked_at)
            yield Message("package-certificate-revoked", number=number, time=time, revoked=revoked)
        elif newer is None:
            yield Message("package-certificate-current", number=number, time=time)
        else:
            yield Message(
                "package-certificate-replaced",
                number=number,
                time=time,
                newer=newer.number,
                newer_time=format_stored_time(newer.issued_at),
            )


def _render(
    case: PackageCase | None, exhibits: Sequence[PackageExhibit], places: Sequence[str | None]
) -> bytes:
    parts = []
    if case is not None:
        rows: list[tuple[Message | str, str]] = [
            (label, show_statement(getattr(case, name) or None)) for name, label in _CASE.items()
        ]
        rows += [(role, escape(spell_name(name))) for role, name in case.parties]
        parts.append(render_table(Message("package-entered"), rows))
    parts.append(f"<p>{say_both(Message('package-list-note'))}</p>\n")
    for position, (place, exhibit) in enumerate(zip(places, exhibits, strict=True), 1):
        parts.append(_render_exhibit(position, place, exhibit))
    return render_list(*parts)


def _render_exhibit(position: int, place: str | None, exhibit: PackageExhibit) -> str:
    stated = [
        (label, show_statement(getattr(exhibit, name) or None)) for name, label in _STATED.items()
    ]
    named = None if exhibit.record is None else read_submitter(exhibit.record)
    submitters = list_submitter_lines(named, exhibit.submitter, exhibit.submitter_name, spell_name)
    recorded: list[tuple[Message | str, str]] = [
        (label, text)
        for label, text in (
            (Message("search-number"), exhibit.number),
            (Message("certificate-file-name"), exhibit.name and escape(spell_name(exhibit.name))),
            (
                Message("certificate-recorded-claimed"),
                exhibit.recorded_at and show_time(exhibit.recorded_at),
            ),
            (
                Message("certificate-depositor"),
                exhibit.account and _show_party(list_depositor_lines(named, exhibit.account)),
            ),
            (
                Message("certificate-submitted-by"),
                None if exhibit.record is None else _show_party(submitters),
            ),
            ("SHA-256", exhibit.sha256),
            ("SM3", exhibit.sm3),
            (Message("package-leaf"), exhibit.leaf),
            (Message("package-original"), None if place is None else escape(RECEIPTS + place)),
            (
                Message("piece-certificates"),
                "<br>".join(map(say_both, _describe_certificates(exhibit))) or None,
            ),
            (Message("package-receipt"), place and escape(f"{RECEIPTS}{place}{RECEIPT_SUFFIX}")),
        )
        if text is not None
    ]
    if exhibit.erased_at is not None:
        erased = Message("exhibit-erased", time=format_stored_time(exhibit.erased_at))
        recorded.append((Message("column-state"), say_both(erased)))
    elif not exhibit.is_anchored:
        recorded.append((Message("column-state"), say_both(Message("package-not-anchored"))))
    title = place or (exhibit.name and spell_name(exhibit.name)) or exhibit.leaf
    return (
        f"<h2>{position}. {escape(title)}</h2>\n"
        + render_table(Message("package-entered"), stated)
        + render_statements(exhibit.record, exhibit.submitter_name)
        + render_table(Message("exhibits-recorded"), recorded)
    )


def _show_party(lines: Sequence[PartyLine]) -> str:
    """Return lines that name a party, as HTML."""
    return "<br>".join(map(_show_line, lines)) or say_both(Message("certificate-not-recorded"))


def _show_line(line: PartyLine) -> str:
    shown = line.text if isinstance(line.text, Message) else spell_name(line.text)
    if line.origin != "record":
        return say_both(shown)
    return f"{say_both(shown)}（{say_both(Message('certificate-as-recorded'))}）"


def _list_certificates(exhibits: Sequence[PackageExhibit], language: Language) -> Iterator[str]:
    """Yield the lines on certificates; those of exhibits with several are named."""
    if any(exhibit.certificates for exhibit in exhibits):
        yield translate(Message("package-readme-certificates"), language)
    several = [
        f"- {position}. {translate(text, language)}"
        for position, exhibit in enumerate(exhibits, 1)
        if len(exhibit.certificates) > 1
        for text in _describe_certificates(exhibit)
    ]
    if several:
        yield translate(Message("package-readme-certificates-several"), language)
        yield "\n".join(several)


def _write_readme(
    verifiers: PackageVerifiers, exhibits: Sequence[PackageExhibit], language: Language
) -> bytes:
    def say(text: Message) -> str:
        return translate(text, language)

    originals = Message("package-readme-originals", folder=RECEIPTS)
    page_sha256 = hashlib.sha256(verifiers.page).hexdigest()
    lines = [
        f"# {say(Message('package-readme-title'))}",
        say(Message("package-readme-about", count=len(exhibits), program=verifiers.program)),
        *_list_certificates(exhibits, language),
        f"## {say(Message('package-readme-put'))}",
        say(originals),
        *explain_page(Message("package-readme-page-drop"), page_sha256, language),
        f"## {say(Message('bag-readme-complete'))}",
        f"```sh\nsha256sum -c {TAG_MANIFEST}\n```",
        f"## {say(Message('bag-readme-verify'))}",
        say(Message("package-readme-verify")),
        _VERIFY,
        say(Message("package-readme-policy", file=POLICY)),
        say(
            Message(
                "package-readme-verifiers",
                script=VERIFIER,
                sha256=hashlib.sha256(verifiers.standalone).hexdigest(),
            )
        ),
        f"## {say(Message('bag-readme-limits'))}",
        say(Message("package-readme-limits")),
    ]
    return ("\n\n".join(lines) + "\n").encode("utf-8")
