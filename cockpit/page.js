/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page: the list of machines, and one machine. Which of them is in the address, so that the browser's
 * own keys work.
 */

import { Console } from "./console.js";
import { Host } from "./host.js";
import { alert_box, announce, ask, button, bytes, disk_fill, element, failure_box, language_tag, pf, since, state_label, state_text } from "./view.js";

/* global cockpit */

const _ = cockpit.gettext;

const STOP_TIMEOUT_S = 30;
// uint32's last value: the helper does not know who started the machine.
const UID_UNKNOWN = 4294967295;
const SECONDS = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const FEATURES = {
    kvm: _("KVM, without which no machine starts"),
    "device-mapper": _("device-mapper, without which there are no snapshots"),
    "nat-ipv4": _("NAT for IPv4"),
    "nat-ipv6": _("NAT for IPv6"),
    resolved: _("systemd-resolved, which answers *.vm names"),
    jail: _("the jail of a machine, without which one that is broken out of is the owner"),
};

const COLUMNS = [_("Name"), _("State"), _("Memory"), _("Disk"), _("Addresses"), _("Up for"), _("Actions")];

const host = new Host();
const app = document.getElementById("app");
const events = []; // what happened while the page was open, newest first
let view = null;

/** What became of a machine that has ended. */
function reason_text({ id, result, status }) {
    if (result === "success")
        return cockpit.format(_("$0 ended"), id);
    if (result === "signal" || result === "core-dump")
        return cockpit.format(_("$0 was ended by signal $1"), id, status);
    if (result === "oom-kill")
        return cockpit.format(_("$0 was ended because it ran out of memory"), id);
    if (result === "exit-code")
        return cockpit.format(_("$0 failed with exit status $1"), id, status);
    return cockpit.format(_("$0 failed: $1"), id, result);
}

function note_event(level, text) {
    const event = { level, text };

    events.unshift(event);
    events.splice(5);
    announce(text);
    draw();
}

// ---- what can be done with a machine

function stop_machine(machine) {
    ask(cockpit.format(_("Stop $0"), machine.Id),
        element("p", {}, cockpit.format(_("The guest is asked to shut down. What still runs after $0 seconds is ended."), STOP_TIMEOUT_S)),
        { text: _("Stop"), kind: "primary" },
        async () => {
            const how = await host.stop(machine, STOP_TIMEOUT_S);
            const texts = {
                guest: _("$0 has shut down"),
                term: _("$0 did not shut down in time and was terminated"),
                kill: _("$0 did not shut down in time and was killed"),
                gone: _("$0 had ended before"),
            };

            note_event(how === "guest" || how === "gone" ? "success" : "warning", cockpit.format(texts[how], machine.Id));
        });
}

function kill_machine(machine) {
    ask(cockpit.format(_("Kill $0"), machine.Id),
        element("p", {}, _("The machine ends at once. What the guest has not written to its disk yet is lost.")),
        { text: _("Kill"), kind: "danger" },
        () => host.kill(machine));
}

function destroy_machine(machine) {
    const parts = [
        machine.Tap ? cockpit.format(_("its network device $0, with the addresses that are registered for it"), machine.Tap) : null,
        machine.Snapshot ? cockpit.format(_("its snapshot $0"), machine.Snapshot) : null,
        _("its sockets"),
    ].filter(part => part);

    ask(cockpit.format(_("Destroy $0"), machine.Id),
        [
            element("p", {}, _("The machine ends at once, and with it goes:")),
            element("ul", { class: "banger-list" }, parts.map(part => element("li", {}, part))),
            element("p", {}, _("Images and COW files are kept.")),
        ],
        { text: _("Destroy"), kind: "danger" },
        async () => {
            await host.destroy(machine);
            note_event("success", cockpit.format(_("$0 is destroyed"), machine.Id));
            cockpit.location.go([]);
        });
}

function actions_of(machine, kind) {
    const entry = (text, name, style, act) => button(text, style, () => act(machine),
                                                     { "aria-label": cockpit.format(name, machine.Id) });

    return element("div", { class: "banger-actions", role: "group", "aria-label": cockpit.format(_("What to do with $0"), machine.Id) },
                   entry(_("Stop"), _("Stop $0"), kind, stop_machine),
                   entry(_("Kill"), _("Kill $0"), kind, kill_machine),
                   entry(_("Destroy"), _("Destroy $0"), kind === "link" ? "link" : "danger", destroy_machine));
}

