# Run gnuplot hackbench-fragmentation-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-fragmentation-2-threads.svg'
data_file = 'hackbench-fragmentation-2-threads.dat'
title_text = 'Fragmentation over time, 2 threads: slabifier holds least, 1.23 times what is live'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'runs of median throughput; in the title, mean of held over mean of live'
array names[6] = ["bufctl", "helenos (64)", "magazine (64)", "slabifier", "spl (32)", "x15 (64)"]
styles = ' 1 2 3 5 6 7'
x_text = 'recorded time (s)'

# Fragmentation over time: pages held over bytes that are live, a curve a design. 1 is no waste.
# Data: a block a design, its name in the first line; columns x, held / live.
# Wants: data_file, x_text, styles (a line type a block), names, and what style.gp wants.
load "style.gp"
set xlabel x_text
set ylabel "pages held / bytes requested and live, log scale"
stats data_file using 2 nooutput
blocks = STATS_blocks
y_low = STATS_min < 1 ? STATS_min : 1
y_high = STATS_max
eval log_y
set yrange [y_low:y_high * 1.2]
set xrange [*:*] noextend
style(i) = int(word(styles, i + 1))
plot for [i=0:blocks-1] data_file index i using 1:2 with linespoints linetype style(i) \
         pointinterval 10 title columnheader(1)
