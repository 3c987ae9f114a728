# Run gnuplot netperf-48-opteron-6172x4-throughput-over-threads.gp in this folder to draw the picture again.
terminal_kind = 'svg'
output_file = 'netperf-48-opteron-6172x4-throughput-over-threads.svg'
data_file = 'netperf-48-opteron-6172x4-throughput-over-threads.dat'
title_text = 'Throughput from 1 to 48 threads: spl scales best (36.10 times), bufctl worst (0.10)'
caption_text = 'trace netperf-48.slt; simulated on opteron-6172x4, in virtual time'
note_text = 'each design at its fastest size, in brackets'
array names[7] = ["bufctl", "helenos", "magazine", "null", "slabifier", "spl", "x15"]
styles = ' 1 2 3 1000 4 5 6'
y_text = 'million events a second'
ideal = 49.7773

# Throughput (or memory) over threads, a curve a design (at its fastest size); the broad grey line is
# perfect scaling of the design that is best on the fewest threads.
# Data: one block (index) a curve, its name in the first line; columns threads, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, styles (a line type a block), ideal (per
# thread; 0: nothing that could scale), and what style.gp wants.
load "style.gp"
set xlabel "threads (one a CPU)"
set ylabel y_text . ", log scale"
stats data_file using 1 nooutput
blocks = STATS_blocks
x_min = STATS_min
x_max = STATS_max
set xrange [x_min - 0.25:x_max + 0.25]
stats data_file using 3 nooutput
y_low = STATS_min
stats data_file using 4 nooutput
y_high = STATS_max > ideal * x_max ? STATS_max : ideal * x_max
eval log_y
set xtics 1
if (x_max > 16) { set xtics autofreq }
if (x_max > 32) {
    set logscale x 2
    set xtics 2
    set xrange [x_min * 0.9:x_max * 1.1]
}
style(i) = int(word(styles, i + 1))
# Bars first, so that points lie on them.
set samples 400
plot (ideal == 0 || x < x_min || x > x_max ? NaN : ideal * x) with lines linecolor rgb "#bbbbbb" linewidth 4 dashtype 1 \
         title (ideal == 0 ? "" : "perfect scaling of the best"), \
     for [i=0:blocks-1] data_file index i using 1:2:3:4 \
         with yerrorbars linetype style(i) linewidth 1 dashtype 1 pointsize 0 notitle, \
     for [i=0:blocks-1] data_file index i using 1:2 with linespoints linetype style(i) \
         title columnheader(1)
