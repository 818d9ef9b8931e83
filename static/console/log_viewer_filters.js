// What is shown and what is looked for, kept in the address of the page, and the controls that say so.

import { ask } from "./log_viewer_live.js";
import { plainValue } from "./log_viewer_rows.js";

const LEVEL_NAMES = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 };

export class Filters {
    // told: {changed()}
    constructor(part, texts, url, told) {
        this.part = part;
        this.texts = texts;
        this.url = url;
        this.told = told;
        this.counts = {};
        this.counted = { upto: 0, levels: {}, loggers: [] };
        this.read();
        part("levels").addEventListener("change", () => this.setLevels());
        part("loggers").addEventListener("toggle", () => part("loggers").open && this.count());
        part("logger-list").addEventListener("change", (event) => this.toggleLogger(event.target.value, event.target.checked));
        part("chips").addEventListener("click", (event) => this.dropChip(event.target.closest("[data-chip]")));
        this.show();
    }

    read() {
        const query = new URLSearchParams(location.search);
        this.levels = new Set((query.get("levels") ?? "").split(",").filter(Boolean).map(Number));
        this.loggers = query.getAll("logger");
        this.fields = query.getAll("field").filter((field) => field.includes("="));
        this.text = query.get("q") ?? "";
        this.isRegex = query.get("regex") === "1";
    }

    get isActive() {
        return this.levels.size + this.loggers.length + this.fields.length > 0;
    }

    // What is shown, as the server wants it.
    params() {
        const query = new URLSearchParams();
        if (this.levels.size) query.set("levels", [...this.levels].sort((a, b) => a - b).join(","));
        for (const logger of this.loggers) query.append("logger", logger);
        for (const field of this.fields) query.append("field", field);
        return query;
    }

    searchParams() {
        const query = this.params();
        if (this.text) query.set("q", this.text);
        if (this.text && this.isRegex) query.set("regex", "1");
        return query;
    }

    keepInAddress() {
        const query = this.searchParams().toString();
        history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
    }

    // Whether a line that has just been said is shown.
    passes(row) {
        if (this.levels.size && !this.levels.has(row.level)) return false;
        if (this.loggers.length && !this.loggers.includes(row.logger)) return false;
        return this.fields.every((field) => {
            const at = field.indexOf("=");
            const name = field.slice(0, at);
            return row.fields !== undefined && name in row.fields && JSON.stringify(row.fields[name]) === field.slice(at + 1);
        });
    }

    setLevels() {
        this.levels = new Set([...this.part("levels").querySelectorAll("input:checked")].map((box) => Number(box.value)));
        this.change();
    }

    toggleLogger(name, isOn) {
        this.loggers = this.loggers.filter((other) => other !== name);
        if (isOn) this.loggers.push(name);
        this.change();
    }

    addField(field) {
        if (!this.fields.includes(field)) this.fields.push(field);
        this.change();
    }

    clear() {
        this.levels.clear();
        this.loggers = [];
        this.fields = [];
        this.change();
    }

    dropChip(chip) {
        if (!chip) return;
        const { kind, value } = chip.dataset;
        this[kind] = this[kind].filter((other) => other !== value);
        this.change();
    }

    change() {
        this.keepInAddress();
        this.show();
        this.told.changed();
    }

    show() {
        for (const box of this.part("levels").querySelectorAll("input")) box.checked = this.levels.has(Number(box.value));
        const chips = [
            ...this.loggers.map((logger) => ["loggers", logger, logger]),
            ...this.fields.map((field) => ["fields", field, this.fieldText(field)]),
        ];
        this.part("chips").replaceChildren(...chips.map(([kind, value, text]) => this.chip(kind, value, text)));
        this.showLoggers();
    }

    fieldText(field) {
        const at = field.indexOf("=");
        try {
            return `${field.slice(0, at)}=${plainValue(JSON.parse(field.slice(at + 1)))}`;
        } catch {
            return field;
        }
    }

    chip(kind, value, text) {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "dc-lv-chip";
        made.dataset.chip = "";
        made.dataset.kind = kind;
        made.dataset.value = value;
        made.title = this.texts.remove;
        made.textContent = `${text} ✕`;
        return made;
    }

    // -- Counts ----------------------------------------------------------------------------------------------------

    // The run knows its lines by level; when it knows fewer than there are, they are counted.
    runCounts(counts, lineCount) {
        const known = Object.entries(counts).map(([name, count]) => [LEVEL_NAMES[name], count]);
        if (known.reduce((sum, [, count]) => sum + count, 0) >= lineCount) {
            this.showCounts(Object.fromEntries(known));
        } else if (this.counted.upto < lineCount) this.countSoon();
    }

    countSoon() {
        this.timer ??= setTimeout(async () => {
            await this.count();
            this.timer = undefined;
        }, this.counted.upto ? 5000 : 0);
    }

    async count() {
        try {
            do this.counted = await ask(`${this.url}counts/`);
            while (!this.counted.is_complete);
        } catch {
            return; // Asked again with the next news of the run.
        }
        this.showCounts(this.counted.levels);
        this.showLoggers();
    }

    showCounts(levels) {
        for (const place of this.part("levels").querySelectorAll("[data-count]")) {
            const text = (levels[place.dataset.count] ?? 0).toLocaleString("en").replaceAll(",", "\u202f");
            if (place.textContent !== text) place.textContent = text;
        }
    }

    showLoggers() {
        const names = new Map([...this.loggers.map((name) => [name, ""]), ...this.counted.loggers]);
        const list = this.part("logger-list");
        list.replaceChildren(
            ...[...names].map(([name, count]) => {
                const label = document.createElement("label");
                const box = Object.assign(document.createElement("input"), { type: "checkbox", value: name, checked: this.loggers.includes(name) });
                label.append(box, ` ${name || "-"} ${count}`);
                return label;
            }),
        );
    }
}
