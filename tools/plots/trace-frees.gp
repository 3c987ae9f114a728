# Who frees what: a row a stream that allocated, a column a stream that freed.
# Data: one block; columns row, column (both from 0), percent of all frees; what is not there is none.
# Wants: data_file, cells (a side), streams, streams_of (a name a cell), and what style.gp wants. The
# palette is Viridis, whose lightness rises with the value.
canvas_height = cells < 8 ? 340 + 70 * cells : 900
load "style.gp"
unset key
unset grid
set palette defined (0 "#440154", 1 "#3B528B", 2 "#21918C", 3 "#5EC962", 4 "#FDE725")
stats data_file using 3 nooutput
low = STATS_min
high = STATS_max > STATS_min ? STATS_max : STATS_min * 1.01
set cbrange [low:high]
set logscale cb
set cbtics () nomirror
do for [e=-8:2] {
    do for [m in (wide(low, high) ? "1" : "1 2 3 5 7")] {
        if (m * 10.0 ** e >= low * 0.999 && m * 10.0 ** e <= high * 1.001) {
            set cbtics add (sprintf("%g%%%%", m * 10.0 ** e) m * 10.0 ** e)
        }
    }
}
set cblabel "share of the frees, log scale" offset 2.5, 0
set xrange [-0.5:cells - 0.5]
set yrange [cells - 0.5:-0.5]
every = cells > 16 ? int((cells + 11) / 12) : 1
longest = 0
do for [k=1:cells] {
    longest = strlen(streams_of[k]) > longest ? strlen(streams_of[k]) : longest
}
set xtics scale 0 () nomirror
set ytics scale 0 () nomirror
do for [k=1:cells:every] {
    set xtics add (streams_of[k] k - 1)
    set ytics add (streams_of[k] k - 1)
}
slanted = cells / every * longest > 80
if (slanted) { set xtics rotate by -45 left }
set xlabel "freed by stream"
set ylabel "allocated by stream"
set bmargin at screen pixels(slanted ? 190 : 110)
set lmargin at screen (longest > 6 ? 0.22 : 0.12)
set rmargin at screen 0.86
shown(v) = v < 0.1 ? sprintf("%.1g", v) : v < 9.95 ? sprintf("%.1f", v) : sprintf("%.0f", v)
ink(v) = log(v / low) / log(high / low) < 0.55 ? 0xffffff : 0x000000
set object 1 rectangle from graph 0, 0 to graph 1, 1 behind fillcolor rgb "#f2f2f2" fillstyle solid noborder
if (cells <= 16) {
    plot data_file using 2:1:($2 - 0.5):($2 + 0.5):($1 - 0.5):($1 + 0.5):3 \
             with boxxyerror fillstyle solid noborder fillcolor palette, \
         data_file using 2:1:(shown($3)):(ink($3)) with labels font ",10" textcolor rgb variable
} else {
    plot data_file using 2:1:($2 - 0.5):($2 + 0.5):($1 - 0.5):($1 + 0.5):3 \
             with boxxyerror fillstyle solid noborder fillcolor palette
}
