# Run gnuplot hackbench-throughput-over-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-throughput-over-threads.svg'
data_file = 'hackbench-throughput-over-threads.dat'
style_file = 'style.gp'
title_text = 'Throughput over threads: hackbench (medians, min to max)'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
y_text = 'million events a second'
styles = '1 2 3 4 5 6 7 8'
ideal = 224.438

# Throughput over threads, a curve a design (at its largest size); the dotted grey line is perfect
# scaling of the design that is best on the fewest threads.
# Data: one block (index) a curve, its name in the first line; columns threads, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, styles (a line type a block), ideal (per
# thread), and what style.gp wants.
load style_file
set xlabel "threads (one a CPU)"
set ylabel y_text . ", log scale"
set logscale y
stats data_file using 1 nooutput
blocks = STATS_blocks
x_min = STATS_min
x_max = STATS_max
set xrange [x_min - 0.25:x_max + 0.25]
set xtics 1
if (x_max > 16) { set xtics autofreq }
style(i) = int(word(styles, i + 1))
# Bars first, so that points lie on them.
plot ideal * x with lines linecolor rgb "#bbbbbb" linewidth 1.5 dashtype 3 \
         title "perfect scaling of the best", \
     for [i=0:blocks-1] data_file index i using 1:2:3:4 \
         with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
     for [i=0:blocks-1] data_file index i using 1:2 with linespoints linetype style(i) \
         title columnheader(1)
