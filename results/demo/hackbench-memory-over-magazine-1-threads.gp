# Run gnuplot hackbench-memory-over-magazine-1-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-memory-over-magazine-1-threads.svg'
data_file = 'hackbench-memory-over-magazine-1-threads.dat'
style_file = 'style.gp'
title_text = 'Memory over magazine size: hackbench, 1 thread (peak of pages held)'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
y_text = 'most pages held at once (MiB)'
styles = '1 2 3 6 7 8'
ideal = 0

# Something over magazine size, a curve a design. Designs without a magazine are level lines.
# Data: one block (index) a design, its name in the first line; columns magazine, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, styles (a line type a block), and what style.gp
# wants. The scale is logarithmic: designs differ tenfold.
load style_file
set xlabel "magazine size (objects per CPU array)"
set ylabel y_text . ", log scale"
set logscale x 2
set logscale y
set xrange [*:*] noextend
set offsets graph 0.02, graph 0.02, 0, 0
stats data_file using 1 nooutput
blocks = STATS_blocks
style(i) = int(word(styles, i + 1))
# Bars first, so that points lie on them.
if (STATS_records <= 12 * blocks) {
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
