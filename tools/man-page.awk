# SPDX-License-Identifier: MIT
# One manual page (roff, man macros) out of what --help says: see man-pages, which runs it.
#
#   command               "gen", or "gen pairs"; "" for slablab.1, whose input is `slablab help`
#   summary               what the command does; "" takes the first sentence
#   version, date         "slablab 0.1.0"; 2026-01-31, or ""
#   commands              all of them, a colon between
#   exit_status           what holds for a command that says nothing of its own
#   libdir, datadir       where files are installed
#
# Help is: lines of usage; paragraphs; a blank line; options and headings of groups, each a line;
# after the last option (--usage) what stands behind argp's \v: paragraphs, lines of examples,
# tables (two spaces, a name, two or more spaces, its description). It is POSIX awk (mawk).

# ---- text to roff ----

function escaped(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/~/, "\\(ti", text)
    gsub(/\^/, "\\(ha", text)
    gsub(/`/, "\\(ga", text)
    gsub(/'/, "\\(aq", text)
    return text
}

function bold(text) { return "\\fB" escaped(text) "\\fR" }
function italic(text) { return "\\fI" escaped(text) "\\fR" }

# A line of text; what would be a request at its start is none.
function guarded(text) { return text ~ /^[.']/ ? "\\&" text : text }

# Of a synopsis or an option: what is typed as it stands is bold, what stands for something italic.
function syntax(text,    out, token) {
    while (match(text, /--?[a-z?][a-z0-9-]*|--|[A-Z][A-Za-z.]*[A-Za-z]|[A-Z]|[a-z]+/)) {
        token = substr(text, RSTART, RLENGTH)
        out = out escaped(substr(text, 1, RSTART - 1))
        out = out (token ~ /^[A-Z]/ ? italic(token) : bold(token))
        text = substr(text, RSTART + RLENGTH)
    }
    return out escaped(text)
}

# Of a sentence: options and what is quoted bold, what a synopsis or option calls TRACE italic.
function prose(text,    out, token) {
    while (match(text, /`[^`]+`|--[a-z][a-z0-9-]*|[A-Z][A-Z]+/)) {
        token = substr(text, RSTART, RLENGTH)
        out = out escaped(substr(text, 1, RSTART - 1))
        if (token ~ /^`/)
            out = out bold(substr(token, 2, RLENGTH - 2))
        else if (token ~ /^-/)
            out = out bold(token)
        else
            out = out (token in placeholders ? italic(token) : escaped(token))
        text = substr(text, RSTART + RLENGTH)
    }
    return out escaped(text)
}

function learn_placeholders(text) {
    while (match(text, /[A-Z][A-Z]+/)) {
        placeholders[substr(text, RSTART, RLENGTH)] = 1
        text = substr(text, RSTART + RLENGTH)
    }
}

function paragraph(text) { return ".PP\n" guarded(prose(text)) "\n" }

function tagged(width, tag, text) {
    return ".TP" (width ? " " width : "") "\n" tag "\n" guarded(prose(text)) "\n"
}

# A line for a shell; a long one goes on in the next, before an option.
function example(line,    out, at) {
    at = index(line, " && ")
    if (length(line) > 76 && at)
        return example(substr(line, 1, at + 2)) example(substr(line, at + 4))
    while (length(line) > 76) {
        for (at = 76; at > 20 && substr(line, at, 2) != " -"; at--)
            ;
        if (at <= 20)
            break
        out = out guarded(escaped(substr(line, 1, at) "\\")) "\n"
        line = "    " substr(line, at + 1)
    }
    return out guarded(escaped(line)) "\n"
}

# ---- the parts of help ----

function is_row(line) { return line ~ /^  [^ ]+  +[^ ]/ }

# Indented lines first..last: a table, or lines of examples.
function block(first, last,    i, name, text, width, out) {
    for (i = first; i <= last; i++) {
        name = lines[i]
        sub(/^ +/, "", name)
        if (!is_row(lines[i]))
            width = -1
        sub(/ .*/, "", name)
        if (width >= 0 && length(name) + 2 > width)
            width = length(name) + 2
    }
    for (i = first; i <= last; i++) {
        text = substr(lines[i], 3)
        if (width < 0) {
            out = out example(text)
            continue
        }
        name = text
        sub(/ .*/, "", name)
        sub(/^[^ ]+ +/, "", text)
        out = out tagged(width, bold(name), text)
    }
    return width < 0 ? ".PP\n.RS 4\n.nf\n" out ".fi\n.RE\n" : ".PD 0\n" out ".PD\n"
}

# "Exit status: 0 done; 1 failed. More.": a list, and what else is said.
function exit_list(text,    out, first, status) {
    sub(/^Exit status:? */, "", text)
    while (match(text, /^[0-9]+:? /)) {
        status = substr(text, 1, RLENGTH)
        sub(/:? $/, "", status)
        text = substr(text, RLENGTH + 1)
        if (match(text, /[,;] [0-9]+:? /)) {
            first = substr(text, 1, RSTART - 1)
            text = substr(text, RSTART + 2)
        } else if (match(text, /\. /)) {
            first = substr(text, 1, RSTART - 1)
            text = substr(text, RSTART + 2)
        } else {
            first = text
            sub(/\.$/, "", first)
            text = ""
        }
        out = out tagged("", bold(status), first)
    }
    return out (text == "" ? "" : paragraph(text))
}

function option(line,    names, text) {
    names = text = line
    sub(/^ +/, "", names)
    sub(/  +.*/, "", names)
    sub(/^ +[^ ]+( [^ ]+)*  +/, "", text)
    learn_placeholders(names)
    if (group == "" && groups && !others_begun) {
        options = options ".SS Other options\n"
        others_begun = 1
    }
    return tagged("", syntax(names), text)
}

# What stands after the options, in order: sections by their names, the rest are notes.
function behind(count,    i, from, text, title, indented, first) {
    for (i = 1; i <= count; i++) {
        if (lines[i] == "")
            continue
        title = ""
        if (lines[i] ~ /^[A-Z][a-z]+:$/ && lines[i + 1] ~ /^  /)
            title = substr(lines[i], 1, length(lines[i]) - 1)
        from = i + (title != "")
        indented = lines[from] ~ /^  /
        if (indented) {
            for (i = from; lines[i + 1] ~ /^  /; i++)
                ;
            text = block(from, i)
        } else {
            text = lines[from]
            for (; lines[i + 1] ~ /^[^ ]/ && lines[i + 1] !~ /:$/; i++)
                text = text " " lines[i + 1]
        }
        if (title ~ /^Examples?$/)
            examples = examples text
        else if (title != "")
            sections = sections ".SH " toupper(title) "\n" text
        else if (text ~ /^Exit status/)
            exit_status = text
        else if (!first && description_waits && indented)
            description = description text
        else
            notes = notes (indented ? text : paragraph(text))
        first = 1
    }
}

# Is `name` for SEE ALSO? In slablab.1 all commands are; elsewhere a command's words, and what the
# text names, but for a word's neighbours.
function is_related(name, text,    parent) {
    if (command == "" || name == command)
        return command == "" && name !~ / /
    if (index(name, command " ") == 1)
        return 1
    parent = command
    if (sub(/ .*/, " ", parent) && index(name, parent) == 1)
        return 0
    return index(text, "slablab " name " ") || index(text, "slablab " name "`") ||
           index(text, "`" name "`")
}

function others(text,    out, i, count, names) {
    count = split(commands, names, ":")
    out = command == "" ? "" : ".BR slablab (1)"
    for (i = 1; i <= count; i++) {
        if (is_related(names[i], text))
            out = out (out == "" ? "" : ",\n") ".BR " escaped("slablab-" page_of(names[i])) " (1)"
    }
    gsub(/\(1\),/, "(1),", out)
    return out "\n"
}

function page_of(command) {
    gsub(/ /, "-", command)
    return command
}

# The first sentence, as what stands behind a name.
function summary_of(text) {
    sub(/\. .*/, "", text)
    sub(/\.$/, "", text)
    return tolower(substr(text, 1, 1)) substr(text, 2)
}

BEGIN { state = "usage" }

{ all = all $0 " \n" }

state == "usage" && /^([Uu]sage:|  or:|       slablab)/ {
    sub(/^([Uu]sage:|  or:)? */, "")
    learn_placeholders($0)
    synopsis = synopsis (synopsis == "" ? "" : ".br\n") syntax($0) "\n"
    next
}

state == "usage" { state = "description" }

state == "description" && /^ +-/ { state = "options" }
state == "description" && /^ [^ ]/ { state = "options" }
state == "description" && /^Commands:$/ { state = "behind" }
state == "description" {
    if ($0 != "") {
        described[++paragraphs] = $0
        description_waits = $0 ~ /:$/
    }
    next
}

state == "options" && /^ [^ ]/ {
    group = $0
    gsub(/^ |:$/, "", group)
    options = options ".SS " escaped(group) "\n"
    groups++
    others_begun = 0
    next
}
state == "options" && /^$/ { group = ""; next }
state == "options" {
    added = option($0) # which may begin a group
    options = options added
    if ($0 ~ /^ +--usage/)
        state = "behind"
    next
}

state == "behind" { lines[++count] = $0 }

function section(title, text) {
    sub(/^\.PP\n/, "", text) # a section begins with one of its own
    if (text != "")
        printf ".SH %s\n%s", title, text
}

END {
    for (i = 1; i <= paragraphs; i++)
        description = description paragraph(described[i])
    behind(count)
    name = "slablab" (command == "" ? "" : "-" page_of(command))
    if (summary == "")
        summary = summary_of(described[1])
    if (command == "") {
        files = tagged("", italic(libdir "/slablab/slablab-malloc.so"), \
                       "the library that `slablab record malloc` has loaded into a program") \
                tagged("", italic(datadir "/slablab/plots"), "how `slablab plot` draws") \
                tagged("", italic(datadir "/slablab/samples"), "recorded traces to begin with")
    }
    printf ".\\\" Made of what `slablab %s` says; change it there.\n", \
        command == "" ? "help" : command " --help"
    printf ".TH %s 1 \"%s\" \"%s\" \"slablab\"\n.nh\n.ad l\n", toupper(escaped(name)), date, version
    section("NAME", escaped(name) " \\- " escaped(summary) "\n")
    section("SYNOPSIS", synopsis)
    section("DESCRIPTION", description (command == "" ? notes : ""))
    section("OPTIONS", options)
    printf "%s", sections
    section("EXIT STATUS", exit_list(exit_status))
    section("FILES", files)
    section("NOTES", command == "" ? "" : notes)
    section("EXAMPLES", examples)
    section("SEE ALSO", others(all))
}
