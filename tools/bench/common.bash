# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the accounts of the bench share; each begins with it. Of `run` they have in the environment: program,
# build (the folder it lies in), folder (a temporary one), records (the figures so far), traces,
# kernel_traces, threads_list, repeats, loops.
# shellcheck disable=SC2034 # the accounts use what is not used here
set -euo pipefail
account=$(basename "$0")
program=${program:?} build=${build:?} folder=${folder:?} records=${records:?}
repeats=${repeats:?} loops=${loops:?}
read -ra all_traces <<<"${traces:?}"
read -ra samples_of_kernels <<<"${kernel_traces:?}"
read -ra threads_wanted <<<"${threads_list:?}"

# figure NAME KEY=VALUE... <VALUES: one figure, of a line a round, VALUE or VALUE PEER; see figure.awk.
# Keys: trace, threads; unit, and better=more where more is; peer, what the second value is; limit, and
# limit_of=ratio where it is not the value's; exact=yes, what scatters not; disturbed, how many of the
# runs others disturbed; note; command.
# The temporary folder stands in none of them.
figure() {
    local arguments=("${@:2}")
    env -i PATH="$PATH" LC_ALL=C account="$account" figure="$1" records="$records" better=less \
        "${arguments[@]//$folder\//}" \
        awk -f "$(dirname "$0")/../figure.awk"
}

# skipped NAME REASON: a figure that could not be measured here.
skipped() {
    figure "$1" skipped="$2" </dev/null
}

name_of() { # TRACE
    basename "$1" .slt
}

# The number behind a key of the record on standard input, where it stands first; reads all of it.
number_of() { # KEY
    awk -v key="\"$1\": *" '!found && match($0, key "[0-9.e+-]+") {
        found = 1
        number = substr($0, RSTART, RLENGTH)
        sub(key, "", number)
        print number
    } END {exit !found}'
}

# replayed TRACE ALLOCATOR THREADS [OPTION...]: one thread's time an event, in ns, of a replay of its own
# process, and 1 if others disturbed it, else 0. A run that is invalid (moved, not pinned) is no value: it
# is tried anew, twice.
replayed() {
    local record try
    for try in 1 2 3; do
        if record=$("$program" replay "$1" -a "$2" -t "$3" --loops "$loops" --record none \
            --latency off --json - "${@:4}" 2>"$folder/said"); then
            awk '{
                match($0, /"ns_per_event":[0-9.e+-]+/)
                print substr($0, RSTART + 15, RLENGTH - 15), /"disturbed":true/
            }' <<<"$record"
            return
        fi
        echo "bench: $2 on $1, try $try: $(head -n 1 "$folder/said")" >&2
    done
    return 1
}

# The command that `replayed` runs, as the page has it.
replay_command() { # TRACE ALLOCATOR THREADS [OPTION...]
    echo "$program replay $1 -a $2 -t $3 --loops $loops --record none --latency off --json -${4:+ ${*:4}}"
}

# Column N of a file.
column() { # N FILE
    awk -v n="$1" '{print $n}' "$2"
}

# How many of a file's lines have a second column that is not 0.
disturbed_in() { # FILE...
    awk '$2 {n++} END {print n + 0}' "$@"
}

# stopwatch COMMAND...: what it took, wall and CPU time (of all that it started), in seconds. It must succeed.
stopwatch() {
    local start end TIMEFORMAT='%U %S' cpu
    start=${EPOCHREALTIME/./}
    cpu=$({ time "$@" >/dev/null 2>"$folder/said" || echo failed >&2; } 2>&1)
    end=${EPOCHREALTIME/./}
    if [[ $cpu = *failed* ]]; then
        echo "bench: failed: $*: $(head -n 1 "$folder/said")" >&2
        return 1
    fi
    awk -v us=$((end - start)) '{print us / 1e6, $1 + $2}' <<<"$cpu"
}

# The peak of memory of a command, in bytes, looked at all the while: VmHWM only grows.
peak_bytes() { # COMMAND...
    local child peak=0 line
    "$@" >/dev/null 2>&1 &
    child=$!
    while line=$(grep VmHWM "/proc/$child/status" 2>/dev/null); do
        peak=$(awk '{print $2 * 1024}' <<<"$line")
        sleep 0.01
    done
    wait "$child"
    echo "$peak"
}

# A trace of nothing but the fast path: one object, allocated and freed again, so many times.
pairs_trace() { # PAIRS FILE
    "$program" gen pairs -o "$2" --cpus 1 --events $(($1 * 2)) >/dev/null 2>&1
}
