/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as org.banger.Helper1 describes it: its objects, kept up to date by signals, and the methods
 * that the page calls. Nothing here draws.
 */

/* global cockpit */

const _ = cockpit.gettext;

const NAME = "org.banger.Helper1";
const MAIN = "/org/banger/Helper1";
const MACHINE = `${NAME}.Machine`;
const OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager";
const PROPERTIES = "org.freedesktop.DBus.Properties";

// Memory, processor time and fill have no change signals; they are read while the page is visible.
const REFRESH_INTERVAL_MS = 5000;
// How long to wait before the helper is asked again after it failed to answer.
const RETRY_INTERVAL_MS = 3000;
// The longest that a call may take besides what the helper is asked to wait for.
const CALL_TIMEOUT_MS = 120000;

/** The values of an a{sv} as cockpit.js passes it: { key: { t: type, v: value } }. */
function plain_values(dictionary) {
    const values = {};

    for (const [key, variant] of Object.entries(dictionary))
        values[key] = variant.v;
    return values;
}

/**
 * What went wrong, for a person: the helper's reason, the operation id that the journal has it under,
 * and what to do next.
 */
export function explain_failure(failure) {
    const name = failure.name || "";
    const message = failure.message || String(failure.problem || failure);
    const match = /^(.*) \(([A-Za-z0-9][A-Za-z0-9._:-]{0,63})\)$/s.exec(message);
    const next = {
        "org.freedesktop.DBus.Error.AccessDenied":
            _("Turn on administrative access, or ask an administrator."),
        "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired":
            _("Turn on administrative access, or ask an administrator."),
        "org.freedesktop.DBus.Error.ServiceUnknown":
            _("Install the package banger-helper."),
        "org.freedesktop.DBus.Error.LimitsExceeded": _("Try again in a moment."),
        "org.banger.Helper1.Error.Busy": _("Stop what uses it, then try again."),
    }[name];

    return {
        reason: match ? match[1] : message,
        op_id: match ? match[2] : "",
        next: next || "",
    };
}

/**
 * Emits "changed" when what it knows has changed, and "exited" (detail: id, result, status) when a machine
 * has ended.
 */
export class Host extends EventTarget {
    constructor() {
        super();
        this.objects = new Map(); // path -> { interface: { property: value } }
        this.features = [];
        this.warnings = [];
        this.failure = null; // why the helper cannot be asked, or null
        this.loaded = false;
        this.client = null;
        this.timer = 0;
        this.reading = false;
        this.stale = false; // something changed while it was being read
    }

    start() {
        document.addEventListener("visibilitychange", () => document.hidden || this.read_soon(0));
        this.connect();
    }

    connect() {
        this.client = cockpit.dbus(NAME, { bus: "system" });
        this.client.addEventListener("owner", (event, owner) => {
            // A helper that was idle comes back when it is asked, and knows no subscription.
            if (!owner)
                this.read_soon(RETRY_INTERVAL_MS);
            else
                this.subscribe();
        });
        this.client.addEventListener("close", (event, options) => {
            this.fail(options);
            window.setTimeout(() => this.connect(), RETRY_INTERVAL_MS);
        });
        this.client.subscribe({ interface: OBJECT_MANAGER, path: MAIN },
                              (path, iface, signal, args) => this.on_objects(signal, args));
        this.client.subscribe({ interface: PROPERTIES, path_namespace: MAIN },
                              (path, iface, signal, args) => this.on_properties(path, args));
        this.client.subscribe({ interface: NAME, path: MAIN },
                              (path, iface, signal, args) => this.on_event(signal, args));
        this.subscribe();
    }

    async subscribe() {
        try {
            await this.client.call(MAIN, NAME, "Subscribe", []);
        } catch (failure) {
            // Without it the page still shows what it reads every few seconds.
            console.warn("Subscribe:", failure.message);
        }
        this.read_soon(0);
    }

    read_soon(delay_ms) {
        window.clearTimeout(this.timer);
        this.timer = window.setTimeout(() => this.read(), delay_ms);
    }

