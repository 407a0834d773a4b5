"""The commands of ``anchor`` in the order and the groups of ``anchor --help``.

The module of a command, ``anchor.cli.commands.NAME``, is imported when the command runs, so that it
can import heavy packages at its top.  Its help is made without those that its signature does not
name (``command_signatures``).
"""

from __future__ import annotations

GROUPS = {
    "First time": {
        "demo": "Anchor a folder on a temporary chain, verify it, and refuse an altered copy.",
        "devnet": "Run a local test chain until Ctrl-C: anvil if it is installed, else py-evm.",
        "networks": "List the chains that this release knows by name, or show one of them.",
        "init": "Create a project: configuration, store and trust policy for one log.",
        "estimate": "Estimate what anchoring costs in gas and money, on one or more chains.",
        "deploy": "Deploy the registry contract, unless the chain already has it.",
        "doctor": "Check configuration, store, key, nodes and registry; change nothing.",
    },
    "Every day": {
        "add": "Hash and record evidence; `anchor run` anchors it later.",
        "collect": "Record files with an account of how and by whom they were collected.",
        "capture": "Capture web pages, each as one bag and one record.",
        "capture-worker": "Capture the pages that tenants of the HTTP service order.",
        "custody": "Record and show what happened to evidence: copies, transfers, analyses.",
        "supersede": "Record that evidence is superseded by other evidence, for ever.",
        "withdraw": "Record that evidence is withdrawn, for ever.",
        "seal": "Append recorded evidence to the log, without anchoring it.",
        "run": "Append recorded evidence to the log and anchor it, once or continuously.",
        "stamp": "Record files, anchor them and write their receipts, all in one command.",
        "status": "Show how much evidence is accepted, sealed, included and final.",
        "list": "List your evidence, newest first, with the state of each piece.",
        "search": "Find evidence by its preservation number, another number or part of its name.",
        "log": "Show log heads, anchors, queue and alarms live, or one leaf's Merkle path.",
        "prove": "Write the receipts that others need to verify the evidence.",
        "sign": "Sign the records of receipts, and keep each signature beside its receipt.",
        "timestamp": "Get RFC 3161 timestamps for the checkpoints of final heads.",
        "upgrade": "Complete receipts that were written before their anchor was final.",
        "export-log": "Publish the log as static files: C2SP tiles and a signed checkpoint.",
        "serve": "Accept evidence over HTTP until SIGTERM or Ctrl-C.",
        "backup": "Make and check a backup of everything that `anchor restore` needs.",
    },
    "Verify": {
        "verify": "Verify that files are unchanged since they were anchored.",
        "explain": "Print every hash of a receipt, so that you can recompute it with sha256sum.",
        "replay": "Replay a web capture offline in a browser, until Ctrl-C.",
        "certify": "Verify files and write a certificate for each.",
        "pack": "Verify files and pack them, with their receipts, as one bag for court.",
        "export": "Write a receipt's record as CASE JSON-LD, or the whole ledger as Parquet.",
        "audit": "Recompute a log from its leaves, compare it with the registry and report errors.",
        "verifier": "Write the verifier page: one HTML file that checks receipts in a browser.",
        "trust": "Manage your trust policies, and the projects that count as yours.",
        "source": "Print the registry's source as Solidity standard JSON, for block explorers.",
    },
    "Keys": {
        "key": "Create an encrypted keystore, or show its address.",
        "operator": "Manage the keys that may anchor in the log.",
        "api-key": "Manage the access keys of the HTTP service, `anchor serve`.",
        "tenant": "Invite people to the tenants of the HTTP service's pages.",
        "copies": "Manage the keyset that encrypts the copies of originals that tenants keep.",
    },
    "Retention": {
        "erase": "Erase evidence irreversibly: record, salt, name, digests and ids.",
        "hold": "Put evidence under a legal hold, which protects it from erasure.",
    },
    "After a disaster": {
        "restore": "Rebuild a store that is lost, damaged or out of date.",
        "succeed": "Close the log for ever, and continue from one of its anchors in a new log.",
        "transactions": "List unsettled transactions, or give one up.",
    },
}
"""The heading of each group, and its commands with their one-line descriptions."""

