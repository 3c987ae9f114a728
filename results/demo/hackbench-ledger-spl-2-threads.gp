# Run gnuplot hackbench-ledger-spl-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-ledger-spl-2-threads.svg'
data_file = 'hackbench-ledger-spl-2-threads.dat'
title_text = 'Memory of spl (32), 2 threads: of 38.2 MiB held when most is live, 30% were asked for'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'the run of median throughput'
array names[1] = ["spl (32)"]
styles = ' 1 1 1 1 1 1 1 0 1 0'
x_text = 'recorded time (s)'
part1 = 'requested'
part2 = 'rounding'
part3 = 'tails of slabs'
part4 = 'metadata'
part5 = 'free in partial slabs'
part6 = 'empty slabs'
part7 = 'CPU caches'
part8 = 'depot'
part9 = 'emergency'
part10 = 'grace periods'

# Where the memory is over time, stacked; the line is what callers had asked for.
# Data: one block, the design's name in its first line; columns x, then ten parts in MiB.
# Wants: data_file, x_text, part1 ... part10, styles (for each part 1 when it is ever more than
# nothing), and what style.gp wants.
load "style.gp"
set xlabel x_text
set ylabel "MiB"
set yrange [0:*]
set xrange [*:*] noextend
# Neighbors differ in lightness; a line parts them.
fills = "#56B4E9 #003F66 #CCCCCC #E69F00 #F0E442 #777777 #CC79A7 #009E73 #D55E00 #000000"
below(n) = n > 1 ? (sum [k=2:n] column(k)) : 0
height(n) = sum [k=2:n+1] column(k)
kept = ""
do for [n=1:10] {
    if (int(word(styles, n))) { kept = kept . sprintf(" %d", n) }
}
set style fill solid 1.0 noborder
set key invert
plot for [i=1:words(kept)] n=int(word(kept, i)) \
         data_file index 0 using 1:(below(n)):(height(n)) \
         with filledcurves linecolor rgb word(fills, n) title value(sprintf("part%d", n)), \
     for [i=1:words(kept)] n=int(word(kept, i)) \
         data_file index 0 using 1:(height(n)) with lines linecolor rgb "#ffffff" linewidth 0.7 \
         dashtype 1 notitle, \
     data_file index 0 using 1:2 with lines linecolor rgb "#000000" linewidth 2.5 dashtype 1 \
         title "requested bytes"
