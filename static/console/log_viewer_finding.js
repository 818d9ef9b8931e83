// Search with next and previous, and jumps to an error, a line or a time.

import { ask } from "./log_viewer_live.js";
import { SearchScan } from "./log_viewer_scans.js";

const TYPING_MS = 400;

export class Finding {
    constructor(viewer) {
        this.viewer = viewer;
        this.scan = null;
        this.errorAt = 0;
        const form = viewer.part("search");
        form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.searchNow(1);
        });
        form.addEventListener("input", () => {
            clearTimeout(this.timer);
            this.timer = setTimeout(() => this.searchNow(0), TYPING_MS);
        });
        viewer.part("jump").addEventListener("submit", (event) => {
            event.preventDefault();
            this.jump(new FormData(event.target).get("to"));
        });
    }

    // What the address of the page asks for. A line that it names is looked at before any match.
    begin(marked) {
        const { filters } = this.viewer;
        const form = this.viewer.part("search").elements;
        form.q.value = filters.text;
        form.regex.checked = filters.isRegex;
        if (filters.text) this.find(marked);
    }

    searchNow(by) {
        clearTimeout(this.timer);
        const { filters } = this.viewer;
        const form = this.viewer.part("search").elements;
        if (form.q.value === filters.text && form.regex.checked === filters.isRegex) {
            if (by) this.step(by);
            return;
        }
        filters.text = form.q.value;
        filters.isRegex = form.regex.checked;
        this.find();
    }

    find(marked = null) {
        const { viewer } = this;
        const { filters, state } = viewer;
        this.scan?.stop();
        this.scan = null;
        state.current = null;
        state.plainSearch = filters.isRegex ? "" : filters.text.toLowerCase();
        filters.keepInAddress();
        viewer.status.complain("");
        if (filters.text) this.scan = this.begun(marked ?? viewer.lookedAt, marked === null);
        viewer.list.redraw();
        this.show();
    }

    begun(from, mayJump) {
        const { viewer } = this;
        let hasJumped = !mayJump;
        const scan = new SearchScan(`${viewer.url}matches/`, {
            grown: () => {
                if (this.scan !== scan) return;
                if (!hasJumped && scan.matches.size) {
                    hasJumped = true;
                    this.step(0);
                }
                viewer.remark(viewer.list.shown);
                this.show();
            },
            failed: (message) => this.scan === scan && this.failed(message),
        });
        scan.run(viewer.filters.searchParams(), viewer.all.first, from, viewer.all.head);
        return scan;
    }

    failed(message) {
        this.scan = null;
        this.show();
        this.viewer.status.complain(message);
    }

    isHit(number) {
        return this.scan?.matches.has(number) ?? false;
    }

    // To the next match (1), the previous one (-1), or the first in sight (0).
    step(by) {
        const matches = this.scan?.matches;
        if (!matches || matches.size === 0) return;
        const { state, lookedAt } = this.viewer;
        let place = matches.placeOf(state.current ?? lookedAt);
        const isThere = matches.numberAt(place) === state.current;
        if (isThere || by < 0) place = (place + by + matches.size) % matches.size;
        this.viewer.goTo(matches.numberAt(place));
        this.show();
    }

    show() {
        const out = this.viewer.part("matches");
        if (this.scan === null) {
            out.textContent = "";
            return;
        }
        const { texts, state, lookedAt } = this.viewer;
        const { matches, isDone, isFull } = this.scan;
        const m = matches.size.toLocaleString();
        if (isFull) out.textContent = texts.too_many.replace("{m}", m);
        else if (!isDone) out.textContent = texts.searching.replace("{m}", m);
        else if (matches.size === 0) out.textContent = texts.no_matches;
        else {
            const place = matches.placeOf(state.current ?? lookedAt);
            out.textContent = texts.matches_of.replace("{n}", (place + 1).toLocaleString()).replace("{m}", m);
        }
    }

    // The first error, then the one behind it; after the last one the first again.
    async firstError() {
        const { viewer } = this;
        let line = await this.locate(`level=40&after=${this.errorAt}`);
        if (line === null && this.errorAt) line = await this.locate("level=40&after=0");
        if (line === undefined) return;
        viewer.status.complain(line === null ? viewer.texts.no_error : "");
        this.errorAt = line ?? 0;
        if (line !== null) viewer.goTo(line);
    }

    async jump(text) {
        const { viewer } = this;
        const wanted = text.trim();
        if (/^\d{1,15}$/.test(wanted)) {
            viewer.status.complain("");
            viewer.goTo(Math.max(viewer.all.first, Math.min(viewer.all.head, Number(wanted))));
            return;
        }
        const at = this.momentOf(wanted);
        const line = at === null ? null : await this.locate(`at=${at}`);
        if (line === undefined) return;
        viewer.status.complain(line === null ? viewer.texts.no_such_line.replace("{text}", wanted) : "");
        if (line !== null) viewer.goTo(line);
    }

    // 14:05, 14:05:10 or 2026-01-31 14:05, in the zone that is shown; the day is that of the line one looks at.
    momentOf(text) {
        const found = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?$/.exec(text);
        if (!found) return null;
        const { look, store, state, lookedAt } = this.viewer;
        const zone = look.values.time === "utc" ? "Z" : "";
        const here = store.get(lookedAt)?.at ?? state.start;
        const shown = new Date(zone ? here : here - new Date(here).getTimezoneOffset() * 60000);
        const day = found[1] ?? shown.toISOString().slice(0, 10);
        const at = Date.parse(`${day}T${found[2].padStart(2, "0")}:${found[3]}:${found[4] ?? "00"}${zone}`);
        return Number.isNaN(at) || at < 0 ? null : at;
    }

    // A line number, null when there is none; undefined when the server did not say, which is shown.
    async locate(query) {
        try {
            return (await ask(`${this.viewer.url}locate/?${query}`)).line;
        } catch (error) {
            const { texts } = this.viewer;
            this.viewer.status.complain(texts[error.message] ?? (error.message || texts.no_answer));
            return undefined;
        }
    }
}
