# Run gnuplot pairs-epyc-7742x2-throughput-heat-map.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'pairs-epyc-7742x2-throughput-heat-map.svg'
data_file = 'pairs-epyc-7742x2-throughput-heat-map.dat'
title_text = 'Throughput over magazine size and threads: magazine (62) with 256 threads has the most, 1.17e+04 million/s'
caption_text = 'trace pairs.slt; simulated on epyc-7742x2, in virtual time'
note_text = 'medians, in million events a second; one scale of colors for all'
array names[1] = ["magazine"]
styles = ' 1'
panels = 1

# Throughput over magazine size and threads, a panel a design, one scale of colors for all.
# Data: one block (index) a design, its name in the first line; columns magazine size, threads,
# throughput.
# Wants: data_file, panels, and what style.gp wants. The palette is Viridis, whose
# lightness rises with the value.
columns = panels <= 3 ? panels : panels == 4 ? 2 : 3
rows = int((panels + columns - 1) / columns)
canvas_height = 140 + 250 * rows
load "style.gp"
unset key
unset grid
set palette defined (0 "#440154", 1 "#3B528B", 2 "#21918C", 3 "#5EC962", 4 "#FDE725")
stats data_file using 3 nooutput
low = STATS_min
high = STATS_max > STATS_min ? STATS_max : STATS_min * 1.01
set cbrange [low:high]
set logscale cb
unset colorbox
# Cells stand by rank: sizes and threads are seldom evenly spaced.
sizes = ""
threads = ""
rank(list, value) = sum [k=1:words(list)] (word(list, k) + 0 < value ? 1 : 0)
has(list, value) = sum [k=1:words(list)] (word(list, k) + 0 == value ? 1 : 0)
note(s, t) = (has(sizes, s) ? 0 : (sizes = sizes . sprintf(" %d", s), 0), \
              has(threads, t) ? 0 : (threads = threads . sprintf(" %d", t), 0), s)
stats data_file using (note($1, $2)) nooutput
cells = words(sizes) * words(threads)
set xrange [-0.5:words(sizes) - 0.5]
set yrange [-0.5:words(threads) - 0.5]
set xtics scale 0 ()
set ytics scale 0 ()
do for [k=1:words(sizes)] {
    set xtics add (word(sizes, k) rank(sizes, word(sizes, k) + 0))
}
do for [k=1:words(threads)] {
    set ytics add (word(threads, k) rank(threads, word(threads, k) + 0))
}
shown(v) = v < 10 ? sprintf("%.2f", v) : sprintf("%.1f", v)
ink(v) = log(v / low) / log(high / low) < 0.55 ? 0xffffff : 0x000000
set multiplot layout rows, columns margins 0.07, 0.97, pixels(100), 1 - pixels(80) spacing 0.07, pixels(84)
do for [i=0:panels-1] {
    set title names[i + 1] font ",13"
    set xlabel (i + columns >= panels ? "magazine size (objects)" : "")
    set ylabel (i % columns == 0 ? "threads" : "")
    plot data_file index i using (rank(sizes, $1)):(rank(threads, $2)): \
             (rank(sizes, $1) - 0.5):(rank(sizes, $1) + 0.5): \
             (rank(threads, $2) - 0.5):(rank(threads, $2) + 0.5):3 \
             with boxxyerror fillstyle solid noborder fillcolor palette, \
         data_file index i using (rank(sizes, $1)):(rank(threads, $2)):(shown($3)):(ink($3)) \
             with labels font ",10" textcolor rgb variable
    eval captions_done
}
unset multiplot
