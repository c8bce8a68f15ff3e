<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-License-Identifier: GPL-2.0-or-later -->
<!-- Makes the manual page org.banger.Helper1(5) from the introspection XML and its DocStrings. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:strip-space elements="*"/>
  <xsl:variable name="doc" select="'org.gtk.GDBus.DocString'"/>

  <!-- The text $text as roff: a hyphen that is meant as such, quotes that can be copied, no control line. -->
  <xsl:template name="text">
    <xsl:param name="text"/>
    <xsl:variable name="hyphens">
      <xsl:call-template name="replace">
        <xsl:with-param name="text" select="normalize-space($text)"/>
        <xsl:with-param name="from" select="'-'"/>
        <xsl:with-param name="to" select="'\-'"/>
      </xsl:call-template>
    </xsl:variable>
    <xsl:text>\&amp;</xsl:text>
    <xsl:call-template name="replace">
      <xsl:with-param name="text" select="$hyphens"/>
      <xsl:with-param name="from" select='"&apos;"'/>
      <xsl:with-param name="to" select="'\(aq'"/>
    </xsl:call-template>
    <xsl:text>&#10;</xsl:text>
  </xsl:template>

  <xsl:template name="replace">
    <xsl:param name="text"/>
    <xsl:param name="from"/>
    <xsl:param name="to"/>
    <xsl:choose>
      <xsl:when test="contains($text, $from)">
        <xsl:value-of select="concat(substring-before($text, $from), $to)"/>
        <xsl:call-template name="replace">
          <xsl:with-param name="text" select="substring-after($text, $from)"/>
          <xsl:with-param name="from" select="$from"/>
          <xsl:with-param name="to" select="$to"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <xsl:template name="documentation">
    <xsl:call-template name="text">
      <xsl:with-param name="text" select="annotation[@name = $doc]/@value"/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="/node">
    <xsl:text>'\" t
.\" Made from introspection/org.banger.Helper1.xml; do not edit.
.TH ORG.BANGER.HELPER1 5 "" "banger\-helper" "D\-Bus interfaces"
.SH NAME
org.banger.Helper1 \- the D\-Bus interface of banger\-helperd
.SH SYNOPSIS
.nf
bus:       system
name:      org.banger.Helper1
object:    /org/banger/Helper1
interface: org.banger.Helper1
.fi
.SH DESCRIPTION
</xsl:text>
    <xsl:apply-templates select="interface"/>
  </xsl:template>

  <xsl:template match="interface">
    <xsl:call-template name="documentation"/>
    <xsl:text>.SH METHODS
The types are those of the D\-Bus specification, as busctl(1) takes them.
</xsl:text>
    <xsl:apply-templates select="method"/>
    <xsl:text>.SH SIGNALS
</xsl:text>
    <xsl:apply-templates select="signal"/>
    <xsl:text>.SH PROPERTIES
</xsl:text>
    <xsl:apply-templates select="property"/>
    <xsl:text>.SH OBJECTS
Below /org/banger/Helper1, which has org.freedesktop.DBus.ObjectManager, there is an object for each machine, snapshot,
TAP, bridge and call that lasts: machines/ID, snapshots/NAME, taps/NAME, bridges/NAME and jobs/NUMBER. None of the first four is kept: what
there is is asked of systemd, device\-mapper and the kernel when a caller asks. Every local user may read them. While more than 32 messages of one
connection, or 256 of all, wait for objects, the next one is answered with LimitsExceeded.
</xsl:text>
    <xsl:for-each select="document('../introspection/org.banger.Helper1.Machine.xml')/node/interface
        | document('../introspection/org.banger.Helper1.Snapshot.xml')/node/interface
        | document('../introspection/org.banger.Helper1.Tap.xml')/node/interface
        | document('../introspection/org.banger.Helper1.Bridge.xml')/node/interface
        | document('../introspection/org.banger.Helper1.Job.xml')/node/interface">
      <xsl:value-of select="concat('.SS ', @name, '&#10;')"/>
      <xsl:call-template name="documentation"/>
      <xsl:apply-templates select="method" mode="object"/>
      <xsl:apply-templates select="property"/>
    </xsl:for-each>
    <xsl:text>.SH ERRORS
