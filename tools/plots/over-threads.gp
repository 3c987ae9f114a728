# Throughput over threads, a curve a design and size; the dotted grey line is perfect scaling of the
# best design on the fewest threads.
# Data: one block (index) a curve, its name in the first line; columns threads, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, ideal (per thread), and what style.gp wants.
load style_file
set xlabel "threads (one a CPU)"
set ylabel y_text
set yrange [0:*]
stats data_file using 1 nooutput
blocks = STATS_blocks
x_max = STATS_max
set xrange [0:x_max + 0.5]
set xtics 1
if (x_max > 16) { set xtics autofreq }
plot ideal * x with lines linecolor rgb "#bbbbbb" linewidth 1.5 dashtype 3 \
         title "perfect scaling", \
     for [i=0:blocks-1] data_file index i using 1:2:3:4 with yerrorlines linetype i+1 \
         title columnheader(1)
