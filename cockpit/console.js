/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console of a machine: the lines of its unit's journal, as they come.
 */

import { element, language_tag } from "./view.js";

/* global cockpit */

const _ = cockpit.gettext;

const LINES_AT_START = 200;
const LINES_KEPT = 2000;
// A guest's control and bidirectional characters, which are shown as dots.
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A MESSAGE of journalctl's JSON: a string, or the bytes of one that is no UTF-8. */
function message_text(message) {
    const text = Array.isArray(message) ? new TextDecoder().decode(new Uint8Array(message)) : String(message ?? "");

    return text.replace(UNPRINTABLE, "\u00b7");
}

export class Console {
    constructor(unit, label) {
        this.output = element("pre", {
            class: "banger-console",
            role: "log",
            "aria-label": label,
            "aria-live": "off",
            tabindex: "0",
        });
        this.rest = "";
        this.process = null;
        this.unit = unit;
    }

    start() {
        if (!this.unit) {
            this.output.textContent = _("Without systemd there is no journal of a machine.");
            return;
        }
        this.process = cockpit.spawn(
            ["journalctl", "--unit", this.unit, "--lines", String(LINES_AT_START), "--follow",
                "--output", "json", "--output-fields", "MESSAGE", "--no-pager", "--quiet"],
            { superuser: "try", err: "message" });
        this.process.stream(data => this.take(data));
        this.process.catch(failure => {
            if (failure.problem !== "cancelled")
                this.add([cockpit.format(_("The journal cannot be read: $0"), failure.message || failure.problem)]);
        });
    }

    stop() {
        if (this.process)
            this.process.close("cancelled");
    }

    take(data) {
        const lines = (this.rest + data).split("\n");
        const texts = [];

        this.rest = lines.pop();
        for (const line of lines) {
            try {
                const entry = JSON.parse(line);
                const time = new Date(Number(entry.__REALTIME_TIMESTAMP) / 1000).toLocaleTimeString(language_tag());

                texts.push(`${time}  ${message_text(entry.MESSAGE)}`);
            } catch {
                texts.push(message_text(line));
            }
        }
        this.add(texts);
    }

    add(texts) {
        const at_end = this.output.scrollTop + this.output.clientHeight >= this.output.scrollHeight - 2;

        this.output.append(...texts.map(text => element("div", {}, text)));
        while (this.output.childElementCount > LINES_KEPT)
            this.output.firstElementChild.remove();
        if (at_end)
            this.output.scrollTop = this.output.scrollHeight;
    }
}
