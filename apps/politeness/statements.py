"""The statements of the ledger, for PostgreSQL and SQLite. Times are seconds since 1970, by the database's clock."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

from collectors.toolkit.politeness.circuits import FIRST_OPEN_S, LONGEST_OPEN_S, PROBE_S
from collectors.toolkit.politeness.pauses import (
    FIRST_PENALTY_S,
    LEAST_PENALTY_S,
    MOST_PENALTY_S,
    ONE_COMPLAINT_S,
    SHARED_S,
)

_WORDS = {
    # clock_timestamp(), not now(): whoever waited for the row sees the moment after the wait.
    "postgresql": {"now": "extract(epoch from clock_timestamp())::float8", "most": "GREATEST", "least": "LEAST"},
    "sqlite": {"now": "dc_now()", "most": "MAX", "least": "MIN"},
}
_CONSTANTS = {
    "first": FIRST_PENALTY_S,
    "highest": MOST_PENALTY_S,
    "lowest": LEAST_PENALTY_S,
    "one": ONE_COMPLAINT_S,
    "shared": SHARED_S,
    "probe": PROBE_S,
    "hold": FIRST_OPEN_S,
    "hold_most": LONGEST_OPEN_S,
}
_SITE = "(SELECT id FROM politeness_site WHERE name = %s)"
_LEFT = "CASE WHEN s.penalty_s * %s < {lowest} THEN 0 ELSE s.penalty_s * %s END"
_USUAL = (
    "CASE WHEN %s = 0 THEN s.latency_s WHEN s.latency_s = 0 THEN %s "
    "ELSE s.latency_s + (%s - s.latency_s) * {least}(1.0, 0.05 * %s) END"
)

_TEXTS = {
    # Parameters: low, crawl, high, decay twice; crawl, why; luck; longest; decay twice; the four of the usual
    # latency; answered; owner twice; site.
    "take": """
        UPDATE politeness_site AS s SET
          (slot_time, next_time, sent_time, used_low_s, used_high_s, why) = (
            SELECT CASE WHEN goes = 1 THEN slot ELSE s.slot_time END,
                   CASE WHEN goes = 1 THEN slot + span + luck * (high - low) + penalty ELSE s.next_time END,
                   CASE WHEN goes = 1 AND slot <= at THEN at ELSE s.sent_time END,
                   low, high, reason
            FROM (
              SELECT c.*, %s AS luck,
                     {most}(at, s.next_time, s.slot_time + span, s.sent_time + span, s.rest_until) AS slot,
                     CASE WHEN s.rest_until - at > %s THEN 0 ELSE 1 END AS goes
              FROM (
                SELECT b.*, low + {least}(0.1 * low, 0.05) AS span, {most}(b.given, b.low) AS high
                FROM (
                  SELECT {most}(COALESCE(s.low_s, %s), %s) AS low, COALESCE(s.high_s, %s) AS given,
                         {decayed} AS penalty, {now} AS at,
                         CASE WHEN %s > COALESCE(s.low_s, %s) THEN 'crawl-delay'
                              WHEN s.low_s IS NOT NULL OR s.high_s IS NOT NULL THEN 'operator' ELSE %s END AS reason
                ) AS b
              ) AS c
            ) AS d
          ),
          penalty_s = {decayed},
          latency_s = {usual},
          answer_count = s.answer_count + %s,
          shared_until = CASE WHEN s.owner <> '' AND s.owner <> %s THEN {now} + {shared} ELSE s.shared_until END,
          owner = %s,
          asked_time = {now}
        WHERE s.name = %s
        RETURNING slot_time - {now}, rest_until - {now}, used_low_s, used_high_s, penalty_s,
                  shared_until > {now}, latency_s, at_once, circuits""",
    "appear": """
        INSERT INTO politeness_site (
          name, at_once, why, used_low_s, used_high_s, penalty_s, penalty_why, penalty_time, slot_time, next_time,
          sent_time, rest_until, owner, shared_until, latency_s, circuits, answer_count, refused_count, refused_time,
          asked_time
        ) VALUES (%s, %s, 'default', 0, 0, 0, '', 0, 0, 0, 0, 0, '', 0, 0, 0, 0, 0, 0, 0)
        ON CONFLICT (name) DO NOTHING""",
    # Parameters: site, least.
    "confirm": """
        UPDATE politeness_site SET sent_time = {now}
        WHERE name = %s AND rest_until <= {now} AND sent_time + %s <= {now} RETURNING 1""",
    # Parameters: least, site.
    "left": "SELECT {most}(rest_until, sent_time + %s) - {now} FROM politeness_site WHERE name = %s",
    # Parameters: factor, why, rest, refused twice, factor, site.
    "slow_down": """
        UPDATE politeness_site AS s SET
          penalty_s = CASE WHEN {now} - s.penalty_time < {one} THEN s.penalty_s
                           ELSE {least}({highest}, {most}({first}, s.penalty_s * %s)) END,
          penalty_time = CASE WHEN {now} - s.penalty_time < {one} THEN s.penalty_time ELSE {now} END,
          penalty_why = %s,
          rest_until = {most}(s.rest_until, {now} + %s),
          refused_count = s.refused_count + %s,
          refused_time = CASE WHEN %s = 1 THEN {now} ELSE s.refused_time END,
          next_time = {most}(s.next_time, s.slot_time + s.used_low_s + {most}({first}, s.penalty_s * %s))
        WHERE s.name = %s""",
    "settle": """
        UPDATE politeness_site AS s SET penalty_s = {decayed}, latency_s = {usual}, answer_count = s.answer_count + %s
        WHERE s.name = %s""",
    # Parameters: number, token, seconds, site.
    "lend": """
        INSERT INTO politeness_place (site_id, number, token, until)
        SELECT s.id, %s, %s, {now} + %s FROM politeness_site AS s WHERE s.name = %s
        ON CONFLICT (site_id, number) DO UPDATE SET token = excluded.token, until = excluded.until
        WHERE politeness_place.until <= {now} RETURNING number""",
    "give_back": "DELETE FROM politeness_place WHERE site_id = {of_site} AND number = %s AND token = %s",
    "robots": "SELECT status, text, {now} - fetched_time FROM politeness_robotsfile WHERE origin = %s",
    # Parameters: origin, status, text, crawl, site.
    "keep_robots": """
        INSERT INTO politeness_robotsfile (site_id, origin, fetched_time, status, text, crawl_s)
        SELECT s.id, %s, {now}, %s, %s, %s FROM politeness_site AS s WHERE s.name = %s
        ON CONFLICT (origin) DO UPDATE SET fetched_time = excluded.fetched_time, status = excluded.status,
          text = excluded.text, crawl_s = excluded.crawl_s""",
    "open_circuits": """
        SELECT host, egress, until - {now}, why FROM politeness_circuit WHERE site_id = {of_site} AND is_open""",
    # Parameters: site, host, egress.
    "probe": """
        UPDATE politeness_circuit SET probe_until = {now} + {probe}
        WHERE site_id = {of_site} AND host = %s AND egress = %s AND is_open
          AND until <= {now} AND probe_until <= {now} RETURNING 1""",
    "circuit": """
        SELECT {most}(until, probe_until) - {now}, why FROM politeness_circuit
        WHERE site_id = {of_site} AND host = %s AND egress = %s AND is_open""",
    # Parameters: host, egress, why, site.
    "trip": """
        INSERT INTO politeness_circuit (site_id, host, egress, is_open, why, opened_time, until, probe_until, hold_s)
        SELECT s.id, %s, %s, true, %s, {now}, {now} + {hold}, 0, {hold} FROM politeness_site AS s WHERE s.name = %s
        ON CONFLICT (site_id, host, egress) DO UPDATE SET
          is_open = true, why = excluded.why, probe_until = 0,
          opened_time = CASE WHEN politeness_circuit.is_open THEN politeness_circuit.opened_time ELSE {now} END,
          hold_s = CASE WHEN politeness_circuit.is_open
                        THEN {least}({hold_most}, politeness_circuit.hold_s * 2) ELSE {hold} END,
          until = {now} + CASE WHEN politeness_circuit.is_open
                               THEN {least}({hold_most}, politeness_circuit.hold_s * 2) ELSE {hold} END
        WHERE NOT politeness_circuit.is_open OR politeness_circuit.until <= {now} RETURNING 1""",
    "close_circuit": """
        UPDATE politeness_circuit SET is_open = false, probe_until = 0
        WHERE site_id = {of_site} AND host = %s AND egress = %s AND is_open RETURNING 1""",
    "circuits_changed": "UPDATE politeness_site SET circuits = circuits + 1 WHERE name = %s",
}


@dataclass(frozen=True, slots=True)
class Statements:
    """Each with `%s` for its parameters."""

    take: str
    appear: str
    confirm: str
    left: str
    slow_down: str
    settle: str
    lend: str
    give_back: str
    robots: str
    keep_robots: str
    open_circuits: str
    probe: str
    circuit: str
    trip: str
    close_circuit: str
    circuits_changed: str


@cache
def statements(vendor: str) -> Statements:
    """Those for "postgresql" or "sqlite"."""
    words = {**_WORDS[vendor], **_CONSTANTS, "of_site": _SITE}
    words |= {"decayed": _LEFT.format(**words), "usual": _USUAL.format(**words)}
    texts = {field.name: _TEXTS[field.name].format(**words) for field in fields(Statements)}
    return Statements(**{name: " ".join(text.split()) for name, text in texts.items()})
