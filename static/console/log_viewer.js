// The log of a run: shows lines, follows the run, and does what the toolbar and the keys say.

import { Filters } from "./log_viewer_filters.js";
import { Finding } from "./log_viewer_finding.js";
import { VirtualList } from "./log_viewer_list.js";
import { ask, Live, SignedOut } from "./log_viewer_live.js";
import { Look } from "./log_viewer_look.js";
import { Marks } from "./log_viewer_marks.js";
import { RowMaker } from "./log_viewer_rows.js";
import { FilterScan } from "./log_viewer_scans.js";
import { Status } from "./log_viewer_status.js";
import { AllLines, LineStore } from "./log_viewer_store.js";

const MOST_ASKED = 500;
const READING_MS = 300;

class LogViewer {
    constructor(root) {
        this.root = root;
        this.url = root.dataset.url;
        const texts = this.part("texts").content.querySelectorAll("[data-text]");
        this.texts = Object.fromEntries([...texts].map((text) => [text.dataset.text, text.textContent]));
        this.run = JSON.parse(root.dataset.run);
        this.store = new LineStore();
        this.all = new AllLines(Number(root.dataset.first), Number(root.dataset.head));
        this.scan = null;
        this.isFollowing = false;
        this.isPaused = false;
        this.news = 0;
        this.state = {
            start: this.run.started_at ?? 0,
            open: new Set(),
            current: null,
            plainSearch: "",
            isFiltered: false,
            isHit: (number) => this.finding.isHit(number),
            isMarked: (number) => this.marks.has(number),
        };
        const part = (name) => this.part(name);
        this.status = new Status(this);
        this.look = new Look(root, part, { changed: () => this.redraw() });
        this.maker = new RowMaker(this.texts, this.look.values, this.state);
        this.list = new VirtualList(part("list"), (number) => this.makeRow(number), (how) => this.scrolled(how));
        this.filters = new Filters(part, this.texts, this.url, { changed: () => this.filter() });
        this.marks = new Marks(this);
        this.finding = new Finding(this);
        this.listen();
        this.begin();
    }

    part(name) {
        return this.root.querySelector(`[data-part="${name}"]`);
    }

    begin() {
        this.showRun(this.run);
        this.marks.read();
        const marked = this.marks.range?.[0] ?? null;
        this.showFiltered(marked);
        if (marked !== null) this.goTo(marked);
        else this.followOrEnd();
        this.finding.begin(marked);
        this.live = new Live(this.root.dataset.socket, `${this.url}lines/`, this.all.head, {
            lines: (rows) => this.take(rows),
            run: (run) => this.showRun(run),
            skip: (head) => this.skipTo(head),
            state: (name, since, seconds) => this.status.showConnection(name, since, seconds),
            ended: (name) => this.status.warn(this.texts[name]),
        });
    }

    // -- Lines -----------------------------------------------------------------------------------------------------

    makeRow(number) {
        const row = this.store.touch(number);
        if (row === undefined) this.fetchSoon();
        else this.state.start ||= row.at;
        return this.maker.make(number, row);
    }

    fetchSoon() {
        if (this.isFetching) return;
        this.isFetching = true;
        queueMicrotask(() => this.fetchMissing());
    }

