# Run gnuplot hackbench-memory-over-magazine-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-memory-over-magazine-2-threads.svg'
data_file = 'hackbench-memory-over-magazine-2-threads.dat'
title_text = 'Memory over magazine size, 2 threads: slabifier has the lowest peak, 12.3 MiB'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'points are medians, bars their 95% intervals (of fewer than 5 runs: least to most)'
array names[6] = ["bufctl", "helenos", "magazine", "slabifier", "spl", "x15"]
styles = ' 1 2 3 5 6 7'
y_text = 'most pages held at once (MiB)'

# Something over magazine size, a curve a design. Designs without a magazine are level lines.
# Data: one block (index) a design, its name in the first line; columns magazine, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, styles (a line type a block), and what style.gp
# wants. The scale is logarithmic: designs differ tenfold.
load "style.gp"
set xlabel "magazine size (objects per CPU array)"
set ylabel y_text . ", log scale"
set logscale x 2
stats data_file using 3 nooutput # before there are ranges: it would heed them
blocks = STATS_blocks
y_low = STATS_min
stats data_file using 4 nooutput
y_high = STATS_max
points = STATS_records
eval log_y
set xrange [*:*] noextend
set offsets graph 0.02, graph 0.02, 0, 0
style(i) = int(word(styles, i + 1))
# Bars first, so that points lie on them.
if (points <= 12 * blocks) {
    # Few sizes: a tick for each of them.
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4 \
             with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
         for [i=0:blocks-1] data_file index i using 1:2:xticlabels(1) \
             with linespoints linetype style(i) title columnheader(1)
} else {
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4 \
             with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
         for [i=0:blocks-1] data_file index i using 1:2 \
             with linespoints linetype style(i) title columnheader(1)
}