    async read() {
        if (this.reading) {
            this.stale = true;
            return;
        }
        this.reading = true;
        this.stale = false;
        try {
            const [[objects], [main]] = await Promise.all([
                this.client.call(MAIN, OBJECT_MANAGER, "GetManagedObjects", []),
                this.client.call(MAIN, PROPERTIES, "GetAll", [NAME]),
            ]);

            this.objects = new Map(Object.entries(objects).map(
                ([path, interfaces]) => [path, this.interfaces_of(interfaces)]));
            this.features = main.Features.v;
            this.warnings = main.Warnings.v;
            this.loaded = true;
            this.failure = null;
            this.changed();
        } catch (failure) {
            this.fail(failure);
        }
        this.reading = false;
        if (this.stale)
            this.read_soon(0);
        else if (!document.hidden)
            this.read_soon(this.failure ? RETRY_INTERVAL_MS : REFRESH_INTERVAL_MS);
    }

    interfaces_of(interfaces) {
        const known = {};

        for (const [name, properties] of Object.entries(interfaces))
            known[name] = plain_values(properties);
        return known;
    }

    on_objects(signal, args) {
        if (signal === "InterfacesAdded")
            this.objects.set(args[0], { ...this.objects.get(args[0]), ...this.interfaces_of(args[1]) });
        else if (signal === "InterfacesRemoved")
            this.objects.delete(args[0]);
        // An answer that is under way may be older than this.
        this.stale = true;
        this.changed();
    }

    on_properties(path, args) {
        const object = this.objects.get(path);

        if (object && object[args[0]])
            Object.assign(object[args[0]], plain_values(args[1]));
        this.stale = true;
        this.changed();
    }

    on_event(signal, args) {
        if (signal === "MachineExited")
            this.dispatchEvent(new CustomEvent("exited", {
                detail: { id: args[0], result: args[1], status: args[2] },
            }));
        else if (signal === "SnapshotFilling")
            this.read_soon(0);
    }

    fail(failure) {
        this.failure = failure;
        this.changed();
    }

    changed() {
        this.dispatchEvent(new CustomEvent("changed"));
    }

    /** All objects with this interface: [path, properties]. */
    all(kind) {
        const found = [];

        for (const [path, interfaces] of this.objects) {
            if (interfaces[`${NAME}.${kind}`])
                found.push([path, interfaces[`${NAME}.${kind}`]]);
        }
        return found;
    }

    /** The machines by name, each with its snapshot, or null. */
    machines() {
        const snapshots = new Map(this.all("Snapshot").map(([, snapshot]) => [snapshot.Name, snapshot]));

        return this.all("Machine")
                .map(([path, machine]) => ({
                    ...machine,
                    path,
                    snapshot: snapshots.get(machine.Snapshot) || null,
                }))
                .sort((a, b) => a.Id.localeCompare(b.Id, undefined, { numeric: true }));
    }

    /**
     * Calls a method that changes something. With administrative access it is root's call, else the
     * user's, of whom polkit may ask for a password.
     */
    async act(path, iface, method, args, timeout_s = 0) {
        const client = cockpit.dbus(NAME, { bus: "system", superuser: "try" });

        try {
            return await client.call(path, iface, method, args,
                                     { flags: "i", timeout: CALL_TIMEOUT_MS + timeout_s * 1000 });
        } finally {
            client.close();
            this.read_soon(0);
        }
    }

    /** Resolves to how it ended: guest, term, kill or gone. */
    async stop(machine, timeout_s) {
        const [how] = await this.act(MAIN, NAME, "StopMachine", [machine.Id, timeout_s, ""], timeout_s);

        return how;
    }

    async kill(machine) {
        await this.act(machine.path, MACHINE, "Kill", ["KILL"]);
    }

    async destroy(machine) {
        await this.act(MAIN, NAME, "DestroyMachine", [{ vm_id: { t: "s", v: machine.Id } }, ""]);
    }
}
