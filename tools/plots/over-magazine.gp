# Something over magazine size, a curve a design. Designs without a magazine are level lines.
# Data: one block (index) a design, its name in the first line; columns magazine, median, min, max.
# Wants: data_file, title_text, caption_text, y_text, and what style.gp wants.
load style_file
set xlabel "magazine size (objects per CPU array)"
set ylabel y_text
set logscale x 2
set yrange [0:*]
set xrange [*:*] noextend
set offsets graph 0.02, graph 0.02, 0, 0
stats data_file using 1 nooutput
blocks = STATS_blocks
if (STATS_records <= 12 * blocks) {
    # Few sizes: a tick for each of them.
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4:xticlabels(1) \
        with yerrorlines title columnheader(1)
} else {
    plot for [i=0:blocks-1] data_file index i using 1:2:3:4 with yerrorlines title columnheader(1)
}
