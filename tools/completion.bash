# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of slablab's commands, options and values for bash: `make install` puts it where
# bash-completion finds it; or source it. It knows nothing itself: the program that stands on the
# line is asked, with --help for its commands and options and with `list` for names.
#
# Where nothing is offered here readline offers files.

# What the program says to ARGUMENTS...; nothing is wrapped, so that an option is a line.
_slablab_ask() {
    ARGP_HELP_FMT=rmargin=9999,opt-doc-col=60,no-dup-args-note "$_slablab_program" "$@" \
        </dev/null 2>/dev/null
}

# The first word of each line that is indented by two.
_slablab_first_words() {
    sed -n 's/^  \([^ -][^ ]*\) .*/\1/p'
}

_slablab_commands() {
    _slablab_ask help | _slablab_first_words
}

# What there are lists of: "allocators", "locks", ...
_slablab_lists() {
    _slablab_ask list --help | sed -n '1s/.*\[\([a-z|]*\)\].*/\1/p' | tr '|' '\n'
}

# _slablab_help COMMAND [WORD]: its help; a word may have options of its own (gen's workloads have).
_slablab_help() {
    { [[ ${2-} == [a-z]* ]] && _slablab_ask "$1" "$2" --help; } || _slablab_ask "$1" --help
}

# Of help on standard input: all options, a line each.
_slablab_options() {
    sed -n 's/^ *\(-.*\)/\1/p' | sed 's/   .*//' | grep -oE -- '(^|, )--?[^][ =,]+' | sed 's/^, //'
}

# _slablab_argument OPTION: of help on standard input, what the option takes; nothing: it takes none.
_slablab_argument() {
    local line

    while read -r line; do
        [[ $line == -* ]] || continue
        line=${line%%   *}
        if [[ $1 == --* && $line =~ (^|, )"$1"=(.*)$ ]] ||
            [[ $line =~ ^"$1"(, --[^=]+=|\ )(.*)$ ]]; then
            echo "${BASH_REMATCH[2]}"
            return
        fi
    done
}

# _slablab_long OPTION: of help on standard input, the long name of a short one.
_slablab_long() {
    if [[ $1 == --* ]]; then
        echo "${1#--}"
    else
        sed -n "s/^  $1, --\([^ =]*\).*/\1/p"
    fi
}

# _slablab_settings TYPED: ALLOCATOR.KEY=; behind the sign, what it can be.
_slablab_settings() {
    if [[ $1 == *=* ]]; then
        _slablab_ask list tunables | awk -v key="${1%%=*}" '
            /^  [^ ]/ { mine = $1 == key }
            mine && $1 == "values:" { print $2 }' | _slablab_choices
    else
        _slablab_ask list tunables | _slablab_first_words | sed 's/$/=/'
    fi
}

# Of alternatives (object|trace, 1..8|auto) those that are words.
_slablab_choices() {
    grep '|' | tr '|' '\n' | grep -xE '[a-z][a-z0-9-]*'
}

# _slablab_table NAME: of help on standard input, the names in a table that is headed so ("Scenarios:").
_slablab_table() {
    awk -v heading="$1:" 'tolower($0) == heading { inside = 1; next }
        !/^  / { inside = 0 }
        inside { print $1 }'
}

# _slablab_values COMMAND OPTION ARGUMENT TYPED: what an option can be: names of a list, or of a table
# in the help on standard input, that is called as the option is, or choices that its argument's
# name spells out.
_slablab_values() {
    local list

    case $1:$2 in
    *:set) _slablab_settings "$4"; return ;;
    import:format) list=importers ;;
    *:costs) list=machines ;;
    *:baseline) list=allocators ;;
    *) list=$(_slablab_lists | grep -xE -- "${2%s}s") ;;
    esac
    if [[ $list == machines ]]; then
        _slablab_ask list machines | _slablab_first_words | grep -vx host # which is for replay
    elif [[ $list ]]; then
        _slablab_ask list "$list" | _slablab_first_words
    else
        _slablab_table "${2%s}s"
        _slablab_choices <<<"$3"
    fi
}

# Of help on standard input, what the first word can be: "malloc", a workload, ...
_slablab_positional() {
    local usage

    sed -nE 's/^(Usage:|  or:) +slablab [a-z-]+ \[OPTION\.\.\.\] *//p' | while read -r usage _; do
        case $usage in
        WORKLOAD) _slablab_ask list workloads | _slablab_first_words ;;
        *) tr -d '[]' <<<"$usage" | tr '|' '\n' | grep -xE '[a-z]+' ;;
        esac
    done
}

# _slablab_reply HEAD CANDIDATE...: those that begin with what is typed; HEAD stays before them.
_slablab_reply() {
    local head=$1 candidate
    shift

    for candidate; do
        [[ $head$candidate == "$_slablab_typed"* && ,$head != *[,=]"$candidate,"* ]] &&
            COMPREPLY+=("$head$candidate")
    done
}

_slablab() {
    local _slablab_program=${1/#\~/$HOME} _slablab_typed
    local line=${COMP_LINE:0:COMP_POINT} words candidates
    local help option argument long value head

    COMPREPLY=()
    option='' argument='' head=''
    read -ra words <<<"$line" # COMP_WORDS is split at = and : too
    [[ $line == *[[:space:]] ]] && words+=('')
    _slablab_typed=${words[-1]} value=${words[-1]}
    if ((${#words[@]} == 2)); then
        mapfile -t candidates < <(_slablab_commands)
        _slablab_reply '' "${candidates[@]}" --help --version
        return
    fi
    if [[ " ${words[*]:0:${#words[@]}-1} " == *' -- '* ]]; then # a program of the user's
        [[ ${words[-2]} == -- ]] && mapfile -t COMPREPLY < <(compgen -c -- "$_slablab_typed")
        return
    fi
    help=$(_slablab_help "${words[@]:1:${#words[@]}-2}")
    if [[ $_slablab_typed == --*=* ]]; then
        option=${_slablab_typed%%=*}
        value=${_slablab_typed#*=}
    elif [[ ${words[-2]} == -?* ]]; then
        option=${words[-2]}
    fi
    [[ $option ]] && argument=$(_slablab_argument "$option" <<<"$help")
    if [[ $argument ]]; then
        long=$(_slablab_long "$option" <<<"$help")
        mapfile -t candidates < \
            <(_slablab_values "${words[1]}" "$long" "$argument" "$value" <<<"$help")
        [[ $_slablab_typed == *[,=]* ]] && head=${_slablab_typed%"${_slablab_typed##*[,=]}"}
        [[ $argument == *LIST* || $argument == *[,=]* ]] && # more may follow
            compopt -o nospace 2>/dev/null
        _slablab_reply "$head" "${candidates[@]}"
    elif [[ $_slablab_typed == -* ]]; then
        mapfile -t candidates < <(_slablab_options <<<"$help")
        _slablab_reply '' "${candidates[@]}"
    elif ((${#words[@]} == 3)); then
        mapfile -t candidates < <(_slablab_positional <<<"$help")
        _slablab_reply '' "${candidates[@]}"
    fi
    _slablab_trim
}

# Readline replaces only what stands behind the last = or : of the word.
_slablab_trim() {
    local kept='' breaks=''

    [[ $COMP_WORDBREAKS == *=* ]] && breaks+='='
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=':'
    [[ $breaks && $_slablab_typed == *[$breaks]* ]] &&
        kept=${_slablab_typed%"${_slablab_typed##*["$breaks"]}"}
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}

complete -o bashdefault -o default -F _slablab slablab
