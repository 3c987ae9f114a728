# Run gnuplot hackbench-throughput-against-memory-1-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-throughput-against-memory-1-threads.svg'
data_file = 'hackbench-throughput-against-memory-1-threads.dat'
title_text = 'Throughput against memory, 1 thread; best for their memory: slabifier, x15 (8), x15 (32), helenos (32), ...'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'points are medians, bars their 95% intervals (of fewer than 5 runs: least to most)'
array names[7] = ["best for its memory", "bufctl", "helenos", "magazine", "slabifier", "spl", "x15"]
styles = ' 1 2 3 5 6 7'

# Throughput against memory, a point a design and magazine size: up is faster, left is less memory.
# Sizes of one design are joined in their order; the ends and what is on the front are labelled with
# them. Behind: the front, of the points that no other one beats in both.
# Data: block 0 the front (memory, throughput); then a block a design, its name in the first line;
# columns memory, throughput, their lowest and highest, size to be written beside.
# Wants: data_file, styles (a line type a block from 1 on), and what style.gp wants.
load "style.gp"
set ylabel "million events a second, log scale"
stats data_file using 1 nooutput
blocks = STATS_blocks
x_low = STATS_min
x_high = STATS_max
stats data_file using 5 nooutput
y_low = STATS_min
stats data_file using 6 nooutput
y_high = STATS_max
eval log_y
set xlabel "most pages held at once (MiB" . (x_high > 1.6 * x_low ? ", log scale)" : ")")
if (x_high > 1.6 * x_low) { eval log_x } else { set offsets graph 0.04, graph 0.06, 0, 0 }
style(i) = int(word(styles, i))
plot data_file index 0 using 1:2 with steps linecolor rgb "#bbbbbb" linewidth 5 dashtype 1 \
         title columnheader(1), \
     for [i=1:blocks-1] data_file index i using 1:2:3:4:5:6 with xyerrorbars linetype style(i) \
         linewidth 0.7 dashtype 1 pointsize 0 notitle, \
     for [i=1:blocks-1] data_file index i using 1:2 with linespoints linetype style(i) \
         linewidth 1 title columnheader(1), \
     for [i=1:blocks-1] data_file index i using 1:2:7 with labels offset 1.3,0.6 font ",10" \
         textcolor rgb "#333333" notitle
