/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parts of the page: elements with PatternFly's classes, texts for figures, and the dialog.
 */

import { explain_failure } from "./host.js";

/* global cockpit */

const _ = cockpit.gettext;

// The prefixes of PatternFly 4, 5 and 6: which one Cockpit's style sheet has depends on its version.
const PREFIXES = ["pf-c-", "pf-v5-c-", "pf-v6-c-"];
const PERCENT_FULL = 100;
const PERCENT_WARNING = 80;
const LEVELS = { info: _("info"), success: _("success"), warning: _("warning"), danger: _("danger") };
const STATES = { running: _("running"), starting: _("starting"), stopping: _("stopping"), ended: _("ended") };

/** The classes of a PatternFly component, with its modifiers: pf("button", "primary"). */
export function pf(component, ...modifiers) {
    return [...PREFIXES.map(prefix => prefix + component), ...modifiers.map(name => `pf-m-${name}`)].join(" ");
}

/**
 * An element. Attributes that are functions are listeners; false and null are left out. Children are
 * elements or texts; a text is never read as markup.
 */
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);

    for (const [key, value] of Object.entries(attributes)) {
        if (typeof value === "function")
            made.addEventListener(key, value);
        else if (value !== false && value !== null && value !== undefined)
            made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.flat().filter(child => child !== null && child !== false));
    return made;
}

export function button(text, kind, listener, attributes = {}) {
    return element("button", { type: "button", class: pf("button", kind), click: listener, ...attributes },
                   element("span", { class: pf("button__text") }, text));
}

/** A message in the page: level is info, success, warning or danger. */
export function alert_box(level, title, body = [], close = null) {
    return element("div", { class: `${pf("alert", level, "inline")} banger-alert banger-alert-${level}` },
                   element("div", { class: "banger-alert-text" },
                           element("strong", {},
                                   element("span", { class: "banger-offscreen" }, `${LEVELS[level]}: `), title),
                           body),
                   close ? button(_("Dismiss"), "link", close, { "aria-label": cockpit.format(_("Dismiss: $0"), title) }) : null);
}

/** Why a call failed, what to do next, and where the journal has more. */
export function failure_box(title, failure) {
    const { reason, op_id, next } = explain_failure(failure);

    return alert_box("danger", title, [
        element("p", {}, reason),
        next ? element("p", {}, next) : null,
        op_id ? element("p", {}, _("More in the journal: "), element("code", {}, `bangerctl trace ${op_id}`)) : null,
    ]);
}

export function bytes(number) {
    return cockpit.format_bytes(number, { base2: true, precision: 3 });
}

/** "3 h 12 min" since a time in microseconds. */
export function since(usec) {
    const minutes = Math.max(0, Math.floor((Date.now() - usec / 1000) / 60000));
    const days = Math.floor(minutes / 1440);
    const hours = Math.floor((minutes % 1440) / 60);

    if (minutes < 1)
        return _("less than a minute");
    if (days > 0)
        return cockpit.format(_("$0 d $1 h"), days, hours);
    return hours > 0 ? cockpit.format(_("$0 h $1 min"), hours, minutes % 60) : cockpit.format(_("$0 min"), minutes);
}

/** The language of the page's texts, as the browser names it. */
export function language_tag() {
    return (cockpit.language || "en").replace("_", "-");
}

/** A state of a machine, in the language of the page. */
export function state_text(state) {
    return STATES[state] || state;
}

export function state_label(state) {
    const color = { running: "green", starting: "blue", stopping: "orange" }[state] || "red";

    return element("span", { class: `${pf("label", color)} banger-label banger-label-${color}` }, state_text(state));
}

/** How much of a snapshot's COW file is used; a dash without a snapshot. */
export function disk_fill(snapshot) {
    if (!snapshot)
        return element("span", {}, "–");
    if (snapshot.State === "invalid")
        return element("span", { class: "banger-fill-danger" }, _("lost: the snapshot ran over"));

    const percent = snapshot.CowBytes > 0
        ? Math.min(PERCENT_FULL, Math.round(snapshot.UsedBytes * PERCENT_FULL / snapshot.CowBytes))
        : 0;
    const level = snapshot.State === "full" ? "danger" : percent >= PERCENT_WARNING ? "warning" : "plain";
    const text = cockpit.format(_("$0 % of $1"), percent, bytes(snapshot.CowBytes));

    return element("span", { class: `banger-fill banger-fill-${level}` },
                   element("meter", { min: 0, max: PERCENT_FULL, high: PERCENT_WARNING, value: percent, "aria-label": cockpit.format(_("Disk of $0"), snapshot.Name) }),
                   element("span", {}, snapshot.State === "full" ? cockpit.format(_("full: $0"), text) : text));
}

/**
 * Asks, then acts. body is what is shown above the buttons; confirm is { text, kind } of the one that acts.
 * The dialog stays open while act() runs, and shows why it failed.
 */
export function ask(title, body, confirm, act) {
    const id = `dialog-${Date.now()}`;
    const failed = element("div", { role: "alert" });
    const opener = document.activeElement;
    const cancel = button(_("Cancel"), "link", () => dialog.close());
    const accept = button(confirm.text, confirm.kind, async () => {
        dialog.setAttribute("aria-busy", "true");
        accept.disabled = cancel.disabled = true;
        failed.replaceChildren();
        try {
            await act();
            dialog.removeAttribute("aria-busy");
            dialog.close();
        } catch (failure) {
            dialog.removeAttribute("aria-busy");
            accept.disabled = cancel.disabled = false;
            failed.append(failure_box(cockpit.format(_("Failed: $0"), title), failure));
            accept.focus();
        }
    });
    const dialog = element("dialog", {
        class: "banger-dialog",
        "aria-labelledby": id,
        // Escape must not close it while a call is under way: its answer would be lost.
        cancel: event => accept.disabled && event.preventDefault(),
        close: () => {
            dialog.remove();
            if (opener && opener.isConnected)
                opener.focus();
        },
    },
                           element("h2", { id, class: "banger-dialog-title" }, title),
                           element("div", { class: "banger-dialog-body" }, body),
                           failed,
                           element("div", { class: "banger-dialog-buttons" }, accept, cancel));

    document.body.append(dialog);
    dialog.showModal();
    // The harmless choice comes first for who presses Enter without reading.
    cancel.focus();
}

/** What a screen reader says of something that happened elsewhere on the page. */
export function announce(text) {
    document.getElementById("announcements").textContent = text;
}
