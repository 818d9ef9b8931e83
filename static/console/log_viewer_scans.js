// Questions that take longer than one answer: which lines a filter shows, which lines hold a text. The server looks for
// a bounded time and says what is left; these go on from there until all is seen or somebody asks something else.

import { Matches } from "./log_viewer_store.js";
import { SignedOut, ask } from "./log_viewer_live.js";

export const MOST_MATCHES = 1000000;
const AGAIN_MS = 1500;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Scan {
    // told: {grown(), failed(message)}
    constructor(url, told) {
        this.url = url;
        this.told = told;
        this.matches = new Matches();
        this.control = new AbortController();
        this.isDone = false;
    }

    get isFull() {
        return this.matches.size >= MOST_MATCHES;
    }

    stop() {
        this.control.abort();
    }

    // Look at the lines from `low` to `high`; what is found is added at the end, or downwards at the beginning.
    async look(params, low, high, down) {
        let left = low <= high ? [low, high] : null;
        while (left && !this.isFull) {
            const query = new URLSearchParams(params);
            query.set("from", left[0]);
            query.set("to", left[1]);
            if (down) query.set("down", "1");
            const answer = await this.answer(query);
            if (answer === null) return false;
            if (down) this.matches.prepend(answer.numbers);
            else this.matches.append(answer.numbers);
            left = answer.left;
            this.told.grown();
        }
        return true;
    }

    // The answer, asked for again while the server is busy or away. Null when nobody wants it any more.
    async answer(query) {
        for (;;) {
            try {
                const answer = await ask(`${this.url}?${query}`, this.control.signal);
                return this.control.signal.aborted ? null : answer;
            } catch (error) {
                if (this.control.signal.aborted || error instanceof SignedOut) return null;
                if (error.status === 400) {
                    this.told.failed(error.message);
                    return null;
                }
            }
            await pause(AGAIN_MS);
            if (this.control.signal.aborted) return null;
        }
    }
}

// The lines a filter shows, newest first, because that is what is looked at first.
export class FilterScan extends Scan {
    async run(params, first, head) {
        this.isDone = await this.look(params, first, head, true);
        if (this.isDone) this.told.grown();
    }
}

// The lines that hold a text: from where one looks to the end, then from there back to the beginning.
export class SearchScan extends Scan {
    async run(params, first, from, head) {
        this.params = params;
        this.seen = head;
        if (!(await this.look(params, from, head, false))) return;
        this.isDone = await this.look(params, first, from - 1, true);
        if (this.isDone) this.told.grown();
    }

    // Lines have been added since.
    async goOn(head) {
        if (!this.isDone || this.isBusy || head <= this.seen) return;
        this.isBusy = true;
        const from = this.seen + 1;
        this.seen = head;
        await this.look(this.params, from, head, false);
        this.isBusy = false;
    }
}
