# SPDX-License-Identifier: MIT
# One figure of the bench, of a line a round on standard input: VALUE, or VALUE and its peer's VALUE of
# the same round. What it is comes in the environment, see figure() in common.bash. Writes a line of
# text to standard output and appends one of JSON (results/FORMAT.md, slablab.bench/1) to `records`.

# Sorts v[1..n]; insertion, since there are as many as rounds.
function sort(v, n,    i, j, x) {
    for (i = 2; i <= n; i++) {
        x = v[i]
        for (j = i - 1; j > 0 && v[j] > x; j--)
            v[j + 1] = v[j]
        v[j + 1] = x
    }
}

# How many values lie outside of the interval at either end: as many as leave the median inside with
# 95% or more, since each value is as probably above it as below. 0: it is from least to most, which
# of fewer than 6 values is less than 95%.
function outside(n,    k, ways, sum) {
    ways = 1
    sum = 1
    for (k = 0; sum / 2 ^ n <= 0.025; k++) {
        ways *= (n - k) / (k + 1)
        sum += ways
    }
    return k ? k - 1 : 0
}

# Of values: median[NAME], low[NAME], high[NAME].
function summarise(name, v, n,    k) {
    sort(v, n)
    k = outside(n)
    median[name] = (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2
    low[name] = v[1 + k]
    high[name] = v[n - k]
}

function text_key(key, value) {
    if (value == "")
        return ""
    gsub(/\\/, "\\\\", value)
    gsub(/"/, "\\\"", value)
    return ",\"" key "\":\"" value "\""
}

function number_key(key, value) {
    return value == "" ? "" : ",\"" key "\":" sprintf("%.6g", value)
}

function truth_key(key, value) {
    return ",\"" key "\":" (value ? "true" : "false")
}

# With as many digits as tell something.
function shown(value) {
    return sprintf(value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : value >= 1 ? "%.2f" : "%.3f", value)
}

function spread_text() {
    if (low["value"] == high["value"])
        return shown(median["value"])
    return shown(median["value"]) " (" shown(low["value"]) " to " shown(high["value"]) ")"
}

function ratio_text() {
    if (low["ratio"] == high["ratio"])
        return sprintf("%.2f", median["ratio"])
    return sprintf("%.2f (%.2f to %.2f)", median["ratio"], low["ratio"], high["ratio"])
}

function beyond(value) {
    return ENVIRON["better"] == "more" ? value < ENVIRON["limit"] : value > ENVIRON["limit"]
}

# A time of 0, of which a rate was made, or a word where a number belongs.
NF && $0 !~ /^-?[0-9.]+(e[+-]?[0-9]+)?([ \t]+[0-9.]+(e[+-]?[0-9]+)?)?$/ || (NF > 1 && $2 == 0) {
    print "bench: " ENVIRON["figure"] ": '" $0 "' is no value" >"/dev/stderr"
    failed = 1
    exit 1
}

NF {
    values[++n] = $1
    if (NF > 1) {
        peers[n] = $2
        ratios[n] = $1 / $2
    }
    paired += NF > 1
}

# What there is to say where there are no values: why, or that this may not be.
function tell_nothing() {
    if (ENVIRON["skipped"] == "") {
        print "bench: " ENVIRON["figure"] ": no values" >"/dev/stderr"
        exit 1
    }
    print record text_key("skipped", ENVIRON["skipped"]) "}" >>ENVIRON["records"]
    print line " not measured: " ENVIRON["skipped"]
}

function add_value() {
    summarise("value", values, n)
    record = record text_key("unit", ENVIRON["unit"]) text_key("better", ENVIRON["better"]) \
        number_key("median", median["value"])
    if (ENVIRON["exact"] == "")
        record = record number_key("low", low["value"]) number_key("high", high["value"])
    line = line sprintf(" %-28s %-22s", spread_text(), ENVIRON["unit"])
}

function add_peer() {
    summarise("peer", peers, n)
    summarise("ratio", ratios, n)
    record = record text_key("peer", ENVIRON["peer"]) number_key("peer_median", median["peer"]) \
        number_key("ratio", median["ratio"]) number_key("ratio_low", low["ratio"]) \
        number_key("ratio_high", high["ratio"])
    line = line " " ratio_text() " of " ENVIRON["peer"]
}

function add_limit(    which, met, clear) {
    which = ENVIRON["limit_of"] == "ratio" ? "ratio" : "value"
    met = !beyond(median[which])
    clear = beyond(low[which]) == beyond(high[which])
    record = record number_key("limit", ENVIRON["limit"]) \
        text_key("limit_of", which == "ratio" ? "ratio" : "median") truth_key("met", met) \
        truth_key("clear", clear)
    line = line "  " (which == "ratio" ? "ratio " : "") \
        (ENVIRON["better"] == "more" ? "at least " : "at most ") ENVIRON["limit"] ": " \
        (met ? "met" : "missed") (clear ? "" : "~")
}

END {
    if (failed)
        exit 1
    threads = ENVIRON["threads"]
    record = "{\"schema\":\"slablab.bench/1\"" text_key("account", ENVIRON["account"]) \
        text_key("figure", ENVIRON["figure"]) text_key("trace", ENVIRON["trace"]) \
        number_key("threads", threads)
    line = sprintf("%-33s %-10s %-12s", ENVIRON["figure"], ENVIRON["trace"], \
        threads == "" ? "" : threads (threads == 1 ? " thread" : " threads"))
    if (!n) {
        tell_nothing()
        exit
    }
    if (paired && paired != n) {
        print "bench: " ENVIRON["figure"] ": rounds without a peer" >"/dev/stderr"
        exit 1
    }
    add_value()
    if (paired)
        add_peer()
    if (ENVIRON["limit"] != "")
        add_limit()
    record = record number_key("repeats", n) truth_key("exact", ENVIRON["exact"] != "") \
        number_key("disturbed", ENVIRON["disturbed"]) text_key("note", ENVIRON["note"]) \
        text_key("command", ENVIRON["command"])
    print record "}" >>ENVIRON["records"]
    sub(/ +$/, "", line)
    print line
}
