#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a machine by one call, watches it, and destroys it: machine.py NAME SECONDS

Needs python3-dasbus. The kernel and the root image are in the state directory.
"""
import sys

from dasbus.connection import SystemMessageBus
from dasbus.loop import EventLoop
from dasbus.typing import get_variant
from gi.repository import GLib

STATE, RUN = "/var/lib/banger/", "/run/banger/"
name, seconds = sys.argv[1], int(sys.argv[2])
machine = {
    "vm_id": get_variant("s", name),
    "binary_path": get_variant("s", "/usr/local/bin/firecracker"),
    "socket_path": get_variant("s", RUN + name + ".sock"),
    "log_path": get_variant("s", STATE + name + ".log"),
    "metrics_path": get_variant("s", STATE + name + ".metrics"),
    "kernel_image_path": get_variant("s", STATE + "kernel"),
    "kernel_args": get_variant("s", "console=ttyS0 ip=172.16.0.2::172.16.0.1:255.255.255.0"),
    "drives": get_variant("a(ssbb)", [("rootfs", STATE + "rootfs", False, True)]),
    "network": get_variant("(sss)", ("br-fc", "172.16.0.1", "24")),
    "tap_device": get_variant("s", "tap-fc-" + name),
    "guest_ip": get_variant("s", "172.16.0.2"),
    "nat": get_variant("b", True),
    "vcpu_count": get_variant("u", 1),
    "memory_mib": get_variant("u", 128),
}
helper = SystemMessageBus().get_proxy("org.banger.Helper1", "/org/banger/Helper1")
loop = EventLoop()
helper.MachineExited.connect(
    lambda vm_id, result, status: (print(vm_id, "ended:", result, status), loop.quit()))
helper.Subscribe()
path, pid = helper.CreateMachine(machine, "")
print(path, "is process", pid)
GLib.timeout_add_seconds(seconds, loop.quit)
loop.run()
helper.DestroyMachine(machine, "")
