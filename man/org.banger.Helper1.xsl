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
    <xsl:text>.\" Made from introspection/org.banger.Helper1.xml; do not edit.
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
    <xsl:text>.SH PROPERTIES
None of them changes while the helper runs.
</xsl:text>
    <xsl:apply-templates select="property"/>
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
.SH EXAMPLE
.nf
busctl call org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1 \e
       CreateTap sssss br\-fc 172.16.0.1 24 tap\-fc\-1 op\-3f2a9c
.fi
.SH SEE ALSO
.BR banger\-helperd (8),
.BR banger\-helper\-bridge (8),
.BR helper.conf (5),
.BR busctl (1),
.BR polkit (8)
</xsl:text>
  </xsl:template>

  <xsl:template match="method">
    <xsl:text>.SS </xsl:text>
    <xsl:value-of select="@name"/>
    <xsl:text>&#10;.nf&#10;</xsl:text>
    <xsl:value-of select="concat('\fB', @name, '\fR(')"/>
    <xsl:apply-templates select="arg[@direction = 'in']" mode="signature"/>
    <xsl:text>)</xsl:text>
    <xsl:if test="arg[@direction = 'out']">
      <xsl:text> \(-> (</xsl:text>
      <xsl:apply-templates select="arg[@direction = 'out']" mode="signature"/>
      <xsl:text>)</xsl:text>
    </xsl:if>
    <xsl:text>&#10;.fi&#10;.PP&#10;</xsl:text>
    <xsl:call-template name="documentation"/>
    <xsl:apply-templates select="arg[@name != 'op_id']"/>
    <xsl:text>.PP&#10;polkit action: </xsl:text>
    <xsl:call-template name="text">
      <xsl:with-param name="text" select="annotation[@name = 'org.banger.Helper1.Action']/@value"/>
    </xsl:call-template>
    <xsl:if test="annotation[@name = 'org.banger.Helper1.Errors']/@value != ''">
      <xsl:text>.br&#10;Errors of its own: </xsl:text>
      <xsl:call-template name="text">
        <xsl:with-param name="text" select="annotation[@name = 'org.banger.Helper1.Errors']/@value"/>
      </xsl:call-template>
    </xsl:if>
  </xsl:template>

  <xsl:template match="arg" mode="signature">
    <xsl:value-of select="concat(@type, ' \fI', @name, '\fR')"/>
    <xsl:if test="following-sibling::arg[@direction = current()/@direction]">, </xsl:if>
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
