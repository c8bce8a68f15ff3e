# SPDX-License-Identifier: GPL-2.0-or-later
#
# What Cockpit loads as po.js: of the messages of a language those that the page has, as cockpit.locale()
# takes them. A text is written in the same way in a .po file and in JavaScript.
#
#   usage: awk -v language=LANGUAGE -f page.awk cockpit/*.js po/LANGUAGE.po

function text_of(line) {
    sub(/^[^"]*"/, "", line)
    sub(/"[ \t]*$/, "", line)
    return line
}

function end_entry() {
    if (id == "" && text != "") {
        plural = text
        sub(/.*plural=/, "", plural)
        sub(/;.*/, "", plural)
        printf "cockpit.locale({\n\"\":{\"plural-forms\":n=>%s,\"language\":\"%s\",\"language-direction\":\"ltr\"}", plural, language
    } else if (id in wanted) {
        printf ",\n\"%s\":[null,\"%s\"]", id, text
    }
    id = text = reading = ""
}

FILENAME ~ /\.js$/ {
    rest = $0
    while (match(rest, /(^|[^A-Za-z0-9_])_\("([^"\\]|\\.)*"\)/)) {
        found = substr(rest, RSTART, RLENGTH - 1)
        wanted[text_of(found)] = 1
        rest = substr(rest, RSTART + RLENGTH)
    }
    next
}
/^$/ { end_entry() }
/^msgid "/ { id = text_of($0); reading = "id" }
/^msgstr "/ { text = text_of($0); reading = "text" }
/^msg.*\[|^msgid_plural/ { reading = "" }
/^"/ && reading == "id" { id = id text_of($0) }
/^"/ && reading == "text" { text = text text_of($0) }
END {
    end_entry()
    print "\n});"
}
