# Run gnuplot hackbench-latency-2-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'hackbench-latency-2-threads.svg'
data_file = 'hackbench-latency-2-threads.dat'
title_text = 'Latency, 2 threads: magazine (64) has the lowest 99th percentile of allocations, 40 ns'
caption_text = 'trace hackbench; AMD EPYC, 1 package, 1 node, 1 L3, 2 cores, 2 CPUs; 3 runs a point'
note_text = 'all runs together; times include one reading of the clock'
array names[16] = ["bufctl", "helenos (64)", "magazine (64)", "malloc:libc", "null", "slabifier", "spl (32)", "x15 (64)", "bufctl", "helenos (64)", "magazine (64)", "malloc:libc", "null", "slabifier", "spl (32)", "x15 (64)"]
styles = ' 1 2 3 4 1000 5 6 7 1 2 3 4 1000 5 6 7'
allocs = 8
frees = 8

# Latency as cumulative distributions, left allocations, right frees, a curve a design: the share of
# the operations that took no longer than a time. The axis of shares is that of the rest, logarithmic,
# so that the slowest one in a thousand can be seen beside the median.
# Data: blocks of allocations (allocs of them), then of frees (frees); a curve's name in the first
# line; columns time (ns), share of the operations that took longer.
# Wants: data_file, allocs, frees, styles (a line type a block), names, and what style.gp wants.
load "style.gp"
stats data_file using 1 nooutput
x_low = STATS_min > 1 ? STATS_min : 1
x_high = STATS_max
stats data_file using 2 nooutput
y_least = STATS_min < 0.1 ? (STATS_min > 1e-6 ? STATS_min : 1e-6) : 0.1
set logscale xy
set yrange [1:y_least]
set ytics ("0" 1, "50%%" 0.5, "90%%" 1e-1, "99%%" 1e-2, "99.9%%" 1e-3, "99.99%%" 1e-4, \
           "99.999%%" 1e-5, "99.9999%%" 1e-6)
set xrange [x_low / 1.2:x_high * 1.2]
set xtics ("1 ns" 1, "10 ns" 10, "100 ns" 100, "1 µs" 1e3, "10 µs" 1e4, "100 µs" 1e5, \
           "1 ms" 1e6, "10 ms" 1e7, "100 ms" 1e8, "1 s" 1e9)
set key off
style(i) = int(word(styles, i + 1))
set tmargin
set bmargin
set multiplot layout 1, 2 margins 0.09, 0.80, pixels(100), 1 - pixels(80) spacing 0.03, 0
set ylabel "share of the operations that took no longer"
set xlabel "time of an allocation"
plot for [i=0:allocs-1] data_file index i using (column(1) < 1 ? 1 : column(1)):2 \
         with linespoints linetype style(i) pointinterval 12 title names[i + 1]
eval captions_done
unset ylabel
set format y ""
set ytics ("" 1, "" 0.5, "" 1e-1, "" 1e-2, "" 1e-3, "" 1e-4, "" 1e-5, "" 1e-6)
set xlabel "time of a free"
set key at screen 0.99, screen 1 - pixels(80) right top vertical Left reverse
plot for [i=allocs:allocs+frees-1] data_file index i using (column(1) < 1 ? 1 : column(1)):2 \
         with linespoints linetype style(i) pointinterval 12 title names[i + 1]
unset multiplot
