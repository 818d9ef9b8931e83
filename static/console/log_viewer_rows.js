// Lines as elements. Whatever a collector said is set as text, never as markup.

const LEVELS = {
    0: ["-", "NOTSET"],
    10: ["·", "DEBUG"],
    20: ["i", "INFO"],
    30: ["▲", "WARNING"],
    40: ["✖", "ERROR"],
    50: ["✖✖", "CRITICAL"],
};
const FIELDS_SHOWN = 8;
const VALUE_SHOWN = 120;

export function levelName(level) {
    return (LEVELS[level] ?? LEVELS[0])[1];
}

function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
}

function button(className, text, action, label) {
    const made = element("button", className, text);
    made.type = "button";
    made.dataset.do = action;
    if (label) made.setAttribute("aria-label", label);
    return made;
}

const two = (value) => String(value).padStart(2, "0");

// mode: local, utc or relative to `start`.
export function timeText(at, mode, start) {
    if (mode === "relative") {
        const past = Math.abs(at - start);
        const sign = at < start ? "-" : "+";
        const seconds = Math.floor(past / 1000);
        const clock = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
        return `${sign}${clock}.${String(Math.floor(past % 1000)).padStart(3, "0")}`;
    }
    const date = new Date(at);
    const shifted = mode === "utc" ? date : new Date(at - date.getTimezoneOffset() * 60000);
    return shifted.toISOString().slice(11, 23);
}

export function plainValue(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}

// A line as somebody wants to paste it.
export function lineAsText(row) {
    const fields = Object.entries(row.fields ?? {}).map(([name, value]) => ` ${name}=${plainValue(value)}`);
    const line = `${new Date(row.at).toISOString()} ${levelName(row.level).padEnd(8)} ${row.logger} ${row.text}${fields.join("")}`;
    return row.trace ? `${line}\n${row.trace.trimEnd()}` : line;
}

// Makes the rows of the list. `look` is {wrap, source, time}; `state` knows what is open, found, marked and searched for.
export class RowMaker {
    constructor(texts, look, state) {
        this.texts = texts;
        this.look = look;
        this.state = state;
    }

    make(number, row) {
        const made = element("div", "dc-lv-row");
        made.dataset.n = number;
        made.append(this.number(number));
        if (row === undefined || row.swept) {
            made.classList.add("dc-lv-missing");
            made.append(element("span", "dc-lv-quiet", this.texts[row?.swept ? "swept" : "loading"]));
            return made;
        }
        const [icon, name] = LEVELS[row.level] ?? LEVELS[0];
        made.classList.add(`dc-lv-level-${row.level}`);
        const level = element("span", "dc-lv-name");
        const sign = element("span", "dc-lv-icon", icon);
        sign.setAttribute("aria-hidden", "true");
        level.append(sign, ` ${name}`);
        const time = element("time", "dc-lv-time", timeText(row.at, this.look.time, this.state.start));
        time.dateTime = new Date(row.at).toISOString();
        time.title = time.dateTime;
        made.append(time, level);
        if (this.look.source) made.append(element("span", "dc-lv-source", row.logger));
        made.append(this.body(row));
        this.mark(made, number);
        return made;
    }

    mark(made, number) {
        made.classList.toggle("dc-lv-hit", this.state.isHit(number));
        made.classList.toggle("dc-lv-current", this.state.current === number);
        made.classList.toggle("dc-lv-marked", this.state.isMarked(number));
    }

    number(number) {
        const link = element("a", "dc-lv-number", String(number));
        link.href = `#L${number}`;
        link.dataset.do = "mark";
        return link;
    }

    body(row) {
        const body = element("span", "dc-lv-body");
        const isOpen = this.state.open.has(row.n);
        const toggle = button("dc-lv-toggle", isOpen ? "▾" : "▸", "toggle", this.texts.details.replace("{n}", row.n));
        toggle.setAttribute("aria-expanded", String(isOpen));
        const text = element("span", "dc-lv-text");
        const shown = this.look.wrap || isOpen ? row.text : row.text.replaceAll("\n", " ↵ ");
        text.append(...this.highlighted(shown));
        body.append(toggle, text);
        this.addFields(body, row, isOpen);
        if (row.trace) this.addTrace(body, row, isOpen);
        if (isOpen) body.append(this.details(row));
        return body;
    }

    // Plain searches are shown where they match; what an expression matches only the database knows.
    highlighted(text) {
        const wanted = this.state.plainSearch;
        if (!wanted) return [text];
        const parts = [];
        const lower = text.toLowerCase();
        let from = 0;
        for (let at = lower.indexOf(wanted); at >= 0 && parts.length < 200; at = lower.indexOf(wanted, from)) {
            parts.push(text.slice(from, at), element("mark", "", text.slice(at, at + wanted.length)));
            from = at + wanted.length;
        }
        parts.push(text.slice(from));
        return parts;
    }

    addFields(body, row, isOpen) {
        const names = Object.keys(row.fields ?? {});
        for (const name of isOpen ? names : names.slice(0, FIELDS_SHOWN)) body.append(" ", this.field(name, row.fields[name]));
        const more = names.length - FIELDS_SHOWN;
        if (!isOpen && more > 0) body.append(" ", button("dc-lv-more", this.texts.more_fields.replace("{n}", more), "toggle"));
    }

    field(name, value) {
        const shown = plainValue(value);
        const isShort = shown.length <= VALUE_SHOWN;
        const isFilter = (value === null || typeof value !== "object") && isShort;
        const made = isFilter ? button("dc-lv-field", "", "field") : element("span", "dc-lv-field");
        if (isFilter) {
            made.dataset.field = `${name}=${JSON.stringify(value)}`;
            made.title = this.texts.only_this.replace("{name}", name).replace("{value}", shown);
        }
        made.append(element("span", "dc-lv-key", `${name}=`), ...this.highlighted(isShort ? shown : `${shown.slice(0, VALUE_SHOWN)}…`));
        return made;
    }

    // Folded to its last line, which says what happened.
    addTrace(body, row, isOpen) {
        const lines = row.trace.trimEnd().split("\n");
        if (isOpen) {
            body.append(element("pre", "dc-lv-trace", row.trace.trimEnd()));
            return;
        }
        const folded = button("dc-lv-fold", "", "toggle");
        folded.append(...this.highlighted(lines.at(-1)));
        if (lines.length > 1) folded.append(element("span", "dc-lv-quiet", ` ${this.texts.traceback.replace("{n}", lines.length - 1)}`));
        body.append(" ", folded);
    }

    details(row) {
        const box = element("div", "dc-lv-details");
        const list = element("dl");
        const facts = { time: new Date(row.at).toISOString(), logger: row.logger, place: row.place, thread: row.thread, chain: row.chain };
        for (const [name, value] of Object.entries(facts)) {
            if (!value) continue;
            const text = element("dd");
            if (name === "logger") {
                const only = button("dc-lv-field", value, "logger");
                only.dataset.logger = value;
                text.append(only);
            } else text.textContent = value;
            list.append(element("dt", "", this.texts[name]), text);
        }
        if (row.fields) list.append(element("dt", "", this.texts.fields), element("dd"));
        if (row.fields) list.lastChild.append(element("pre", "", JSON.stringify(row.fields, null, 2)));
        box.append(list);
        if (row.cut) box.append(button("dc-lv-more", this.texts.cut, "whole"), " ");
        if (this.state.isFiltered) box.append(button("dc-lv-more", this.texts.neighbours, "neighbours"));
        return box;
    }
}
