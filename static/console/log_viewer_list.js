// A list of millions of rows of which the document holds some hundred.
//
// The rows around the view are ordinary elements of whatever height they have. What lies above and below is two empty
// boxes, whose heights stand for the rows that are not there: a fixed height a row, less than a real row's when the list
// would else be taller than browsers can scroll. Whenever rows are exchanged, the row at the top of the view is held where
// it is, so the heights need not be right.

const TALLEST = 8e6;
const AROUND = 60;
const NEAR = 20;

export class VirtualList {
    // source: {size, numberAt(place), placeOf(number)}; makeRow(number) gives an element. onScroll({byUser, atEnd}) is told of scrolling.
    constructor(box, makeRow, onScroll) {
        this.box = box;
        this.makeRow = makeRow;
        this.onScroll = onScroll;
        this.source = { size: 0, numberAt: () => 0, placeOf: () => 0 };
        this.rowHeight = 20;
        this.first = 0;
        this.last = 0;
        // Where the view was last put, and how tall the box and its content were then.
        this.setTop = 0;
        this.setHeights = "";
        // The row that was jumped to stays where it is, whatever its neighbours turn out to be, until somebody scrolls.
        this.held = null;
        this.elements = new Map();
        this.above = document.createElement("div");
        this.rows = document.createElement("div");
        this.below = document.createElement("div");
        this.rows.className = "dc-lv-rows";
        box.append(this.above, this.rows, this.below);
        box.addEventListener("scroll", () => this.scrolled(), { passive: true });
        new ResizeObserver(() => this.refresh()).observe(box);
    }

    get perRow() {
        return Math.min(this.rowHeight, TALLEST / Math.max(1, this.source.size));
    }

    get visible() {
        return Math.ceil(this.box.clientHeight / this.rowHeight) + 1;
    }

    get isAtEnd() {
        return this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4 && this.last >= this.source.size;
    }

    // Other rows, or the same in another order: nothing that is shown now is kept.
    show(source) {
        this.source = source;
        this.clear();
    }

    clear() {
        this.held = null;
        this.elements.clear();
        this.rows.replaceChildren();
        this.first = this.last = 0;
    }

    // The rows look different now.
    redraw() {
        const anchor = this.anchor();
        const { held } = this;
        this.clear();
        this.render(anchor);
        this.held = held;
    }

    // The source has grown, or the box has another size.
    refresh() {
        this.render(this.anchor());
    }

    // These rows have other content now.
    replace(numbers) {
        const anchor = this.anchor();
        for (const number of numbers) {
            const old = this.elements.get(number);
            if (old === undefined) continue;
            const made = this.makeRow(number);
            this.elements.set(number, made);
            old.replaceWith(made);
        }
        this.hold(anchor);
    }

    // The numbers whose rows are in the document.
    get shown() {
        return [...this.elements.keys()];
    }

    toEnd() {
        const size = this.source.size;
        this.held = null;
        this.fill(Math.max(0, size - this.visible - AROUND), size);
        this.scrollTo(this.box.scrollHeight);
    }

    // Brings the row with this number into view, or the one nearest to it. A row that is still being looked for is shown
    // as soon as the source has it.
    toNumber(number, share = 0.4) {
        const held = { number, place: 0, offset: -share * this.box.clientHeight };
        this.render(held);
        this.held = held;
    }

    // The row at the top of the view, and how much of it is hidden.
    anchor() {
        if (this.held) return { ...this.held };
        const top = this.box.scrollTop - this.rows.offsetTop;
        if (this.last > this.first && top >= 0 && top < this.rows.offsetHeight) {
            const children = this.rows.children;
            let low = 0;
            let high = children.length - 1;
            while (low < high) {
                const middle = (low + high + 1) >> 1;
                if (children[middle].offsetTop - this.rows.offsetTop <= top) low = middle;
                else high = middle - 1;
            }
            const row = children[low];
            return { number: Number(row.dataset.n), place: this.first + low, offset: top - (row.offsetTop - this.rows.offsetTop) };
        }
        const size = this.source.size;
        const range = this.box.scrollHeight - this.box.clientHeight;
        if (this.perRow === this.rowHeight) return { place: Math.floor(this.box.scrollTop / this.rowHeight), offset: 0 };
        const share = range > 0 ? this.box.scrollTop / range : 0;
        return { place: Math.round(share * Math.max(0, size - this.visible)), offset: 0 };
    }

    render(anchor) {
        const size = this.source.size;
        if (anchor.number !== undefined) anchor.place = this.source.placeOf(anchor.number);
        anchor.place = Math.max(0, Math.min(size - 1, anchor.place));
        this.fill(Math.max(0, anchor.place - AROUND), Math.min(size, anchor.place + this.visible + AROUND));
        this.hold(anchor);
    }

    hold(anchor) {
        // By its number: places move when rows are found further up.
        const row = this.elements.get(anchor.number) ?? this.rows.children[anchor.place - this.first];
        if (row !== undefined) this.scrollTo(row.offsetTop + anchor.offset);
    }

    // Elements that stay are not moved: a selection, the focus and open details survive.
    fill(first, last) {
        const wanted = [];
        for (let place = first; place < last; place += 1) wanted.push(this.source.numberAt(place));
        const kept = new Set(wanted);
        for (const [number, element] of this.elements) {
            if (kept.has(number)) continue;
            element.remove();
            this.elements.delete(number);
        }
        let next = this.rows.firstChild;
        for (const number of wanted) {
            let element = this.elements.get(number);
            if (element === undefined) {
                element = this.makeRow(number);
                this.elements.set(number, element);
            }
            if (element === next) next = next.nextSibling;
            else this.rows.insertBefore(element, next);
        }
        this.first = first;
        this.last = last;
        this.above.style.height = `${first * this.perRow}px`;
        this.below.style.height = `${(this.source.size - last) * this.perRow}px`;
    }

    scrollTo(top) {
        if (Math.abs(this.box.scrollTop - top) >= 1) this.box.scrollTop = top;
        this.setTop = this.box.scrollTop;
        this.setHeights = this.heights;
    }

    get heights() {
        return `${this.box.clientHeight} ${this.box.scrollHeight}`;
    }

    scrolled() {
        if (Math.abs(this.box.scrollTop - this.setTop) < 2) return;
        // A box that has grown, or content that has shrunk, moves the view by itself; the event may come before the observer's.
        if (this.held && this.heights !== this.setHeights) {
            this.refresh();
            return;
        }
        this.held = null;
        const isUp = this.box.scrollTop < this.setTop;
        this.setTop = this.box.scrollTop;
        const top = this.box.scrollTop - this.rows.offsetTop;
        const above = top - NEAR * this.rowHeight;
        const below = this.rows.offsetHeight - top - this.box.clientHeight - NEAR * this.rowHeight;
        if ((above < 0 && this.first > 0) || (below < 0 && this.last < this.source.size)) this.refresh();
        this.onScroll({ isUp, atEnd: this.isAtEnd });
    }
}