    async fetchMissing() {
        let failures = 0;
        for (;;) {
            const missing = this.list.shown.filter((number) => this.store.get(number) === undefined).sort((a, b) => a - b);
            if (missing.length === 0) break;
            try {
                this.list.replace(await this.fetchLines(missing.slice(0, MOST_ASKED)));
                if (this.isFollowing) this.list.toEnd();
                failures = 0;
            } catch (error) {
                if (error instanceof SignedOut) break;
                failures += 1;
                await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** failures, 10000)));
            }
        }
        this.isFetching = false;
    }

    // Fetches these lines into the store; lines that the server has no longer are noted. Returns the numbers settled.
    async fetchLines(numbers) {
        const [low, high] = [numbers[0], numbers.at(-1)];
        const isDense = high - low < MOST_ASKED;
        const answer = await ask(`${this.url}lines/?${isDense ? `from=${low}&to=${high}` : `numbers=${numbers.join(",")}`}`);
        for (const row of answer.lines) this.store.put(row);
        // A long answer is cut: what lies behind its last line has not been answered.
        const upto = answer.lines.length ? answer.lines.at(-1).n : high;
        const settled = numbers.filter((number) => number <= upto);
        for (const number of settled) if (this.store.get(number) === undefined) this.store.put({ n: number, swept: true });
        return settled;
    }

    // Lines that have just been said.
    take(rows) {
        for (const row of rows) this.store.put(row);
        this.all.head = rows.at(-1).n;
        let shown = rows.length;
        if (this.scan) {
            const numbers = rows.filter((row) => this.filters.passes(row)).map((row) => row.n);
            this.scan.matches.append(numbers);
            shown = numbers.length;
        }
        if (!this.isFollowing) this.news += shown;
        this.status.announceLines(shown);
        this.drawSoon();
    }

    // So many lines were said while nobody listened that they are fetched when they are looked at.
    skipTo(head) {
        if (!this.isFollowing) this.news += head - this.all.head;
        this.all.head = head;
        if (this.scan) this.filter();
        this.drawSoon();
    }

    // Once a frame at most; while one reads further up, only the scroll bar and a number change.
    drawSoon() {
        if (this.isDrawing) return;
        this.isDrawing = true;
        const isWatched = this.isFollowing && !document.hidden;
        const draw = () => {
            this.isDrawing = false;
            if (this.isFollowing) this.list.toEnd();
            else this.list.refresh();
            this.status.showCounts();
        };
        if (isWatched) requestAnimationFrame(draw);
        else setTimeout(draw, READING_MS);
    }

    redraw() {
        this.list.redraw();
        if (this.isFollowing) this.list.toEnd();
    }

    get source() {
        return this.scan ? this.scan.matches : this.all;
    }

    showRun(run) {
        this.run = run;
        this.state.start = run.started_at ?? this.state.start;
        this.status.showRun(run);
        this.filters.runCounts(run.log_counts, this.all.size);
        if (this.live) this.finding.scan?.goOn(this.live.cursor);
    }

    // -- Following -------------------------------------------------------------------------------------------------

    follow() {
        this.isFollowing = true;
        this.isPaused = false;
        this.news = 0;
        this.list.toEnd();
        this.status.showCounts();
    }

    unfollow(isPaused = this.isPaused) {
        this.isFollowing = false;
        this.isPaused = isPaused;
        this.status.showCounts();
    }

    togglePause() {
        if (this.isPaused) this.follow();
        else this.unfollow(true);
    }

    followOrEnd() {
        if (this.run.is_open) this.follow();
        else this.list.toEnd();
    }

    scrolled({ isUp, atEnd }) {
        if (this.isFollowing && isUp && !atEnd) this.unfollow();
        else if (!this.isFollowing && !this.isPaused && atEnd && !isUp && this.run.is_open) this.follow();
    }

    goTo(number) {
        this.unfollow();
        const before = this.state.current;
        this.state.current = number;
        this.list.toNumber(number);
        this.remark([before, number]);
    }

    toTop() {
        this.unfollow();
        this.list.toNumber(this.all.first, 0);
    }

    // What is found, marked or current has changed.
    remark(numbers) {
        for (const number of numbers) {
            const row = this.list.elements.get(number);
            if (row) this.maker.mark(row, number);
        }
    }

    // The first line in view: where one looks.
    get lookedAt() {
        return this.source.size ? this.source.numberAt(Math.min(this.source.size - 1, this.list.anchor().place)) : this.all.first;
    }

    // -- Filter ----------------------------------------------------------------------------------------------------

    filter() {
        const at = this.lookedAt;
        this.status.complain("");
        this.showFiltered(at);
        if (this.isFollowing) this.list.toEnd();
        else this.list.toNumber(at, 0);
        if (this.filters.text) this.finding.find();
    }

    showFiltered(at = null) {
        this.scan?.stop();
        this.scan = null;
        this.state.isFiltered = this.filters.isActive;
        if (this.filters.isActive) {
            const scan = new FilterScan(`${this.url}matches/`, {
                grown: () => this.scan === scan && this.filterGrew(at),
                failed: (message) => this.scan === scan && this.status.complain(message),
            });
            this.scan = scan;
            scan.run(this.filters.params(), this.all.first, this.all.head);
        }
        this.list.show(this.source);
        this.showDownloads();
        this.status.showCounts();
    }

    filterGrew(at) {
        if (this.isFollowing) this.list.toEnd();
        else if (this.list.last === 0 && !this.list.held) this.list.toNumber(at ?? this.all.head, 0);
        else this.list.refresh();
        this.status.showCounts();
    }

    showDownloads() {
        for (const link of this.part("download").querySelectorAll("a")) {
            const query = link.dataset.scope === "view" ? this.filters.params() : new URLSearchParams();
            query.set("form", link.dataset.form);
            link.href = `${this.url}download/?${query}`;
        }
    }

    // -- Single lines ----------------------------------------------------------------------------------------------

    toggle(number) {
        const { open } = this.state;
        if (!open.delete(number)) {
            open.add(number);
            this.unfollow();
        }
        this.list.replace([number]);
        this.list.elements.get(number)?.querySelector(".dc-lv-toggle")?.focus({ preventScroll: true });
    }

    async showWhole(number) {
        try {
            this.store.put(await ask(`${this.url}line/?n=${number}`));
            this.list.replace([number]);
        } catch {
            this.status.complain(this.texts.no_answer);
        }
    }

    showNeighbours(number) {
        this.filters.clear();
        this.goTo(number);
    }

    // -- What somebody does ----------------------------------------------------------------------------------------

    listen() {
        this.root.addEventListener("click", (event) => this.clicked(event));
        document.addEventListener("keydown", (event) => this.pressed(event));
        document.addEventListener("visibilitychange", () => this.drawSoon());
        document.addEventListener("click", (event) => {
            for (const menu of this.root.querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
        });
        new ResizeObserver(() => this.isFollowing && this.list.toEnd()).observe(this.list.box);
    }

    clicked(event) {
        const target = event.target.closest("[data-do]");
        if (!target) return;
        const number = Number(target.closest("[data-n]")?.dataset.n);
        const actions = {
            follow: () => (this.isFollowing ? this.unfollow() : this.follow()),
            pause: () => this.togglePause(),
            top: () => this.toTop(),
            bottom: () => this.followOrEnd(),
            error: () => this.finding.firstError(),
            next: () => this.finding.step(1),
            previous: () => this.finding.step(-1),
            full: () => this.look.toggleFull(),
            help: () => this.part("help").showModal(),
            "copy-lines": () => this.marks.copyLines(),
            "copy-link": () => this.marks.copy(location.href),
            unselect: () => this.marks.clear(),
            mark: () => this.marks.mark(number, event.shiftKey),
            toggle: () => this.toggle(number),
            field: () => this.filters.addField(target.dataset.field),
            logger: () => this.filters.toggleLogger(target.dataset.logger, true),
            whole: () => this.showWhole(number),
            neighbours: () => this.showNeighbours(number),
        };
        event.preventDefault();
        actions[target.dataset.do]();
    }

    pressed(event) {
        const isTyping = event.target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
        if (event.key === "Escape" && this.look.isFull) this.look.toggleFull(false);
        if (!this.look.values.keys || event.ctrlKey || event.metaKey || event.altKey) return;
        if (isTyping || document.querySelector("dialog[open]")) return;
        const actions = {
            g: () => this.toTop(),
            G: () => this.followOrEnd(),
            e: () => this.finding.firstError(),
            n: () => this.finding.step(1),
            N: () => this.finding.step(-1),
            p: () => this.togglePause(),
            f: () => this.look.toggleFull(),
            w: () => this.look.toggle("wrap"),
            s: () => this.look.toggle("source"),
            t: () => this.look.nextTime(),
            d: () => this.openDownload(),
            "/": () => this.part("search").elements.q.focus(),
            "?": () => this.part("help").showModal(),
        };
        const action = actions[event.key];
        if (!action) return;
        event.preventDefault();
        action();
    }

    openDownload() {
        const menu = this.part("download");
        menu.open = !menu.open;
        if (menu.open) menu.querySelector("a").focus();
    }
}

for (const root of document.querySelectorAll("[data-log-viewer]")) root.logViewer = new LogViewer(root);