// ---- what is above both views

function messages() {
    const made = [];

    if (host.failure)
        made.push(failure_box(_("The helper does not answer"), host.failure));
    for (const event of events)
        made.push(alert_box(event.level, event.text, [], () => {
            events.splice(events.indexOf(event), 1);
            draw();
        }));
    if (!host.loaded || host.failure)
        return made;

    const missing = Object.keys(FEATURES).filter(feature => !host.features.includes(feature));

    if (host.warnings.length + missing.length > 0)
        made.push(alert_box("warning", _("This host is not ready for every guest"), [
            element("ul", { class: "banger-list" },
                    host.warnings.map(text => element("li", {}, text)),
                    missing.map(feature => element("li", {}, cockpit.format(_("Missing: $0"), FEATURES[feature])))),
            element("p", {}, _("What to do about each: "), element("code", {}, "bangerctl doctor")),
        ]));
    return made;
}

// ---- the list

class ListView {
    constructor() {
        this.rows = new Map(); // path -> { row, shown }
        this.alerts = element("div", { class: "banger-alerts" });
        this.count = element("span", { class: "banger-count" });
        this.filter = element("input", {
            type: "search",
            class: "banger-filter",
            placeholder: _("Filter"),
            "aria-label": _("Filter by name, address or state"),
            input: () => this.update(),
        });
        this.body = element("tbody", { class: pf("table__tbody"), role: "rowgroup" });
        this.empty = element("p", { class: "banger-empty", role: "status" });
        this.table = element("table", { class: pf("table", "grid-md", "compact"), "aria-label": _("Machines") },
                             element("thead", { class: pf("table__thead") },
                                     element("tr", { class: pf("table__tr") },
                                             COLUMNS.map(
                                                 title => element("th", { class: pf("table__th"), scope: "col" }, title)))),
                             this.body);
        this.root = element("main", { class: "banger-page" },
                            element("header", { class: "banger-header" },
                                    element("h1", {}, "MicroVMs"), this.count, this.filter),
                            this.alerts, this.table, this.empty);
    }

    update() {
        const machines = host.machines();
        const wanted = this.filter.value.trim().toLowerCase();
        const shown = machines.filter(machine => [machine.Id, state_text(machine.State), ...machine.GuestIps].some(
            text => text.toLowerCase().includes(wanted)));
        const paths = new Set(shown.map(machine => machine.path));

        this.alerts.replaceChildren(...messages());
        this.count.textContent = wanted ? cockpit.format(_("$0 of $1"), shown.length, machines.length) : `${machines.length}`;
        for (const [path, { row }] of this.rows) {
            if (!paths.has(path)) {
                row.remove();
                this.rows.delete(path);
            }
        }
        shown.forEach((machine, index) => this.put_row(machine, index));
        this.table.hidden = shown.length === 0;
        this.empty.hidden = shown.length > 0;
        this.empty.textContent = !host.loaded ? _("Loading…")
            : machines.length > 0 ? _("No machine matches the filter.")
                : _("No machine runs on this host. “bangerctl run FILE” starts one.");
    }

    /* Rows are kept, and changed only where they differ: the focus and the selection stay where they are. */
    put_row(machine, index) {
        let kept = this.rows.get(machine.path);

        if (!kept) {
            const cells = COLUMNS.map(
                (title, column) => element(column === 0 ? "th" : "td", {
                    class: pf(column === 0 ? "table__th" : "table__td"),
                    scope: column === 0 && "row",
                    "data-label": title,
                }));

            kept = { row: element("tr", { class: pf("table__tr"), "data-machine": machine.Id }, cells), cells, texts: [] };
            cells[0].append(button(machine.Id, "link", () => cockpit.location.go(["machines", machine.Id]), { class: `${pf("button", "link", "inline")} banger-name` }));
            cells[6].append(actions_of(machine, "link"));
            this.rows.set(machine.path, kept);
        }
        this.fill(kept, 1, machine.State, () => state_label(machine.State));
        this.fill(kept, 2, machine.MemoryCurrent > 0 ? bytes(machine.MemoryCurrent) : "–");
        this.fill(kept, 3, JSON.stringify(machine.snapshot), () => disk_fill(machine.snapshot));
        this.fill(kept, 4, machine.GuestIps.join(" ") || "–");
        this.fill(kept, 5, since(machine.Since));
        if (this.body.children[index] !== kept.row)
            this.body.insertBefore(kept.row, this.body.children[index] || null);
    }

