# SPDX-License-Identifier: MIT
# From the bench's lines of JSON (results/FORMAT.md, slablab.bench/1) to tables in Markdown: one an account,
# with the commands below it; that of the allocators has a row for each trace and number of threads.

# The value behind a key of the line; "" where there is none. No text of the bench has quotes in it.
function value(key,    rest) {
    if (!match($0, "\"" key "\":"))
        return ""
    rest = substr($0, RSTART + RLENGTH)
    if (substr(rest, 1, 1) == "[") {
        match(rest, /\[[^]]*\]/)
        rest = substr(rest, 2, RLENGTH - 2)
        gsub(/,/, ", ", rest)
        return rest
    }
    if (substr(rest, 1, 1) == "\"") {
        rest = substr(rest, 2)
        match(rest, /[^"]*/)
    } else {
        match(rest, /[^,}]*/)
    }
    return substr(rest, 1, RLENGTH)
}

function shown(number) {
    number += 0
    return sprintf(number >= 100 ? "%.0f" : number >= 10 ? "%.1f" : number >= 1 ? "%.2f" : "%.3f", number)
}

function measured() {
    if (value("low") == value("high"))
        return shown(value("median")) " " value("unit")
    return shown(value("median")) " (" shown(value("low")) " to " shown(value("high")) ") " value("unit")
}

function ratio_text() {
    if (value("ratio_low") == value("ratio_high"))
        return sprintf("%.2f", value("ratio"))
    return sprintf("%.2f (%.2f to %.2f)", value("ratio"), value("ratio_low"), value("ratio_high"))
}

# A malloc's name in a table of them.
function short(name) {
    sub(/^malloc:/, "", name)
    return name
}

function verdict() {
    if (value("limit") == "")
        return ""
    return (value("met") == "true" ? "met" : "**missed**") (value("clear") == "true" ? "" : " ~")
}

# As a row of its own table.
function row(    limit) {
    limit = value("limit")
    if (limit != "")
        limit = (value("better") == "more" ? "at least " : "at most ") limit \
            (value("limit_of") == "ratio" ? " times its peer" : "")
    if (value("skipped") != "")
        return "| " value("figure") " | " value("trace") " | " value("threads") " | not measured: " \
            value("skipped") " | | | |"
    return "| " value("figure") " | " value("trace") " | " value("threads") " | " \
        measured() " | " (value("peer") == "" ? "" : ratio_text() " of " value("peer")) \
        " | " limit " | " verdict() " |"
}

# The command, of any trace, number of threads and allocator.
function keep_command(account,    command) {
    command = value("command")
    if (command == "")
        return
    gsub("[^ ]*/" value("trace") "\\.slt", "TRACE.slt", command)
    if (account == "replay" || account == "allocators" || account == "sim") {
        gsub(/ -t [0-9]+/, " -t N", command)
        gsub(/ -a [^ ]+/, account == "allocators" ? " -a NAME" : "&", command)
        gsub(/pairs-[0-9]+\.slt/, "pairs.slt", command)
        gsub(/--cpus [0-9]+/, "--cpus N", command)
    }
    if (!known[account, command]++)
        commands[account] = commands[account] "    " command "\n"
}

# Into the table of the allocators: who is a column, where (trace, threads) a row.
function pivot(    who, where) {
    who = short(value("figure"))
    where = value("trace") " | " value("threads")
    if (!(who in column)) {
        column[who] = ++nr_columns
        heads[nr_columns] = who
    }
    if (!(where in place)) {
        place[where] = ++nr_rows
        wheres[nr_rows] = where
    }
    ns[where, who] = shown(value("median"))
    if (value("ratio") != "") {
        compared[who] = 1
        ratio[where, who] = ratio_text()
        if (verdict() != "")
            ratio[where, who] = ratio[where, who] ", " verdict()
        if (value("peer") != "itself")
            best[where] = short(value("peer"))
    }
}

function allocators(    r, c, line, rule) {
    if (!nr_rows)
        return
    line = "| ns an event | threads |"
    rule = "|---|---|"
    for (c = 1; c <= nr_columns; c++) {
        line = line " " heads[c] " |"
        rule = rule "---|"
    }
    print line "\n" rule
    for (r = 1; r <= nr_rows; r++) {
        line = "| " wheres[r] " |"
        for (c = 1; c <= nr_columns; c++)
            line = line " " ns[wheres[r], heads[c]] " |"
        print line
    }
    line = "\n| times the fastest malloc | threads | which is |"
    rule = "|---|---|---|"
    for (c = 1; c <= nr_columns; c++)
        if (compared[heads[c]]) {
            line = line " " (heads[c] == "magazine, again" ? heads[c] ", to magazine" : heads[c]) " |"
            rule = rule "---|"
        }
    print line "\n" rule
    for (r = 1; r <= nr_rows; r++) {
        line = "| " wheres[r] " | " best[wheres[r]] " |"
        for (c = 1; c <= nr_columns; c++)
            if (compared[heads[c]])
                line = line " " ratio[wheres[r], heads[c]] " |"
        print line
    }
}

NR == 1 && !/"schema":"slablab.bench\/1","provenance":/ {
    print "bench: " FILENAME ": line 1 is no head of schema slablab.bench/1" >"/dev/stderr"
    failed = 1
    exit 2
}

NR == 1 {
    print "\nslablab " value("version") ", commit " value("commit") " (" value("build") "); " value("cpu") ", " \
        value("topology") "; " value("kernel") "; " value("started") "; " "rounds: " value("repeats") ", " \
        value("seconds") " s; load before " value("load_before") ", after " value("load_after") ".\n"
    # The first of the loads is that of the minute before.
    why = value("repeats") < 6 ? "fewer than 6 rounds" : ""
    if (value("load_before") + 0 > value("cpus") / 2)
        why = why (why == "" ? "" : ", ") "a busy machine"
    if (why != "")
        print "**A trial** (" why "): it shows what is measured, and not how fast it is.\n"
    next
}

{
    account = value("account")
    if (!(account in rows)) {
        order[++nr_accounts] = account
        rows[account] = ""
    }
    if (account == "allocators" && value("skipped") == "")
        pivot()
    else
        rows[account] = rows[account] row() "\n"
    keep_command(account)
    disturbed += value("disturbed")
    met += value("met") == "true"
    missed += value("met") == "false"
}

END {
    if (failed)
        exit 2
    print "Limits met: " met + 0 ", missed: " missed + 0 "; " disturbed + 0 " runs of `replay` and `allocators` disturbed by others."
    for (a = 1; a <= nr_accounts; a++) {
        print "\n### " order[a] "\n"
        if (order[a] == "allocators")
            allocators()
        if (rows[order[a]] != "")
            printf "| | trace | threads | measured | against its peer | limit | |\n|---|---|---|---|---|---|---|\n%s", \
                rows[order[a]]
        if (commands[order[a]] != "")
            printf "\n%s", commands[order[a]]
    }
    print ""
}
