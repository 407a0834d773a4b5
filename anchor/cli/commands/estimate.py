"""``anchor estimate``: what anchoring will cost."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

import typer

from anchor.base.errors import UsageError
from anchor.base.messages.message import Message
from anchor.base.units import ETHER, format_gas_price, format_wei
from anchor.chain.cost_estimate import ChainCost, Plan, estimate_cost
from anchor.chain.verifier_nodes import open_node
from anchor.cli.confirmation import choose_config
from anchor.cli.console import Output
from anchor.cli.options import ConfigOption, JsonOption
from anchor.ethereum.known_chains import KIND_SENTENCES, find_chain
from anchor.project.config import load_config

_MOST = 10**12
_PRICE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]{0,8})", re.ASCII)


def command(
    pieces: Annotated[
        int,
        typer.Argument(min=1, max=_MOST, metavar="PIECES", help="Number of pieces of evidence."),
    ],
    heads: Annotated[
        int,
        typer.Option(
            min=1,
            max=1_000_000,
            metavar="N",
            help="Number of anchors (one per log head) that cover the evidence.",
        ),
    ] = 1,
    size: Annotated[
        int,
        typer.Option(
            "--log-size", min=0, max=_MOST, metavar="N", help="Number of leaves already anchored."
        ),
    ] = 0,
    rpc: Annotated[
        list[str] | None,
        typer.Option(
            "--rpc",
            metavar="URL",
            help="Node of a chain to compare; repeatable; default: the project's nodes.",
        ),
    ] = None,
    ether_price: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="Price of one ether, such as '2500 EUR'."),
    ] = None,
    config_path: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Estimate what anchoring costs in gas and money, on one or more chains.

    The number of pieces hardly affects the cost, because one anchor covers all evidence since the
    previous one. Fees are those of each chain's newest block; at another hour they can be many
    times higher.
    """
    if heads > pieces:
        raise UsageError(Message("estimate-heads-too-many", heads=heads, pieces=pieces))
    price, currency = _parse_price(ether_price)
    output = Output(as_json=as_json)
    plan = Plan(pieces=pieces, heads=heads, size=size)
    urls = rpc or [load_config(choose_config(config_path)).rpc]
    output.line(Message("estimate-plan", pieces=pieces, heads=heads, gas=plan.gas))
    chains: list[dict[str, Any]] = []
    for url in urls:
        node = open_node(url)
        try:
            cost = estimate_cost(node, plan)
        finally:
            node.close()
        _print_cost(output, cost, price, currency)
        chains.append(_describe(cost, price, currency))
    output.result({"pieces": pieces, "heads": heads, "gas": plan.gas, "chains": chains})


def _parse_price(text: str | None) -> tuple[Decimal | None, str]:
    if text is None:
        return None, ""
    match = _PRICE.fullmatch(text.strip())
    if match is None:
        raise UsageError(Message("estimate-price-malformed", text=text[:40]))
    return Decimal(match[1]), match[2]


def _print_cost(output: Output, cost: ChainCost, price: Decimal | None, currency: str) -> None:
    chain = find_chain(cost.chain_id)
    output.line(
        Message(
            "estimate-chain",
            name=chain.name,
            chain=cost.chain_id,
            block=cost.block_number,
            gas_price=format_gas_price(cost.gas_price),
        )
    )
    total = _spell(cost.total, price, currency)
    if cost.l1_fee:
        output.line(Message("estimate-total-with-l1", total=total, l1_fee=format_wei(cost.l1_fee)))
    else:
        output.line(Message("estimate-total", total=total))
    if cost.deployment is not None:
        amount = _spell(cost.deployment, price, currency)
        output.line(Message("estimate-deployment", amount=amount))
    if chain.kind != "main":
        kind = KIND_SENTENCES[chain.kind]
        output.line(Message("report-chain-kind", chain=chain.id, kind=kind), mark="  ")


def _spell(wei: int, price: Decimal | None, currency: str) -> str:
    if price is None:
        return format_wei(wei)
    money = f"{_to_money(wei, price):,.2f} {currency}".rstrip()
    return Message("estimate-amount", amount=format_wei(wei), money=money)


def _to_money(wei: int, price: Decimal) -> Decimal:
    return Decimal(wei) * price / ETHER


def _describe(cost: ChainCost, price: Decimal | None, currency: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "chain_id": cost.chain_id,
        "block_number": cost.block_number,
        "gas_price_wei": str(cost.gas_price),
        "l1_fee_wei": str(cost.l1_fee),
        "total_wei": str(cost.total),
        "deployment_wei": None if cost.deployment is None else str(cost.deployment),
    }
    if price is not None:
        described["money"] = f"{_to_money(cost.total, price):.2f}"
        described["currency"] = currency
    return described
