"""``/dashboard``: the operator's dashboard, for keys with the scope ``admin``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from anchor.base.errors import AnchorError
from anchor.monitor.alarms import Alarm, raise_alarms
from anchor.monitor.background_poll import Sighting
from anchor.monitor.chain_status import ExternalStatus
from anchor.monitor.erasure_check import describe_unfinished
from anchor.monitor.overview import (
    SPENDING_DAYS,
    Overview,
    Throughput,
    read_overview,
    read_throughput,
)
from anchor.project.config import Config
from anchor.service.pages.charts import make_charts
from anchor.service.pages.dashboard_facts import (
    describe_balance,
    describe_chain,
    describe_deliveries,
    describe_publication,
    describe_spending,
    describe_transaction,
)
from anchor.service.pages.language import CurrentReader
from anchor.service.pages.rendering import answer_error, answer_page, describe_log
from anchor.service.pages.sign_in import find_administrator
from anchor.service.worker import CurrentService

router = APIRouter(include_in_schema=False)

# Seconds between two refreshes, if they are requested.
_REFRESHES = {"30": 30, "60": 60, "300": 300}
# Seconds that the first view waits for what the node says.
_FIRST_LOOK = 3.0


@router.get("/dashboard")
async def dashboard(
    request: Request, service: CurrentService, reader: CurrentReader, refresh: str = ""
) -> Response:
    """Show the dashboard, or redirect to the sign-in form."""
    caller = await find_administrator(request, service)
    if caller is None or caller == "person":
        other = "/login" if caller is None else "/account"
        return RedirectResponse(reader.link(other), status_code=303)
    project, moment = service.project, time.time()
    try:
        overview = await service.read(lambda: read_overview(project, moment))
        throughput = await service.read(lambda: read_throughput(project, moment))
    except AnchorError as error:
        return answer_error(error, "dashboard", reader)
    outside = service.outside.snapshot()
    if outside.chain == Sighting():  # the first view begins the first look at the chain
        outside = await service.read(lambda: service.outside.snapshot(_FIRST_LOOK))
    alarms = raise_alarms(project.config, overview, outside)
    values = describe_dashboard(project.config, overview, throughput, outside, alarms)
    values |= {"can_sign_out": caller == "session", "refreshes": _REFRESHES.get(refresh)}
    page = answer_page("dashboard.html", values, reader)
    if refresh in _REFRESHES:
        # Only if requested: a page that changes by itself is hard to use with a screen reader.
        page.headers["Refresh"] = refresh
    return page


def describe_dashboard(
    config: Config,
    overview: Overview,
    throughput: Throughput,
    outside: ExternalStatus,
    alarms: Sequence[Alarm],
) -> dict[str, object]:
    """Return the values for the page's template."""
    final = [anchor.to_final for anchor in overview.anchors if anchor.to_final is not None]
    included = [anchor.to_included for anchor in overview.anchors]
    balance = None if outside.chain.value is None else outside.chain.value.balance
    return {
        "here": "dashboard",
        "log": describe_log(config),
        "overview": overview,
        "alarms": alarms,
        "balance": balance,
        "balance_facts": describe_balance(outside.chain, overview),
        "spending_facts": describe_spending(overview.spending),
        "chain_facts": describe_chain(config.chain_id, outside.chain, overview),
        "base_fee": None if outside.chain.value is None else outside.chain.value.base_fee,
        "cap": config.fee_cap,
        "transaction_facts": None
        if overview.transaction is None
        else describe_transaction(overview.transaction),
        "publication_facts": None
        if outside.published is None
        else describe_publication(outside.published, overview),
        "delivery_facts": describe_deliveries(overview.deliveries),
        "erasure_facts": describe_unfinished(*overview.erasures),
        "typical_final": median(final) if final else None,
        "typical_included": median(included) if included else None,
        "spending_days": SPENDING_DAYS,
        "charts": make_charts(throughput, overview.anchors, config.fee_cap),
    }
