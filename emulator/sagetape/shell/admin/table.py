"""Every route of the admin API, once. The dispatcher, `docs/admin.md` and `docs/openapi.json` are made of this."""

from __future__ import annotations

from typing import Final

from . import calls, decks, faults, journal, server_view
from .routes import AdminRoute
from .schemas import listed, table

DECK: Final = "/decks/{deck}"

SERVER: Final = (
    AdminRoute("GET", "/health", server_view.show_health, "The server is there.", server_view.HEALTH, is_open=True),
    AdminRoute("GET", "/ready", server_view.show_ready, "What the ready line said.", server_view.READY),
    AdminRoute("GET", "/metrics", server_view.show_metrics, "All figures, in Prometheus' text format.", None),
    AdminRoute("GET", "/faults", faults.list_kinds, "The faults there are, with their parameters.", faults.FAULT_KINDS),
    AdminRoute("POST", "/reset", decks.reset_all, "All decks as if nothing had been asked yet.", decks.NOTHING),
)

DECKS: Final = (
    AdminRoute("GET", "/decks", decks.list_decks, "All decks.", table({"decks": listed(decks.DECK)})),
    AdminRoute(
        "POST",
        "/decks",
        decks.make_deck,
        "Make a deck that plays the server's cassettes and records nothing.",
        decks.DECK,
        body=decks.DECK_SETTINGS,
    ),
    AdminRoute("GET", DECK, decks.show_deck, "One deck.", decks.DECK),
    AdminRoute("DELETE", DECK, decks.remove_deck, "Forget a deck that answers nobody.", decks.NOTHING),
    AdminRoute(
        "POST", f"{DECK}/reset", decks.reset_deck, "A deck as if nothing had been asked of it yet.", decks.NOTHING
    ),
    AdminRoute("GET", f"{DECK}/clock", decks.show_clock, "The deck's time.", decks.CLOCK),
    AdminRoute(
        "POST",
        f"{DECK}/clock/advance",
        decks.advance_clock,
        "Move a virtual clock ahead.",
        decks.CLOCK,
        body=decks.SECONDS,
    ),
    AdminRoute(
        "POST",
        f"{DECK}/clock/set",
        decks.set_clock,
        "Set a virtual clock to an instant, later or earlier.",
        decks.CLOCK,
        body=decks.INSTANT,
    ),
    AdminRoute(
        "POST", f"{DECK}/clock/freeze", decks.freeze_clock, "Let waits pass only as time is advanced.", decks.CLOCK
    ),
    AdminRoute("POST", f"{DECK}/clock/thaw", decks.thaw_clock, "Let waits pass at once again.", decks.CLOCK),
    AdminRoute(
        "POST",
        f"{DECK}/endpoints/{{endpoint}}/components/{{component}}/copies",
        decks.scale_component,
        "Set the copies of an inference component.",
        decks.NOTHING,
        body=decks.COPIES,
    ),
)

CALLS: Final = (
    AdminRoute(
        "GET",
        f"{DECK}/journal",
        journal.show_journal,
        "What happened to each call.",
        journal.JOURNAL,
        query=journal.JOURNAL_QUERY,
    ),
    AdminRoute("GET", f"{DECK}/counters", calls.show_counters, "What the calls amount to.", calls.COUNTERS),
    AdminRoute("GET", f"{DECK}/shares", calls.show_shares, "Expected against actual traffic by variant.", calls.SHARES),
    AdminRoute("GET", f"{DECK}/sessions", calls.list_sessions, "The live sessions.", calls.SESSIONS),
    AdminRoute(
        "DELETE",
        f"{DECK}/sessions/{{endpoint}}/{{session}}",
        calls.end_session,
        "Close a session, as if the model had.",
        decks.NOTHING,
    ),
    AdminRoute("GET", f"{DECK}/faults", faults.list_faults, "The faults in force, with counts.", faults.FAULTS),
    AdminRoute("POST", f"{DECK}/faults", faults.add_fault, "Put a fault in force.", faults.TALLY, body=faults.FAULT),
    AdminRoute("DELETE", f"{DECK}/faults/{{fault}}", faults.remove_fault, "Take a fault out of force.", decks.NOTHING),
)

ROUTES: Final = (*SERVER, *DECKS, *CALLS)