    fill(kept, column, text, make = null) {
        if (kept.texts[column] === text)
            return;
        kept.texts[column] = text;
        kept.cells[column].replaceChildren(make ? make() : text);
    }

    close() {}
}

// ---- one machine

class MachineView {
    constructor(id) {
        this.id = id;
        this.console = null;
        this.alerts = element("div", { class: "banger-alerts" });
        this.title = element("h1", {}, id);
        this.state = element("span", {});
        this.actions = element("div", {});
        this.facts = element("dl", { class: "banger-facts" });
        this.log = element("section", { "aria-label": _("Console") });
        this.shown = "";
        this.root = element("main", { class: "banger-page" },
                            element("nav", { "aria-label": _("Breadcrumb") },
                                    button("MicroVMs", "link", () => cockpit.location.go([]), { class: `${pf("button", "link", "inline")}` }),
                                    element("span", { "aria-hidden": "true" }, " › "), element("span", { "aria-current": "page" }, id)),
                            element("header", { class: "banger-header" }, this.title, this.state, this.actions),
                            this.alerts, this.facts, this.log);
    }

    update() {
        const machine = host.machines().find(known => known.Id === this.id);

        this.alerts.replaceChildren(...messages());
        if (!machine) {
            this.state.replaceChildren(host.loaded ? state_label("ended") : "");
            this.actions.replaceChildren();
            this.shown = "";
            return;
        }
        if (!this.console) {
            this.console = new Console(machine.Unit, cockpit.format(_("Console of $0"), machine.Id));
            this.log.append(element("h2", {}, _("Console")), this.console.output);
            this.console.start();
        }
        const facts = this.describe(machine);
        const text = JSON.stringify([machine, facts.map(([name]) => name), since(machine.Since)]);

        if (text === this.shown)
            return;
        this.shown = text;
        this.state.replaceChildren(state_label(machine.State));
        if (!this.actions.hasChildNodes())
            this.actions.append(actions_of(machine, "secondary"));
        this.facts.replaceChildren(...facts.map(
            ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
    }

    describe_network(machine) {
        const bridge = host.all("Bridge").map(([, known]) => known).find(known => known.Name === machine.Bridge);

        if (!machine.Tap)
            return "–";
        if (!bridge)
            return machine.Tap;
        return cockpit.format(_("$0 on $1 ($2)"), machine.Tap, bridge.Name, bridge.Addresses.join(", "));
    }

    describe(machine) {
        return [
            [_("Up for"), since(machine.Since)],
            [_("Process"), machine.Leader ? String(machine.Leader) : "–"],
            [_("Unit"), machine.Unit || "–"],
            [_("Memory"), machine.MemoryCurrent > 0 ? bytes(machine.MemoryCurrent) : "–"],
            [_("Processor time"), cockpit.format(_("$0 s"), (machine.CpuUsageUsec / 1e6).toLocaleString(language_tag(), SECONDS))],
            [_("Addresses"), machine.GuestIps.join(", ") || "–"],
            [_("Network"), this.describe_network(machine)],
            [_("Snapshot"), machine.Snapshot || "–"],
            [_("Disk"), disk_fill(machine.snapshot)],
            [_("API socket"), machine.ApiSocket || "–"],
            ["vsock", machine.VsockPath || "–"],
            [_("Started by"), machine.CreatorUID === UID_UNKNOWN ? "–" : cockpit.format(_("uid $0"), machine.CreatorUID)],
            [_("Operation"), machine.OpId || "–"],
        ];
    }

    close() {
        if (this.console)
            this.console.stop();
    }
}

// ---- which view

function show_view() {
    const [kind, id] = cockpit.location.path;

    if (view)
        view.close();
    view = kind === "machines" && id ? new MachineView(id) : new ListView();
    app.replaceChildren(view.root);
    draw();
}

function draw() {
    if (view)
        view.update();
}

host.addEventListener("changed", draw);
host.addEventListener("exited", event => {
    const failed = event.detail.result !== "success";

    note_event(failed ? "danger" : "info", reason_text(event.detail));
});
cockpit.addEventListener("locationchanged", show_view);
cockpit.transport.wait(() => {
    document.documentElement.lang = language_tag();
    show_view();
    host.start();
});