COMMANDS = {name: summary for group in GROUPS.values() for name, summary in group.items()}

EXAMPLES = {
    "demo": ("anchor demo contracts",),
    "devnet": ("anchor devnet", "anchor devnet --port 0 --exec pytest -q"),
    "networks": ("anchor networks", "anchor networks sepolia"),
    "init": (
        "anchor init --devnet my-project",
        "anchor init my-log --network sepolia --rpc https://NODE --keystore KEY.json",
    ),
    "estimate": (
        "anchor estimate 10000 --heads 24",
        "anchor estimate 10000 --rpc https://NODE --rpc https://ANOTHER --ether-price '2500 EUR'",
    ),
    "deploy": ("anchor deploy",),
    "doctor": ("anchor doctor",),
    "add": (
        "anchor add report.pdf scans",
        "cat report.pdf | anchor add - --name report.pdf",
        "anchor add --digests-from SHA256SUMS",
    ),
    "collect": (
        "anchor collect --profile civil-zh --template > details.toml",
        "anchor collect contract.pdf --profile civil-zh --details details.toml",
        "anchor collect mailbox --profile plain --bundle manifest-sha256.txt",
        "anchor collect page.wacz --profile plain --web-capture",
        "anchor collect --profile plain --screen 600 -o recording",
        "anchor collect --profile plain --sql postgresql://me@db/shop --query orders.sql -o rows",
    ),
    "capture": (
        "anchor capture https://example.org/",
        "anchor capture https://example.org/ -o case-12 --lang zh-CN --resolver 9.9.9.9",
        "anchor capture https://example.org/ --viewport 1280x800 --viewport 390x844 --wait 5",
        "anchor capture https://example.org/terms -o watched --if-changed 0 0.01",
        "anchor capture --compare captures/EARLIER captures/LATER --output comparison.html",
    ),
    "capture-worker": (
        "anchor capture-worker /srv/anchor-captures",
        "anchor capture-worker /srv/anchor-captures --resolver 9.9.9.9 --parallel 2",
    ),
    "custody add": (
        "anchor custody add contract.pdf --event transfer --from 'Ms Li' --to 'Mr Wang'",
        "anchor custody add contract.pdf --event copy --medium 'disk 7' --after /mnt/contract.pdf",
    ),
    "custody show": ("anchor custody show contract.pdf -o custody",),
    "supersede": (
        "anchor supersede report.pdf report-2.pdf --reason 'page 3 was missing'",
        "anchor supersede report.pdf.anchor.json ID --reason 'page 3 was missing' --actor 'Ms Li'",
    ),
    "withdraw": ("anchor withdraw report.pdf --reason 'recorded by mistake'",),
    "seal": ("anchor seal",),
    "run": (
        "anchor run --once",
        "anchor run --every 3600 --publish /var/www/log",
    ),
    "stamp": ("anchor stamp note.txt",),
    "status": (
        "anchor status",
        "anchor status --json",
    ),
    "list": (
        "anchor list",
        "anchor list --tenant acme --limit 10 --json",
    ),
    "search": (
        "anchor search contract",
        "anchor search BZPE-PSQZ-S1QK-HPAJ-0",
        "anchor search sha256:9f86d081",
    ),
    "log": (
        "anchor log",
        "anchor log report.pdf",
        "anchor log --from 1 --to 2",
    ),
    "prove": (
        "anchor prove report.pdf",
        "anchor prove --all -o receipts",
        "anchor prove --all --bundle -o all.anchor.jsonl",
    ),
    "sign": (
        "anchor sign report.pdf --ssh-key ~/.ssh/id_ed25519",
        "anchor sign report.pdf --certificate CERTIFICATE.pem --key KEY.pem",
        "anchor sign report.pdf --import witness.p7s",
    ),
    "timestamp": ("anchor timestamp", "anchor timestamp --all"),
    "upgrade": ("anchor upgrade report.pdf.anchor.json",),
    "export-log": (
        "anchor export-log /var/www/log",
        "anchor export-log s3://BUCKET/log",
    ),
    "serve": (
        "anchor serve",
        "anchor serve --port 8443 --workers 4",
        "anchor serve --captures /srv/anchor-captures",
    ),
    "backup": (
        "anchor backup --keep 14 ../backups",
        "anchor backup --check ../backups",
    ),
    "verify": (
        "anchor verify report.pdf --trust trust.toml --rpc https://NODE --rpc https://ANOTHER",
        "anchor verify report.pdf --trust trust.toml --offline --block-hash HASH",
        "cat report.pdf | anchor verify - --receipt report.pdf.anchor.json",
        "anchor verify --receipt all.anchor.jsonl report.pdf contract.pdf --trust trust.toml",
        "anchor verify report.pdf --trust trust.toml --rpc https://NODE --notice https://SERVICE",
    ),
    "explain": ("anchor explain report.pdf",),
    "replay": ("anchor replay captures/example.org-20260102T030405Z",),
    "export": ("anchor export report.pdf --format case -o report.case.json",),
    "certify": (
        "anchor certify report.pdf --trust trust.toml --rpc https://NODE --rpc https://ANOTHER",
    ),
    "pack": (
        "anchor pack report.pdf contract.pdf -o case-12.zip --trust trust.toml --rpc https://NODE",
        "anchor pack scans/*.pdf -o case-12 --case case.toml --certificate certificate.pdf",
    ),
    "audit": (
        "anchor audit",
        "anchor audit --originals",
        "anchor audit https://example.org/log --trust trust.toml --rpc https://NODE",
    ),
    "verifier": ("anchor verifier -o verify.html",),
    "trust pin": ("anchor trust pin -o trust.toml --rpc https://NODE --owner ADDRESS",),
    "trust add": ("anchor trust add acme trust.toml",),
    "trust list": ("anchor trust list",),
    "trust show": ("anchor trust show acme",),
    "trust remove": ("anchor trust remove acme",),
    "trust allow": ("anchor trust allow my-project",),
    "trust disallow": ("anchor trust disallow my-project",),
    "source": (
        "anchor source > AnchorRegistry.json",
        "anchor source --manifest > anchor-registry.json",
    ),
    "key new": ("anchor key new KEY.json",),
    "key show": ("anchor key show KEY.json",),
    "operator add": (
        "anchor operator add ADDRESS --owner-keystore OWNER.json",
        "anchor operator add ADDRESS --show-call",
    ),
    "operator list": ("anchor operator list",),
    "operator remove": ("anchor operator remove ADDRESS --owner-keystore OWNER.json",),
    "api-key create": (
        "anchor api-key create acme",
        "anchor api-key create me --scope admin",
    ),
    "api-key list": ("anchor api-key list",),
    "api-key revoke": ("anchor api-key revoke ID",),
    "tenant invite": (
        "anchor tenant invite acme --role owner",
        "anchor tenant invite acme --role auditor --email li@example.org --days 30",
    ),
    "tenant list": ("anchor tenant list",),
    "copies init": ("anchor copies init",),
    "copies rotate": ("anchor copies rotate",),
    "copies drop": ("anchor copies drop",),
    "erase": (
        "anchor erase report.pdf --basis gdpr-17 --dry-run",
        "anchor erase --tenant acme --basis pipl-47 --reason 'request of 3 May'",
    ),
    "hold add": (
        "anchor hold add case-12 report.pdf",
        "anchor hold add case-12 --tenant acme",
    ),
    "hold list": ("anchor hold list",),
    "hold remove": ("anchor hold remove case-12",),
    "restore": (
        "anchor restore --backup ../backups",
        "anchor restore https://example.org/log --receipts ../receipts",
    ),
    "succeed": ("anchor succeed --into ../next-log",),
    "transactions list": ("anchor transactions list",),
    "transactions give-up": ("anchor transactions give-up 17",),
}
"""The examples in the help of each command; capitals stand for the reader's own values."""
