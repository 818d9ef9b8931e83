// What the viewer knows of the log: lines by number, a bounded number of them, and which lines are shown.

// Lines that have been fetched. The oldest are forgotten; they can be fetched again.
export class LineStore {
    constructor(mostLines = 20000, mostCharacters = 24e6) {
        this.mostLines = mostLines;
        this.mostCharacters = mostCharacters;
        this.characters = 0;
        this.rows = new Map();
    }

    get(number) {
        return this.rows.get(number);
    }

    put(row) {
        this.forget(row.n);
        this.rows.set(row.n, row);
        this.characters += sizeOf(row);
        for (const oldest of this.rows.keys()) {
            if (this.rows.size <= this.mostLines && this.characters <= this.mostCharacters) break;
            this.forget(oldest);
        }
    }

    // Lines that are looked at are forgotten last.
    touch(number) {
        const row = this.rows.get(number);
        if (row === undefined) return undefined;
        this.rows.delete(number);
        this.rows.set(number, row);
        return row;
    }

    forget(number) {
        const row = this.rows.get(number);
        if (row === undefined) return;
        this.characters -= sizeOf(row);
        this.rows.delete(number);
    }
}

function sizeOf(row) {
    return 300 + (row.text?.length ?? 0) + (row.trace?.length ?? 0) + (row.chain?.length ?? 0) + 60 * (row.width ??= Object.keys(row.fields ?? {}).length);
}

// All lines of the run: a place in the list and a line number differ by the first line.
export class AllLines {
    constructor(first, head) {
        this.first = first;
        this.head = head;
    }

    get size() {
        return Math.max(0, this.head - this.first + 1);
    }

    numberAt(place) {
        return this.first + place;
    }

    placeOf(number) {
        return Math.max(0, Math.min(this.size - 1, number - this.first));
    }
}

const CHUNK = 20000;

// Ascending line numbers that grow at both ends: the lines a filter shows, the lines a search found.
export class Matches {
    constructor() {
        this.chunks = [];
        this.starts = [];
        this.firsts = [];
        this.size = 0;
    }

    prepend(numbers) {
        if (numbers.length === 0) return;
        this.chunks.unshift(numbers);
        this.recount();
    }

    append(numbers) {
        if (numbers.length === 0) return;
        const last = this.chunks.at(-1);
        if (last !== undefined && last.length + numbers.length <= CHUNK) {
            for (const number of numbers) last.push(number);
            this.size += numbers.length;
            return;
        }
        this.chunks.push(numbers.slice());
        this.recount();
    }

    recount() {
        this.size = 0;
        this.starts = this.chunks.map((chunk) => {
            const start = this.size;
            this.size += chunk.length;
            return start;
        });
        this.firsts = this.chunks.map((chunk) => chunk[0]);
    }

    numberAt(place) {
        const chunk = lastNotAbove(this.starts, place);
        return chunk < 0 ? undefined : this.chunks[chunk][place - this.starts[chunk]];
    }

    // The place of the number, or of the first one behind it; the last place when there is none.
    placeOf(number) {
        if (this.size === 0) return 0;
        const at = Math.max(0, lastNotAbove(this.firsts, number));
        const chunk = this.chunks[at];
        const inside = lastNotAbove(chunk, number);
        const place = this.starts[at] + (inside >= 0 && chunk[inside] === number ? inside : inside + 1);
        return Math.min(this.size - 1, place);
    }

    has(number) {
        return this.size > 0 && this.numberAt(this.placeOf(number)) === number;
    }

    get last() {
        return this.size === 0 ? 0 : this.numberAt(this.size - 1);
    }
}

// The place of the last value that is not above the given one; -1 when all are.
function lastNotAbove(values, value) {
    let low = 0;
    let high = values.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (values[middle] <= value) low = middle + 1;
        else high = middle;
    }
    return low - 1;
}
