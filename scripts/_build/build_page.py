"""Build the verifier page and the scripts of the service's pages from web/, or check them.

    python scripts/_build/build_page.py [--check]

Needs Node 20 or later, and the packages that ``npm ci`` installs in web/.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Formatter
from typing import Any, get_args

from anchor.ethereum.known_chains import (
    CHAINS,
    WITHOUT_BLOCK_HISTORY,
    Chain,
    ChainKind,
    proves_time,
)
from anchor.evidence.collection_profiles import PROFILE_DEMANDS, Demand
from anchor.evidence.group_members import find_group, is_mixed, list_members
from anchor.evidence.record_groups import RecordGroups
from anchor.evidence.statement_text import MAX_CHARACTERS, TIME_PATTERN
from anchor.base.messages.catalogue import Language, load_catalogue
from anchor.base.messages.message import Message
from anchor.receipt.history_proof import HISTORY_CODE_HASH, HISTORY_CONTRACT, HISTORY_WINDOW
from anchor.registry.artifact import expected_code_hash, registry_address
from anchor.verification.report import NOT_PROVEN
from anchor.verification.verifier import CLAIMS, TITLES

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
RELEASE = WEB / "src" / "release.json"
TEXTS = WEB / "src" / "submit" / "texts.json"
PAGE = ROOT / "anchor" / "page" / "verify.html"
SCRIPT = ROOT / "anchor" / "service" / "pages" / "static" / "submit.js"
UPLOAD = SCRIPT.with_name("upload.js")
PASSKEY = SCRIPT.with_name("passkey.js")
LANGUAGES: tuple[Language, ...] = ("en", "zh")
# message("id", …) in the sources, data-t="id" in the markup.
USES = re.compile(r'\bmessage\(\s*"([^"]+)"')
LABELS = re.compile(r'\bdata-t="([^"]+)"')
IMPORTS = re.compile(r'\bfrom "(\.[^"]+\.ts)"')
# Conversions and formats of operands that web/src/messages.ts implements like Python.
FORMATS = (("", ""), ("", ","), ("r", ""), ("r", ".200"), ("a", ".80"), ("", "%Y-%m-%d %H:%M:%S"))
MAX_PAGE_BYTES = 108_000
GROUPS = list_members(RecordGroups)


def main() -> int:
    texts = {RELEASE: describe_page(), TEXTS: list_templates(read_ids("submit.ts"))}
    encoded = {
        path: json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"
        for path, document in texts.items()
    }
    if "--check" not in sys.argv[1:]:
        for path, data in encoded.items():
            path.write_bytes(data)
        PAGE.parent.mkdir(exist_ok=True)
        build(WEB, PAGE, SCRIPT, UPLOAD, PASSKEY)
    else:
        for path, data in encoded.items():
            if path.read_bytes() != data:
                return complain(f"{path.relative_to(ROOT)} is not what the package says")
        for path, data in build_elsewhere().items():
            if path.read_bytes() != data:
                return complain(f"{path.relative_to(ROOT)} is not what web/ gives")
    for path in (PAGE, SCRIPT, UPLOAD, PASSKEY):
        data = path.read_bytes()
        if len(data) > MAX_PAGE_BYTES:
            return complain(
                f"{path.relative_to(ROOT)} has {len(data):,} bytes; it may have {MAX_PAGE_BYTES:,}"
            )
        print(f"{hashlib.sha256(data).hexdigest()}  {path.relative_to(ROOT)} ({len(data):,} bytes)")
    return 0


def describe_page() -> dict[str, Any]:
    """Return the verifier page's data: also what claim C7 is judged by."""
    demands = [demand for each in PROFILE_DEMANDS.values() for demand in each]
    labels = {demand.member.label.id for demand in demands}
    named = [*TITLES.values(), *(title for _, title, _ in CLAIMS), *NOT_PROVEN]
    named += [chain.name for chain in CHAINS if isinstance(chain.name, Message)]
    named += [member.label for member in GROUPS.values()]
    return {
        "registry": registry_address().hex(),
        "chains": {str(chain.id): describe_chain(chain) for chain in CHAINS},
        "history": {
            "contract": HISTORY_CONTRACT.hex(),
            "code": HISTORY_CODE_HASH.hex(),
            "window": HISTORY_WINDOW,
            "without": list(WITHOUT_BLOCK_HISTORY),
        },
        "with_real_time": [kind for kind in get_args(ChainKind) if proves_time(kind)],
        "steps": {str(number): title.id for number, title in TITLES.items()},
        "claims": [
            {"id": claim_id, "title": title.id, "steps": list(steps)}
            for claim_id, title, steps in CLAIMS
        ],
        "not_proven": [item.id for item in NOT_PROVEN],
        "groups": {name: describe_group(name) for name in GROUPS},
        "forms": describe_forms(),
        "demands": {name: list(map(spell_demand, each)) for name, each in PROFILE_DEMANDS.items()},
        **list_templates({message.id for message in named} | labels | read_page_ids()),
    }


def describe_group(name: str) -> dict[str, Any]:
    """Return the label of a record's group, and who vouches for it, or for which of its members."""
    inner = find_group(RecordGroups, name)
    members = list_members(inner) if inner is not None and is_mixed(inner) else {}
    observed = [each for each, member in members.items() if member.origin == "observed"]
    group = {"label": GROUPS[name].label.id, "origin": GROUPS[name].origin}
    return group | ({"observed": observed} if members else {})