The message of every error ends with the operation id in parentheses.
</xsl:text>
    <xsl:apply-templates select="annotation[@name != $doc]" mode="error"/>
    <xsl:text>.SH OPERATION IDS
The last argument of every method, op_id, ties one chain of calls together: it is in the caller\(aqs log, in the
helper\(aqs and the bridge\(aqs records, in those of the VMM it starts, and at the end of every error message. It is a
letter or digit followed by up to 63 of [A\-Za\-z0\-9._:\-]. If it is empty, the helper mints one: op\- and twelve
hexadecimal digits.
.PP
.nf
journalctl OP_ID=op\-3f2a9c
.fi
.SH KEYS OF A MACHINE
The dictionary of LaunchFirecracker, CreateMachine and DestroyMachine:
.PP
.TS
tab(|);
l l lx.
binary_path|s|T{
the program, an absolute path
T}
vm_id|s|T{
the machine's name, [A\-Za\-z0\-9\-]{1,64}
T}
socket_path|s|T{
the API socket, in the runtime directory
T}
log_path|s|T{
firecracker's log, in the state directory
T}
metrics_path|s|T{
firecracker's metrics, in the state directory
T}
kernel_image_path|s|T{
the kernel, in the state directory
T}
initrd_path|s|its initial root; optional
kernel_args|s|T{
its arguments; to polkit only whether there are any
T}
drives|a(ssbb)|id, path, read_only, is_root
tap_device|s|T{
the TAP of the first interface, eth0
T}
vsock_path|s|T{
the vsock; optional, with vsock_cid
T}
vsock_cid|u|the guest's address on it
vcpu_count|u|processors
memory_mib|u|memory
network|(sss)|T{
bridge_name, bridge_ip, cidr; optional
T}
guest_mac|s|Ethernet address of eth0
mtu|u|of eth0
rx_rate_limiter|a{sv}|T{
bandwidth and ops, each (ttt): size, burst, refill in ms
T}
tx_rate_limiter|a{sv}|the same
network_interfaces|a(ssa{sv})|T{
more interfaces: id, TAP, options
T}
drive_options|a{sa{sv}}|T{
by drive: cache_type, io_engine, partuuid, rate_limiter
T}
mmds|a{sv}|T{
version, ipv4_address, interfaces, data
T}
balloon|a{sv}|T{
amount_mib, deflate_on_oom, …
T}
huge_pages|s|None or 2M
cpu_template|s|such as T2S
cpu_config|s|JSON text
entropy|b|a source of random numbers
smt|b|sibling threads
track_dirty_pages|b|for snapshots of the difference
load_snapshot|a{sv}|T{
in place of a boot: snapshot_path s, mem_file_path s, resume b, network_overrides a(ss)
T}
start|b|T{
whether the guest is started; yes
T}
memory_max|t|of the unit, bytes
tasks_max|t|of the unit
cpu_weight|t|of the unit, 1 to 10000
cpu_quota_usec|t|of the unit, each second
io_weight|t|of the unit, 1 to 10000
.TE
.PP
CreateMachine and DestroyMachine also take:
.PP
.TS
tab(|);
l l lx.
guest_ip|s|registered for tap_device
nat|b|it may leave its bridge
port_forwards|a(sqq)|T{
protocol, host_port, guest_port
T}
egress|as|as SetEgress
resolver|s|as SyncResolverRouting
rootfs_path|s|T{
with cow_path and dm_name: the root drive is a snapshot
T}
cow_path|s|its COW file
cow_size|t|T{
bytes of a COW file that is made
T}
dm_name|s|its name, fc\-rootfs\-…
fsck|b|T{
the root drive is checked first
T}
files|a(sayu)|guest_path, data, mode
dry_run|b|nothing is made
stop_timeout_s|u|T{
DestroyMachine: how long the guest has
T}
remove_cow|b|T{
DestroyMachine: cow_path is deleted
T}
.TE
.SH EXAMPLES
After
.PP
.nf
CALL="busctl call org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1"
.fi
.PP
each method in turn, on what there is on this host:
.PP
.nf
$CALL ListMachines
$CALL EnsureBridge ssss br\-fc 172.16.0.1 24 ""
$CALL CreateTap sssss br\-fc 172.16.0.1 24 tap\-fc\-1 op\-3f2a9c
$CALL EnsureNAT ssbs 172.16.0.2 tap\-fc\-1 true ""
$CALL EnsurePortForward sqsqbs tcp 8080 172.16.0.2 80 true ""
$CALL SetEgress sass 172.16.0.2 1 10.0.0.0/8 ""
$CALL SyncResolverRouting sss br\-fc 172.16.0.1:53 ""
$CALL ClearResolverRouting ss br\-fc ""
$CALL CreateDMSnapshot ssss /var/lib/banger/root.ext4 /var/lib/banger/web.cow fc\-rootfs\-web ""
$CALL FsckSnapshot ss /dev/mapper/fc\-rootfs\-web ""
$CALL CleanupDMSnapshot sssss "" "" fc\-rootfs\-web /dev/mapper/fc\-rootfs\-web ""
$CALL RemoveDMSnapshot ss fc\-rootfs\-web ""
$CALL CheckImage sbs /var/lib/banger/root.ext4 false ""
$CALL WriteExt4Files "sa(sayu)s" /var/lib/banger/root.ext4 1 /etc/hostname 4 119 101 98 10 420 ""
$CALL ReadExt4File sss /var/lib/banger/root.ext4 /etc/hostname ""
$CALL ResolveFirecrackerBinary ss "" ""
$CALL FindFirecrackerPID ss /run/banger/web.sock ""
$CALL ProcessRunning uss 1234 /run/banger/web.sock ""
$CALL EnsureSocketAccess sss /run/banger/web.sock API ""
$CALL SignalProcess uss 1234 TERM ""
$CALL KillProcess us 1234 ""
$CALL SnapshotMachine "sa{sv}s" web 2 snapshot_path s /var/lib/banger/web.snap mem_file_path s /var/lib/banger/web.mem ""
$CALL StopMachine sus web 30 ""
$CALL DestroyMachine "a{sv}s" 1 vm_id s web ""
$CALL Reconcile asasbs 1 web 0 true ""
$CALL DeleteTap ss tap\-fc\-1 ""
$CALL DeleteBridge ss br\-fc ""
.fi
.PP
busctl(1) has no descriptors, and dictionaries are long in it; bangerctl(1) has both:
.PP
.nf
bangerctl call ReadExt4FileTo image_path=/var/lib/banger/root.ext4 guest_path=/etc/hostname to=\e&gt;/run/hostname
bangerctl call WriteExt4FilesFrom image_path=/var/lib/banger/root.ext4 files=\(aq[["/etc/motd","/etc/hostname",420]]\(aq
bangerctl call LaunchFirecracker binary_path=/usr/local/bin/firecracker vm_id=web
bangerctl call CreateMachine vm_id=web dry_run=yes
.fi
.PP
Subscribe and Unsubscribe are counted by connection, so a program calls them that stays; bangerctl watch is one.
.SH VERSIONING
Within one major version names, methods, signatures, errors, actions and details change only by additions: methods, optional keys of a
dictionary, properties, signals, actions. A client ignores what it does not know, and asks Features, not Version, what a host can do. What is
to go is marked org.freedesktop.DBus.Deprecated for at least one minor version. Texts of messages may change at any time.
.SH SEE ALSO
.BR banger\-helper (7),
.BR bangerctl (1),
.BR banger\-helperd (8),
.BR banger\-helper\-bridge (8),
.BR helper.conf (5),
.BR busctl (1),
.BR polkit (8)
</xsl:text>
  </xsl:template>

  <xsl:template name="signature">
    <xsl:value-of select="concat('\fB', @name, '\fR(')"/>
    <xsl:apply-templates select="arg[@direction = 'in']" mode="signature"/>
    <xsl:text>)</xsl:text>
    <xsl:if test="arg[@direction = 'out']">
      <xsl:text> \(-> (</xsl:text>
      <xsl:apply-templates select="arg[@direction = 'out']" mode="signature"/>
      <xsl:text>)</xsl:text>
    </xsl:if>
  </xsl:template>

  <xsl:template match="method">
    <xsl:text>.SS </xsl:text>
    <xsl:value-of select="@name"/>
    <xsl:text>&#10;.nf&#10;</xsl:text>
    <xsl:call-template name="signature"/>
    <xsl:text>&#10;.fi&#10;.PP&#10;</xsl:text>
    <xsl:call-template name="documentation"/>
    <xsl:apply-templates select="arg[@name != 'op_id']"/>
    <xsl:text>.PP&#10;polkit action: </xsl:text>
    <xsl:choose>
      <xsl:when test="annotation[@name = 'org.banger.Helper1.Action']">
        <xsl:call-template name="text">
          <xsl:with-param name="text"
              select="annotation[@name = 'org.banger.Helper1.Action']/@value"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise>none&#10;</xsl:otherwise>
    </xsl:choose>
    <xsl:if test="annotation[@name = 'org.banger.Helper1.Errors']/@value != ''">
      <xsl:text>.br&#10;Errors of its own: </xsl:text>
      <xsl:call-template name="text">
        <xsl:with-param name="text" select="annotation[@name = 'org.banger.Helper1.Errors']/@value"/>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>

  <!-- A method of an object, beside its properties. -->
  <xsl:template match="method" mode="object">
    <xsl:text>.TP&#10;</xsl:text>
    <xsl:call-template name="signature"/>
    <xsl:text>&#10;</xsl:text>
    <xsl:call-template name="documentation"/>
  </xsl:template>

  <xsl:template match="signal">
    <xsl:value-of select="concat('.SS ', @name, '&#10;.nf&#10;\fB', @name, '\fR(')"/>
    <xsl:apply-templates select="arg" mode="signature"/>
    <xsl:text>)&#10;.fi&#10;.PP&#10;</xsl:text>
    <xsl:call-template name="documentation"/>
    <xsl:apply-templates select="arg"/>
  </xsl:template>

  <xsl:template match="arg" mode="signature">
    <xsl:value-of select="concat(@type, ' \fI', @name, '\fR')"/>
    <xsl:if test="following-sibling::arg[string(@direction) = string(current()/@direction)]">, </xsl:if>
  </xsl:template>

  <xsl:template match="arg">
    <xsl:value-of select="concat('.TP&#10;\fI', @name, '\fR')"/>
    <xsl:if test="@direction = 'out'"> (returned)</xsl:if>
    <xsl:text>&#10;</xsl:text>
    <xsl:call-template name="documentation"/>
  </xsl:template>

  <xsl:template match="property">
    <xsl:value-of select="concat('.TP&#10;\fB', @name, '\fR ', @type, '&#10;')"/>
    <xsl:call-template name="documentation"/>
  </xsl:template>

  <xsl:template match="annotation" mode="error">
    <xsl:value-of select="concat('.TP&#10;\fB', @name, '\fR&#10;')"/>
    <xsl:call-template name="text">
      <xsl:with-param name="text" select="@value"/>
    </xsl:call-template>
  </xsl:template>
</xsl:stylesheet>