def describe_chain(chain: Chain) -> dict[str, Any]:
    """Return the page's data about a chain; on other chains a policy must pin the code."""
    name_id = chain.name.id if isinstance(chain.name, Message) else None
    return {
        "name": chain.name if name_id is None else None,
        "name_id": name_id,
        "kind": chain.kind,
        "genesis": chain.genesis and chain.genesis.hex(),
        "slack": chain.time_slack,
        "sequenced": chain.is_sequenced,
        "tested": chain.tested,
        "code": expected_code_hash(chain.id).hex(),
    }


def describe_forms() -> dict[str, Any]:
    """Return the forms of the record groups."""
    schema = RecordGroups.model_json_schema()
    return {
        name: describe_form(form, schema["$defs"]) for name, form in schema["properties"].items()
    }


def describe_form(schema: dict[str, Any], groups: dict[str, Any]) -> Any:
    """Return what a JSON Schema demands of a value, in the few words that the page knows."""
    match schema:
        case {"$ref": name}:
            return describe_form(groups[name.rpartition("/")[2]], groups)
        case {"anyOf": forms}:
            return {"any": [describe_form(form, groups) for form in forms]}
        case {"const": word}:
            return {"in": [word]}
        case {"enum": words}:
            return {"in": words}
        case {"type": "array"}:
            bounds = [schema.get("minItems", 0), schema["maxItems"]]
            return {"of": describe_form(schema["items"], groups), "count": bounds}
        case {"type": "integer"}:
            return {"within": [schema["minimum"], schema["maximum"]]}
        case {"type": "object"}:
            members = schema["properties"].items()
            has = {name: describe_form(member, groups) for name, member in members}
            return {"has": has, "needs": schema.get("required", [])}
        case {"type": "string", "pattern": pattern}:
            return "time" if pattern == TIME_PATTERN else {"like": pattern}
        case {"type": "string", "minLength": least, "maxLength": limit} if limit != MAX_CHARACTERS:
            return {"chars": [least, limit]}
        case {"type": "string", "maxLength": limit}:
            assert limit == MAX_CHARACTERS, "it is a statement's text"
            return "text"
    sys.exit(f"the page knows no form for {schema}")


def spell_demand(demand: Demand) -> tuple[str, str]:
    """Return a demand as text, and the id of its label.

    The text has ``?`` before what is no must, the least number, and the alternative.
    """
    mark = "" if demand.level == "must" else "?"
    least = "" if demand.least == 1 else f"*{demand.least}"
    either = "" if demand.alternative is None else f"|{demand.alternative}"
    return f"{mark}{demand.name}{least}{either}", demand.member.label.id


def read_page_ids() -> set[str]:
    """Return the ids of the messages that the verifier page's sources and its markup name."""
    return read_ids("main.ts") | {*LABELS.findall((WEB / "body.html").read_text("utf-8"))}


def read_ids(entry: str) -> set[str]:
    """Return the ids of the messages that a script's sources name, from its first module on."""
    ids: set[str] = set()
    waiting = [(WEB / "src" / entry).resolve()]
    read: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in read:
            read.add(path)
            source = path.read_text("utf-8")
            ids.update(USES.findall(source))
            waiting += [(path.parent / name).resolve() for name in IMPORTS.findall(source)]
    return ids


def list_templates(ids: set[str]) -> dict[Language, dict[str, str]]:
    """Return the templates of these messages in each language.

    Raises:
        SystemExit: A message is in no catalogue, or has a format that the page does not know.
    """
    if missing := ids - load_catalogue("en").keys():
        sys.exit(f"no catalogue has the messages {', '.join(sorted(missing))}")
    templates = {
        language: {key: load_catalogue(language)[key] for key in sorted(ids)}
        for language in LANGUAGES
    }
    for key, template in (pair for each in templates.values() for pair in each.items()):
        if unknown := find_unknown_format(template):
            sys.exit(f"the page cannot spell {unknown} in the message {key}")
    return templates


def find_unknown_format(template: str) -> str | None:
    """Return the first part of a template that the page would format differently from Python."""
    for text, name, form, conversion in Formatter().parse(template):
        if "{" in text or "}" in text:
            return text
        if name is not None and (conversion or "", form) not in FORMATS:
            return name
    return None


def build(web: Path, *made: Path) -> None:
    subprocess.run(["node", "build.mjs", *map(str, made)], cwd=web, check=True)


def build_elsewhere() -> dict[Path, bytes]:
    """Build in another folder, so that what depends on its folder is detected."""
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        folder = Path(name) / "elsewhere" / "web"
        folder.mkdir(parents=True)
        for path in (*WEB.glob("*.*"), *WEB.glob("src/**/*.*")):
            if path.is_file():
                target = folder / path.relative_to(WEB)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        (folder / "node_modules").symlink_to(WEB / "node_modules")
        made = {path: folder / path.name for path in (PAGE, SCRIPT, UPLOAD, PASSKEY)}
        build(folder, *made.values())
        return {path: built.read_bytes() for path, built in made.items()}


def complain(text: str) -> int:
    print(f"{text}: run `python scripts/_build/build_page.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
